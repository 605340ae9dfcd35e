// Checkpoints and failures against a minimum found by trying, a simulation of failures, and published trainings.
#include "planner/goodput.hpp"

#include "hardware/rng.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

TEST_CASE("five minutes of checkpoint and a failure a day ask for a checkpoint every two hours", "[planner][goodput]") {
    // Method: Young's square root by hand, sqrt(2 * 300 * 86400) = 7200; Daly's series by hand.
    const Seconds checkpoint = 300.0_s;
    const Seconds mtbf = 24.0_hours;
    CHECK(young_interval(checkpoint, mtbf).si() == Approx(7200.0));
    CHECK(daly_interval(checkpoint, mtbf).si() == Approx(7200.0 * (1.0 + 1.0 / 72.0 + 1.0 / 5184.0) - 300.0));
    CHECK(daly_interval(50.0_hours, mtbf) == mtbf);
}

TEST_CASE("Daly's interval is where the share of work is highest", "[planner][goodput]") {
    // Method: the exact share tried at 4,000 intervals; the formula comes within 0.01 % of the best of them.
    for (const double checkpoint : {5.0, 60.0, 600.0, 3600.0}) {
        const Seconds mtbf = 6.0_hours;
        double best = 0.0;
        for (int i = 1; i <= 4000; ++i) {
            const Seconds interval = Seconds::from_si(i * 10.0);
            best = std::max(best, work_share(interval, Seconds::from_si(checkpoint), 600.0_s, mtbf));
        }
        const double found = work_share(daly_interval(Seconds::from_si(checkpoint), mtbf), Seconds::from_si(checkpoint), 600.0_s, mtbf);
        CHECK(found == Approx(best).epsilon(1e-4));
    }
}

TEST_CASE("the share of work is what a job with random failures has", "[planner][goodput]") {
    // Method: 200,000 segments of work and checkpoint, failures exponential, restarts that may fail too.
    const double interval = 1800.0;
    const double checkpoint = 120.0;
    const double restart = 900.0;
    const double mtbf = 7200.0;
    Rng rng(11);
    double time = 0.0;
    const int segments = 200'000;
    for (int i = 0; i < segments; ++i) {
        double needed = interval + checkpoint;
        for (;;) {
            const double failure = mtbf * rng.exponential();
            if (failure >= needed) {
                time += needed;
                break;
            }
            time += failure;
            needed = restart + interval + checkpoint;
        }
    }
    const double share = work_share(Seconds::from_si(interval), Seconds::from_si(checkpoint), Seconds::from_si(restart), Seconds::from_si(mtbf));
    CHECK(share == Approx(interval * segments / time).epsilon(0.01));
}

TEST_CASE("short restarts and rare failures give the first-order share of work", "[planner][goodput]") {
    // Method: (1 - (restart + interval / 2) / mtbf) / (1 + checkpoint / interval), arXiv 2410.21680, section 5.
    const double expected = (1.0 - (300.0 + 900.0) / 360000.0) / (1.0 + 20.0 / 1800.0);
    CHECK(work_share(1800.0_s, 20.0_s, 300.0_s, 100.0_hours) == Approx(expected).epsilon(2e-4));
}

TEST_CASE("a job on 16,384 H100 fails every three hours and works nine tenths of its time", "[planner][goodput]") {
    // Method: Llama 3 405B: 419 unexpected interruptions in 54 days, more than 90 % effective training time (arXiv
    // 2407.21783); with jobs of an eighth of the size failing an eighth as often.
    const Goodput whole = goodput_of(Reliability{}, 16384, 2048, 405e9);
    CHECK(whole.mtbf / 1.0_hours == Approx(54.0 * 24.0 / 419.0));
    CHECK(whole.share == Approx(0.90).margin(0.02));
    CHECK(goodput_of(Reliability{}, 2048, 256, 405e9).mtbf.si() == Approx(8.0 * whole.mtbf.si()));
}

TEST_CASE("a checkpoint takes its bytes over the slower of devices and storage", "[planner][goodput]") {
    // Method: BLOOM: 14 bytes for 176 G parameters, 384 processes at 0.15 GB/s: 43 s, 40 s measured; 20 GB/s of storage.
    Reliability reliability;
    CHECK(goodput_of(reliability, 384, 48, 176e9).checkpoint.si() == Approx(40.0).epsilon(0.08));
    reliability.storage_rate = BytesPerSecond::from_si(20e9);
    CHECK(goodput_of(reliability, 384, 48, 176e9).checkpoint.si() == Approx(176e9 * 14.0 / 20e9));
    reliability.checkpoint_blocking = 0.1;
    CHECK(goodput_of(reliability, 384, 48, 176e9).checkpoint.si() == Approx(17.6e9 * 14.0 / 20e9));
    reliability.checkpoint_interval = 1.0_hours;
    CHECK(goodput_of(reliability, 384, 48, 176e9).interval == 1.0_hours);
}

TEST_CASE("interruptions by others add to failures", "[planner][goodput]") {
    // Method: rates add; three hours between interruptions of a job that hardly fails itself.
    const Goodput spot = goodput_of(Reliability{}, 8, 1, 7e9, 3.0_hours);
    const Goodput kept = goodput_of(Reliability{}, 8, 1, 7e9);
    CHECK(1.0 / spot.mtbf.si() == Approx(1.0 / kept.mtbf.si() + 1.0 / 10800.0));
    CHECK(spot.share < kept.share);
}
