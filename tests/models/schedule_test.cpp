// Pipeline schedules: complete, ordered, free of deadlock, and with the bubble that their papers derive.
#include "models/step_graph.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

using namespace orrery;

namespace {

const Schedule& schedule_of(PipelineSchedule kind) {
    for (const Schedule& s : schedules()) {
        if (s.kind == kind) return s;
    }
    FAIL("schedule missing from the table");
    return schedules().front();
}

using Orders = std::vector<std::vector<SchedulePass>>;

Orders orders_of(PipelineSchedule kind, int p, int v, int m) {
    Orders orders;
    for (int stage = 0; stage < p; ++stage) orders.push_back(schedule_of(kind).passes(stage, p, v, m));
    return orders;
}

/// Plays the passes with the given times and free messages. Returns the makespan, or nothing on deadlock.
/// A pass through virtual stage x needs x - 1's forward, or x + 1's backward, of its micro-batch.
std::optional<double> play(const Orders& orders, int v, double forward, double backward) {
    const int p = static_cast<int>(orders.size());
    std::map<std::tuple<bool, int, int>, double> done;  // backward, micro-batch, virtual stage
    std::vector<std::size_t> next(orders.size(), 0);
    std::vector<double> clock(orders.size(), 0.0);
    bool moved = true;
    while (moved) {
        moved = false;
        for (int stage = 0; stage < p; ++stage) {
            auto& at = next[static_cast<std::size_t>(stage)];
            const auto& order = orders[static_cast<std::size_t>(stage)];
            while (at < order.size()) {
                const SchedulePass pass = order[at];
                const int x = pass.chunk * p + stage;
                double ready = clock[static_cast<std::size_t>(stage)];
                bool blocked = false;
                const auto need = [&](bool back, int virtual_stage) {
                    const auto found = done.find({back, pass.micro_batch, virtual_stage});
                    if (found == done.end())
                        blocked = true;
                    else
                        ready = std::max(ready, found->second);
                };
                if (!pass.backward && x > 0) need(false, x - 1);
                if (pass.backward) need(false, x);
                if (pass.backward && x < p * v - 1) need(true, x + 1);
                if (blocked) break;
                const double end = ready + (pass.backward ? backward : forward);
                done[{pass.backward, pass.micro_batch, x}] = end;
                clock[static_cast<std::size_t>(stage)] = end;
                ++at;
                moved = true;
            }
        }
    }
    for (std::size_t i = 0; i < orders.size(); ++i) {
        if (next[i] != orders[i].size()) return std::nullopt;
    }
    return *std::max_element(clock.begin(), clock.end());
}

void check_complete(const std::vector<SchedulePass>& order, int v, int m) {
    REQUIRE(order.size() == static_cast<std::size_t>(2 * v * m));
    std::map<std::pair<int, int>, int> state;  // 1 after forward, 2 after backward
    for (const SchedulePass& pass : order) {
        int& s = state[{pass.micro_batch, pass.chunk}];
        CHECK(s == (pass.backward ? 1 : 0));
        ++s;
    }
    CHECK(state.size() == static_cast<std::size_t>(v * m));
    CHECK(state.begin()->first == std::make_pair(0, 0));
    CHECK(state.rbegin()->first == std::make_pair(m - 1, v - 1));
}

int in_flight_max(const std::vector<SchedulePass>& order) {
    int held = 0;
    int most = 0;
    for (const SchedulePass& pass : order) {
        held += pass.backward ? -1 : 1;
        most = std::max(most, held);
    }
    return most;
}

}  // namespace

TEST_CASE("every micro-batch goes forward and then backward once through every chunk", "[models][schedule]") {
    // Method: count and order, over a grid of pipelines.
    for (const int p : {1, 2, 3, 4, 8}) {
        for (const int m : {1, 2, 3, 8, 24}) {
            for (const auto kind : {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b}) {
                for (const auto& order : orders_of(kind, p, 1, m)) check_complete(order, 1, m);
            }
            for (const int v : {1, 2, 5}) {
                for (const auto& order : orders_of(PipelineSchedule::interleaved, p, v, m * p)) {
                    check_complete(order, v, m * p);
                }
            }
        }
    }
}

