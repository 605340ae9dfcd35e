// From a cluster and a priced step to an outcome: lay out, fold, play, and tell the critical rank's story.
#include "sim/simulate.hpp"

#include "sim/cast.hpp"
#include "sim/fold.hpp"
#include "sim/groups.hpp"
#include "sim/play.hpp"
#include "sim/traffic.hpp"

#include <sys/resource.h>
#include <algorithm>
#include <chrono>

namespace orrery {
namespace {

constexpr double step_seconds_max = 1e6;

std::uint64_t peak_rss_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts KiB
}

void check_fault_rank(RankId rank, int devices, std::string_view what, std::size_t index, Problems& problems) {
    if (rank >= 0 && rank < devices) return;
    problems.push_back({"/cluster/faults/" + std::string(what) + "/" + std::to_string(index) + "/rank",
                        "there is no device " + std::to_string(rank) + " in this job",
                        "give a device from 0 to " + std::to_string(devices - 1)});
}

/// A step of more than twelve days is a unit gone wrong, and with faults and contention could pass what 63 bits of
/// picoseconds hold.
void check_horizon(const Cluster& cluster, const StepProgram& program, Problems& problems) {
    if (program.stages.empty()) return;
    double slowest = 1.0;
    for (const SlowDevice& slow : cluster.faults.slow_devices) slowest = std::max(slowest, slow.factor);
    for (const SlowLink& slow : cluster.faults.slow_links) slowest = std::max(slowest, 1.0 / slow.rate);
    const double seconds = estimate(program).step.si() * slowest;
    if (seconds < step_seconds_max) return;
    problems.push_back({"/cluster", "one step would take about " + std::to_string(static_cast<long long>(std::min(seconds, 1e18))) +
                                        " s, more than the simulated clock is made for",
                        "check rates and their units, such as /cluster/fabric/bandwidth (a bare number is bytes per second)"});
}

Problems problems_of(const Cluster& cluster, const StepProgram& program) {
    Problems problems;
    check_horizon(cluster, program, problems);
    const int devices = program.parallelism.devices();
    if (devices > cluster.devices() || devices > cluster.fabric.devices) {
        problems.push_back(
            {"/workload/parallelism",
             "needs " + std::to_string(devices) + " devices, the cluster has " + std::to_string(cluster.devices()),
             "lower a degree of parallelism or add nodes"});
    }
    if (static_cast<int>(program.stages.size()) != program.parallelism.pipeline) {
        problems.push_back({"/workload/parallelism/pipeline",
                            "the program has " + std::to_string(program.stages.size()) + " stages, the plan " +
                                std::to_string(program.parallelism.pipeline),
                            "give every pipeline rank its program"});
    }
    const Faults& faults = cluster.faults;
    for (std::size_t i = 0; i < faults.slow_devices.size(); ++i) {
        check_fault_rank(faults.slow_devices[i].rank, devices, "slow_devices", i, problems);
    }
    for (std::size_t i = 0; i < faults.slow_links.size(); ++i) {
        check_fault_rank(faults.slow_links[i].rank, devices, "slow_links", i, problems);
    }
    return problems;
}

Breakdown in_seconds(const SpentTime& spent) {
    Breakdown breakdown{};
    for (std::size_t i = 0; i < time_part_count; ++i) breakdown[i] = to_seconds(spent[i]);
    return breakdown;
}

/// The one that ends last; among equals the one with the most compute, then the lowest rank. -1: none of that stage.
std::int32_t critical_actor(const Cast& cast, const PlayedStep& played, int stage) {
    constexpr auto compute = static_cast<std::size_t>(TimePart::compute);
    std::int32_t best = -1;
    for (std::size_t a = 0; a < cast.actors.size(); ++a) {
        if (stage >= 0 && cast.actors[a].stage != stage) continue;
        const auto key = [&](std::size_t i) { return std::pair(played.end[i], played.spent[i][compute]); };
        if (best < 0 || key(a) > key(static_cast<std::size_t>(best))) best = static_cast<std::int32_t>(a);
    }
    return best;
}

}  // namespace

Result<StepOutcome> simulate(const Cluster& cluster, const StepProgram& program, const SimulateOptions& options) {
    const auto begin = std::chrono::steady_clock::now();
    if (Problems problems = problems_of(cluster, program); !problems.empty()) return problems;
    const GroupTable groups = group_ranks(program);
    const TrafficPlan traffic = plan_traffic(cluster, program, groups);
    const bool folded = options.detail == Detail::folded;
    const Folding folding = folded ? fold(cluster, program, groups, traffic) : unfolded(groups, traffic);
    const Cast cast = cast_step(cluster, program, groups, traffic, folding);
    const PlayOptions play{cluster.faults.jitter, options.seed, options.trace ? options.trace_spans_max : 0};
    Result<PlayedStep> result = play_step(program, groups, cast, play);
    if (!result.ok()) return result.problems();
    PlayedStep& played = *result;

    StepOutcome outcome;
    outcome.step = to_seconds(played.step);
    const auto critical = static_cast<std::size_t>(critical_actor(cast, played, -1));
    outcome.breakdown = in_seconds(played.spent[critical]);
    outcome.critical_rank = cast.actors[critical].rank;
    for (int stage = 0; stage < program.parallelism.pipeline; ++stage) {
        const auto actor = static_cast<std::size_t>(critical_actor(cast, played, stage));
        outcome.by_stage.push_back(in_seconds(played.spent[actor]));
    }
    outcome.trace = std::move(played.trace);
    outcome.statistics.events = played.events;
    outcome.statistics.ranks = groups.ranks;
    outcome.statistics.classes = static_cast<int>(cast.actors.size());
    outcome.statistics.detail = folded ? "folded" : "full";
    outcome.statistics.peak_rss_bytes = peak_rss_bytes();
    outcome.statistics.wall =
        Seconds::from_si(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    return outcome;
}

}  // namespace orrery
