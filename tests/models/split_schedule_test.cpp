// Schedules that split the backward pass or lay chunks out otherwise: complete, free of deadlock, and with the bubbles
// and the micro-batches in flight that their papers derive.
#include "hardware/rng.hpp"
#include "models/stage_placement.hpp"
#include "models/step_graph.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <tuple>

using namespace orrery;

namespace {

struct PassTimes {
    double forward = 1.0;
    double input = 1.0;
    double weight = 1.0;
    double joined = 0.0;  // of a forward and a backward pass as one; 0: their sum
};

struct SplitPlay {
    double makespan = 0.0;
    double idle_max = 0.0;       // of the rank that works least, over the whole step
    double idle_inside_max = 0.0;  // the same from a rank's own first pass to its last
};

std::vector<std::vector<SchedulePass>> all_passes(const Parallelism& plan, int micro_batches) {
    for (const Schedule& schedule : schedules()) {
        if (schedule.kind != plan.schedule) continue;
        std::vector<std::vector<SchedulePass>> orders;
        for (int stage = 0; stage < plan.pipeline; ++stage)
            orders.push_back(schedule.passes(stage, plan.pipeline, plan.virtual_stages, micro_batches));
        return orders;
    }
    FAIL("schedule missing from the table");
    return {};
}

double duration(const SchedulePass& pass, const PassTimes& times) {
    if (!pass.backward) return times.forward;
    if (pass.part == PassPart::input) return times.input;
    if (pass.part == PassPart::weight) return times.weight;
    return times.input + times.weight;
}

/// Plays the passes with free messages, its own way: a pass needs the pass of the piece of the model before it
/// (forward) or after it (backward), found by the piece's number. Nothing on deadlock.
std::optional<SplitPlay> play_split(const Parallelism& plan, int micro_batches, const PassTimes& times) {
    const auto orders = all_passes(plan, micro_batches);
    std::map<std::tuple<bool, int, int>, double> done;  // backward, micro-batch, piece
    const auto stages = static_cast<std::size_t>(plan.pipeline);
    std::vector<std::size_t> next(stages, 0);
    std::vector<double> clock(stages, 0.0), busy(stages, 0.0), first(stages, -1.0);
    for (bool moved = true; moved;) {
        moved = false;
        for (std::size_t s = 0; s < stages; ++s) {
            while (next[s] < orders[s].size()) {
                std::vector<SchedulePass> now{orders[s][next[s]]};
                if (now[0].joins_next) now.push_back(orders[s][next[s] + 1]);
                double begin = clock[s];
                double length = 0.0;
                bool blocked = false;
                for (const SchedulePass& pass : now) {
                    length += duration(pass, times);
                    if (pass.part == PassPart::weight) continue;
                    const int piece = model_stage_of(plan, {static_cast<int>(s), pass.chunk}) + (pass.backward ? 1 : -1);
                    if (piece < 0 || piece >= plan.model_stages()) continue;
                    const auto before = done.find({pass.backward, pass.micro_batch, piece});
                    if (before == done.end()) {
                        blocked = true;
                    } else {
                        begin = std::max(begin, before->second);
                    }
                }
                if (blocked) break;
                if (now.size() == 2 && times.joined > 0.0) length = times.joined;
                if (first[s] < 0.0) first[s] = begin;
                clock[s] = begin + length;
                busy[s] += length;
                for (const SchedulePass& pass : now) {
                    if (pass.part == PassPart::weight) continue;
                    const int piece = model_stage_of(plan, {static_cast<int>(s), pass.chunk});
                    done[{pass.backward, pass.micro_batch, piece}] = clock[s];
                }
                next[s] += now.size();
                moved = true;
            }
        }
    }
    SplitPlay played;
    for (std::size_t s = 0; s < stages; ++s) {
        if (next[s] != orders[s].size()) return std::nullopt;
        played.makespan = std::max(played.makespan, clock[s]);
    }
    for (std::size_t s = 0; s < stages; ++s) {
        played.idle_max = std::max(played.idle_max, played.makespan - busy[s]);
        played.idle_inside_max = std::max(played.idle_inside_max, clock[s] - first[s] - busy[s]);
    }
    return played;
}

/// Forward passes whose weights' gradients are not done, at most.
int unfinished_max(const std::vector<SchedulePass>& passes) {
    int held = 0;
    int most = 0;
    for (const SchedulePass& pass : passes) {
        if (!pass.backward) most = std::max(most, ++held);
        if (pass.backward && pass.part != PassPart::input) --held;
    }
    return most;
}

Parallelism pipeline_of(PipelineSchedule schedule, int stages, int virtual_stages = 1) {
    Parallelism plan;
    plan.pipeline = stages;
    plan.schedule = schedule;
    plan.virtual_stages = virtual_stages;
    return plan;
}

/// Every chunk sees each of its micro-batches forward, then back: as a whole or in halves, inputs first. With DualPipe a
/// chunk has half of the micro-batches.
void check_every_pass_once(const Parallelism& plan, int micro_batches) {
    for (const auto& order : all_passes(plan, micro_batches)) {
        std::map<std::pair<int, int>, int> state;  // 1 forward, 2 inputs' gradient, 3 done
        for (const SchedulePass& pass : order) {
            int& s = state[{pass.chunk, pass.micro_batch}];
            if (!pass.backward) {
                REQUIRE(s == 0);
                s = 1;
            } else if (pass.part == PassPart::weight) {
                REQUIRE(s == 2);
                s = 3;
            } else {
                REQUIRE(s == 1);
                s = pass.part == PassPart::whole ? 3 : 2;
            }
        }
        const int each = plan.chunks_per_rank() * micro_batches / plan.copies();
        REQUIRE(state.size() == static_cast<std::size_t>(each));
        for (const auto& one : state) REQUIRE(one.second == 3);
    }
}

}  // namespace