TEST_CASE("no schedule deadlocks, and none beats the arithmetic", "[models][schedule]") {
    // Method: dependency simulation; the fullest stage works m (f + b), and a micro-batch takes p v (f + b) alone.
    for (const int p : {1, 2, 3, 4, 8, 16}) {
        for (const int m : {1, 2, 5, 16}) {
            for (const auto kind : {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b}) {
                const auto time = play(orders_of(kind, p, 1, m), 1, 1.0, 2.0);
                REQUIRE(time.has_value());
                CHECK(*time >= 3.0 * std::max(m, p));
            }
            for (const int v : {1, 2, 3, 8}) {
                const auto time = play(orders_of(PipelineSchedule::interleaved, p, v, m * p), v, 1.0, 2.0);
                REQUIRE(time.has_value());
                CHECK(*time >= 3.0 * m * p * v);
            }
        }
    }
}

TEST_CASE("the bubble is (p - 1) passes each way, and one in v of it when interleaved", "[models][schedule]") {
    // Method: closed form of Narayanan et al., arXiv 2104.04473, section 2.2: (p - 1)(f + b) / v over m (f + b), with
    // f and b of a whole stage; here f and b are of one chunk.
    for (const int p : {2, 4, 8}) {
        for (const int groups : {1, 2, 4}) {
            const int m = groups * p;
            const double ideal = 3.0 * m;
            CHECK(*play(orders_of(PipelineSchedule::gpipe, p, 1, m), 1, 1.0, 2.0) == Approx(ideal + 3.0 * (p - 1)));
            CHECK(*play(orders_of(PipelineSchedule::one_f_one_b, p, 1, m), 1, 1.0, 2.0) ==
                  Approx(ideal + 3.0 * (p - 1)));
            for (const int v : {2, 4}) {
                CHECK(*play(orders_of(PipelineSchedule::interleaved, p, v, m), v, 1.0, 2.0) ==
                      Approx(v * ideal + 3.0 * (p - 1)));
            }
        }
    }
}

TEST_CASE("1F1B holds at most p - stage micro-batches, GPipe all of them", "[models][schedule]") {
    // Method: count forward passes without their backward; Narayanan et al., section 2.2.1.
    for (const int p : {1, 4, 8}) {
        for (const int m : {1, 3, 32}) {
            for (int stage = 0; stage < p; ++stage) {
                CHECK(in_flight_max(schedule_of(PipelineSchedule::one_f_one_b).passes(stage, p, 1, m)) ==
                      std::min(m, p - stage));
                CHECK(in_flight_max(schedule_of(PipelineSchedule::gpipe).passes(stage, p, 1, m)) == m);
            }
        }
    }
}

TEST_CASE("interleaving holds p v + p - 1 chunks on the first stage", "[models][schedule]") {
    // Method: 1 + (p - 1)/(p v) times the 1F1B maximum of p v chunks; Korthikanti et al., arXiv 2205.05198, 4.2.3.
    for (const int p : {2, 4, 8}) {
        for (const int v : {2, 3}) {
            CHECK(in_flight_max(schedule_of(PipelineSchedule::interleaved).passes(0, p, v, 4 * p)) == p * v + p - 1);
        }
    }
}

TEST_CASE("the interleaved order is Megatron's", "[models][schedule]") {
    // Method: figure 4 of arXiv 2104.04473, first device of p = 4, v = 2, m = 8: chunk 0 for micro-batches 1-4, chunk 1
    // for 1-4, chunk 0 for 5-7, then forward 8 and backward 1 (of the last chunk) alternate.
    const auto order = schedule_of(PipelineSchedule::interleaved).passes(0, 4, 2, 8);
    for (int k = 0; k < 10; ++k) {
        CHECK_FALSE(order[static_cast<std::size_t>(k)].backward);
        CHECK(order[static_cast<std::size_t>(k)].chunk == (k / 4) % 2);
        CHECK(order[static_cast<std::size_t>(k)].micro_batch == (k < 8 ? k % 4 : 4 + k % 4));
    }
    CHECK_FALSE(order[10].backward);
    CHECK(order[11].backward);
    CHECK(order[11].chunk == 1);
    CHECK(order[11].micro_batch == 0);
}

TEST_CASE("the table of schedules names every kind once", "[models][schedule]") {
    // Method: against the enumeration.
    REQUIRE(schedules().size() == EnumTable<PipelineSchedule>::names.size());
    for (const auto& entry : EnumTable<PipelineSchedule>::names) CHECK(schedule_of(entry.value).name == entry.name);
}
