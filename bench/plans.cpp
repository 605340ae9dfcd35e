// How fast plans are told: searches of committed spaces and full estimates of a mixed space, as CSV.
//   bench_plans [SCENARIOS [SPACE]]   the folder of the spaces, by default scenarios/ of where it runs; one of them alone
#include "scenarios/search_block.hpp"

#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <string>

namespace {

using namespace orrery;

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }   // of all threads

struct PlanCase {
    std::string name;
    std::string file;
    std::vector<Setting> settings;
    bool every_step = false;   // memory is no reason to stop: each plan gets its step
};

int measure(const PlanCase& one, int workers) {
    auto search = load_search(one.file, one.settings);
    if (!search) {
        fmt::print(stderr, "{}: {}\n", one.file, search.problems().front().problem);
        return 2;
    }
    SearchOptions options;
    options.workers = workers;
    options.objective = search->block.objective;
    options.limits = search->block.limits;
    if (one.every_step) options.limits.memory_share = 1e9;
    const double cpu_before = cpu_seconds();
    const auto begin = std::chrono::steady_clock::now();
    const SearchResult result = search_plans(search->space, options);
    const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double cpu = cpu_seconds() - cpu_before;
    const auto raw = static_cast<double>(result.raw);
    const auto estimated = static_cast<double>(result.estimated);
    fmt::print("{},{},{},{},{},{:.3f},{:.3f},{:.0f},{:.0f},{:.6f}\n", one.name, workers, result.raw, result.estimated, result.feasible,
               cpu, wall, raw / cpu, estimated / cpu, result.best.empty() ? 0.0 : result.best.front().estimate.step.si());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace orrery;
    const std::string folder = argc > 1 ? argv[1] : "scenarios";
    const std::string mixed = folder + "/plan-mixed-models-h100.json";
    const PlanCase cases[] = {
        {"gpt3-175b-512-a100", folder + "/plan-gpt3-175b-512-a100.json", {}},
        {"megatron-1t-4096-a100", folder + "/plan-megatron-1t-4096-a100.json", {}},
        {"llama3.1-405b-16384-h100", folder + "/plan-llama3.1-405b-16k-h100.json", {}},
        {"mixed-full-estimates", mixed, {}, true},
    };
    fmt::print("space,workers,raw_plans,estimated,feasible,cpu_s,wall_s,raw_per_cpu_s,estimated_per_cpu_s,best_step_s\n");
    int status = 0;
    for (const PlanCase& one : cases) {
        if (argc > 2 && one.name != argv[2]) continue;
        for (const int workers : {1, 2}) status = std::max(status, measure(one, workers));
    }
    return status;
}