TEST_CASE("every pass comes once and no schedule deadlocks, whatever the pipeline", "[models][schedule]") {
    // Method: 300 seeded random pipelines, pass times and schedules; counting, and a dependency simulation of our own.
    Rng rng = Rng::stream(20261125, "schedules", 0);
    const auto between = [&](int low, int high) {
        return low + static_cast<int>(rng.uniform() * static_cast<double>(high - low + 1));
    };
    for (int i = 0; i < 300; ++i) {
        const auto& names = EnumTable<PipelineSchedule>::names;
        const PipelineSchedule kind = names[static_cast<std::size_t>(i) % names.size()].value;
        Parallelism plan = pipeline_of(kind, between(1, 12));
        if (plan.interleaves()) plan.virtual_stages = between(1, 5);
        int m = between(1, 40);
        if (kind == PipelineSchedule::interleaved) m = plan.pipeline * between(1, 4);
        if (kind == PipelineSchedule::dualpipe) {
            plan.pipeline = 2 * between(1, 8);
            m = 2 * plan.pipeline + 2 * between(0, 12);
        }
        INFO(name_of(kind) << ", " << plan.pipeline << " stages, " << plan.virtual_stages << " chunks, " << m);
        check_every_pass_once(plan, m);
        const PassTimes times{rng.uniform() + 0.1, rng.uniform() + 0.1, rng.uniform() + 0.1, 0.0};
        const auto played = play_split(plan, m, times);
        REQUIRE(played.has_value());
        const double work = m * (times.forward + times.input + times.weight) * plan.chunks_per_rank() / plan.copies();
        CHECK(played->makespan >= work * (1.0 - 1e-12));
    }
}

TEST_CASE("ZB-H1 leaves (p - 1)(F + B - W) of bubble, a third of 1F1B's where all are equal", "[models][schedule]") {
    // Method: Qi et al., arXiv 2401.10241, table 2: 1F1B (p - 1)(F + B + W), ZB-H1 (p - 1)(F + B - W); B is the inputs'
    // gradient there. Times with W at most B and F, as the paper assumes.
    for (const int p : {2, 4, 8, 16}) {
        for (const int m : {p, 2 * p, 5 * p + 1}) {
            for (const PassTimes& t : {PassTimes{1.0, 1.0, 1.0}, PassTimes{1.0, 1.1, 0.9}, PassTimes{2.0, 2.5, 1.5}}) {
                const double work = m * (t.forward + t.input + t.weight);
                const auto plain = play_split(pipeline_of(PipelineSchedule::one_f_one_b, p), m, t);
                const auto split = play_split(pipeline_of(PipelineSchedule::zb_h1, p), m, t);
                CHECK(plain->makespan - work == Approx((p - 1) * (t.forward + t.input + t.weight)));
                CHECK(split->makespan - work == Approx((p - 1) * (t.forward + t.input - t.weight)));
            }
            const auto third = play_split(pipeline_of(PipelineSchedule::zb_h1, p), m, {});
            CHECK((third->makespan - 3.0 * m) * 3.0 == Approx(3.0 * (p - 1)));
        }
    }
}

TEST_CASE("ZB-V has no bubble inside a rank's own step where all passes are equal", "[models][schedule]") {
    // Method: Qi et al., arXiv 2401.10241, section 6: zero bubble with F = B = W, counted from a rank's first pass to its
    // last. Where all ranks begin together, the last one still waits p - 1 forward passes of one chunk, half a stage,
    // for its first micro-batch: a sixth of 1F1B's bubble.
    for (const int p : {2, 4, 8, 16}) {
        for (const int m : {2 * p, 3 * p, 5 * p}) {
            const auto played = play_split(pipeline_of(PipelineSchedule::zb_v, p), m, {0.5, 0.5, 0.5});
            CHECK(played->idle_inside_max == Approx(0.0).margin(1e-9));
            CHECK(played->makespan - 3.0 * m == Approx(0.5 * (p - 1)));
        }
    }
}

TEST_CASE("DualPipe leaves (p / 2 - 1)(F&B + B - 3 W) of bubble", "[models][schedule]") {
    // Method: DeepSeek-V3, arXiv 2412.19437, table 2; B is a whole backward pass there. F = B_input = W, joined passes at
    // their sum or, hiding exchanges, at less.
    for (const int p : {2, 4, 8, 16}) {
        for (const int m : {2 * p, 4 * p, 6 * p + 2}) {
            for (const double joined : {3.0, 2.4, 2.7}) {
                const auto played = play_split(pipeline_of(PipelineSchedule::dualpipe, p), m, {1.0, 1.0, 1.0, joined});
                CHECK(played->idle_max == Approx((0.5 * p - 1.0) * (joined + 2.0 - 3.0)).margin(1e-9));
            }
        }
    }
}

TEST_CASE("breadth-first has the interleaved bubble, one in v of the plain one", "[models][schedule]") {
    // Method: Lamy-Poirier, arXiv 2211.05953, section 3.2: (p - 1) / (m v) of the work; and it holds every micro-batch of
    // every chunk.
    for (const int p : {2, 4, 8}) {
        for (const int v : {2, 4}) {
            const Parallelism plan = pipeline_of(PipelineSchedule::breadth_first, p, v);
            const auto played = play_split(plan, 2 * p, {1.0, 1.0, 1.0});
            CHECK(played->makespan == Approx(3.0 * v * 2 * p + 3.0 * (p - 1)));
            CHECK(unfinished_max(all_passes(plan, 2 * p).front()) == 2 * p * v);
        }
    }
}

TEST_CASE("what is in flight: p micro-batches under ZB-H1 and ZB-V, p + 1 halves twice under DualPipe",
          "[models][schedule]") {
    // Method: counting forward passes until their weights' gradients. Qi et al., arXiv 2401.10241: ZB-H1 and ZB-V hold
    // what 1F1B's first rank holds, p, on every rank (ZB-V: 2 p chunks of half a stage). DeepSeek-V3, arXiv 2412.19437,
    // table 2: p + 1.
    for (const int p : {2, 4, 8, 16}) {
        for (const auto& order : all_passes(pipeline_of(PipelineSchedule::zb_h1, p), 3 * p)) CHECK(unfinished_max(order) == p);
        for (const auto& order : all_passes(pipeline_of(PipelineSchedule::zb_v, p), 3 * p))
            CHECK(unfinished_max(order) == 2 * p);
        for (const auto& order : all_passes(pipeline_of(PipelineSchedule::dualpipe, p), 3 * p))
            CHECK(unfinished_max(order) == p + 1);
    }
}

TEST_CASE("pieces of the model lie in a loop, a V or mirrored, and data goes through all of them", "[models][schedule]") {
    // Method: following the results of passes from the first piece visits each piece once and in order, on neighbouring
    // ranks or the same one.
    for (const auto kind : {PipelineSchedule::interleaved, PipelineSchedule::zb_v, PipelineSchedule::dualpipe}) {
        const Parallelism plan = pipeline_of(kind, 6, kind == PipelineSchedule::interleaved ? 3 : 1);
        for (const VirtualStage& start : places_of(plan, 0)) {
            std::optional<VirtualStage> at = start;
            for (int piece = 0; piece < plan.model_stages(); ++piece) {
                REQUIRE(at.has_value());
                CHECK(model_stage_of(plan, *at) == piece);
                const auto next = step_along(plan, *at, false);
                if (next) {
                    const int apart = std::abs(next->stage - at->stage);
                    CHECK((apart <= 1 || apart == plan.pipeline - 1));
                    CHECK(step_along(plan, *next, true) == at);
                }
                at = next;
            }
            CHECK_FALSE(at.has_value());
        }
    }
    CHECK(pipeline_of(PipelineSchedule::zb_v, 6).model_stages() == 12);
    CHECK(pipeline_of(PipelineSchedule::dualpipe, 6).model_stages() == 6);
}
