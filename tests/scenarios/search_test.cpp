// Searches against brute force: every plan of a small space counted once, the best ones those that trying all finds.
#include "scenarios/search_block.hpp"

#include "hardware/rng.hpp"
#include "models/plan_problems.hpp"
#include "planner/replay.hpp"
#include "planner/store.hpp"
#include "sim/training.hpp"
#include "tests/places.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

using namespace orrery;

namespace {

const std::string cluster_text = R"("cluster": {"node": "dgx-a100", "nodes": 2},)";
const std::string workload_text =
    R"("workload": {"kind": "training", "model": "gpt3-6.7b", "sequence": 2048, "global_batch": 64},)";

/// A scenario file with this `search` block, gone at the end.
class SearchFile {
  public:
    explicit SearchFile(const std::string& search, const std::string& workload = workload_text)
        : path_(std::filesystem::temp_directory_path() / ("orrery-search-" + std::to_string(::getpid()) + ".json")) {
        std::ofstream(path_) << "{" << cluster_text << workload << R"("search": )" << search << "}";
    }
    ~SearchFile() { std::filesystem::remove(path_); }
    SearchFile(const SearchFile&) = delete;
    SearchFile& operator=(const SearchFile&) = delete;
    [[nodiscard]] std::string path() const { return path_.string(); }
    [[nodiscard]] LoadedSearch load() const {
        auto loaded = load_search(path(), {});
        if (!loaded) FAIL(loaded.problems().front().place + ": " + loaded.problems().front().problem);
        return std::move(loaded).value();
    }
    /// The first problem without the file's name.
    [[nodiscard]] std::string problem() const {
        const auto loaded = load_search(path(), {});
        if (loaded) return "";
        const Problem& first = loaded.problems().front();
        return first.place.substr(std::min(first.place.size(), path().size() + 1)) + ": " + first.problem;
    }

  private:
    std::filesystem::path path_;
};

const std::string small_space = R"({"over": {
    "workload.parallelism.tensor": [1, 2, 3, 4, 8], "workload.parallelism.sequence_parallel": [false, true],
    "workload.parallelism.pipeline": {"from": 1, "to": 8, "powers_of": 2},
    "workload.parallelism.schedule": ["1f1b", "1f1b-interleaved", "zb-h1"],
    "workload.parallelism.virtual_stages": [1, 2], "workload.parallelism.zero": [0, 1, 3],
    "workload.micro_batch": [1, 2, 5], "workload.recompute": ["none", "selective", "full"]}, "top": 8})";

/// Every point of a base's axes in order.
template <class Visit>
void for_each_point(const SearchBase& base, Visit visit) {
    std::array<std::size_t, plan_axis_count> digit{};
    for (std::uint64_t index = 0;; ++index) {
        PlanPoint point{};
        for (std::size_t i = 0; i < plan_axis_count; ++i) point[i] = base.values[i][digit[i]];
        visit(index, point);
        std::size_t axis = plan_axis_count;
        while (axis > 0 && ++digit[axis - 1] == base.values[axis - 1].size()) digit[--axis] = 0;
        if (axis == 0) return;
    }
}

/// The plan at a point as run_training() answers it; nothing where it has problems.
std::optional<TrainingAnswer> answer_at(const SearchBase& base, const PlanPoint& point) {
    const TrainingRun run = run_at(base, point);
    if (run.spec.parallelism.devices() != base.cluster.devices()) return std::nullopt;
    auto answer = run_training(base.cluster, run, Fidelity::estimate, {});
    return answer ? std::optional(std::move(answer).value()) : std::nullopt;
}

}  // namespace

TEST_CASE("a search counts every plan once and finds what trying all of them finds", "[planner][search]") {
    // Method: brute force over the product of all values by run_training(); plans that say the same have equal times.
    const SearchFile file(small_space);
    const LoadedSearch search = file.load();
    const SearchBase& base = search.space.bases.front();
    SearchOptions options;
    options.top = 8;
    const SearchResult result = search_plans(search.space, options);
    CHECK(result.raw == search.raw);
    CHECK(result.complete());

    std::uint64_t plans = 0;
    std::set<double> times;
    for_each_point(base, [&](std::uint64_t, const PlanPoint& point) {
        ++plans;
        const auto answer = answer_at(base, point);
        if (answer && answer->fits) times.insert(answer->outcome.step.si());
    });
    CHECK(plans == search.raw);
    REQUIRE(result.best.size() == 8);
    std::set<double> found;
    for (const FoundPlan& plan : result.best) found.insert(plan.estimate.step.si());
    auto fastest = times.begin();
    for (const double step : found) {
        CHECK(step == Approx(*fastest).epsilon(1e-9));
        ++fastest;
    }
}

TEST_CASE("the early checks of a search agree with the checks of a plan", "[planner][search]") {
    // Method: 4,000 random points of the automatic space of a dense model and of a mixture; refused but for "same" means
    // problems, and the other way round.
    for (const char* model : {"llama3.1-8b", "mixtral-8x7b"}) {
        const SearchFile file(R"({"over": "auto"})", R"("workload": {"kind": "training", "model": ")" + std::string(model) +
                                                         R"(", "sequence": 4096, "global_batch": 64},)");
        const LoadedSearch search = file.load();
        const SearchBase& base = search.space.bases.front();
        Rng rng(7);
        int went = 0;
        for (int i = 0; i < 4000; ++i) {
            PlanPoint point{};
            TrainingSpec spec = base.run.spec;
            std::optional<Refusal> refusal;
            for (const PlanAxisInfo& one : plan_axes()) {
                const auto& values = base.values[static_cast<std::size_t>(one.axis)];
                at(point, one.axis) = values[static_cast<std::size_t>(rng.uniform() * static_cast<double>(values.size()))];
                if (refusal) continue;
                apply_axis(one.axis, at(point, one.axis), spec);
                refusal = refusal_after(one.axis, base, spec, at(point, one.axis));
            }
            const TrainingRun run = run_at(base, point);
            const bool has_problems = run.spec.parallelism.devices() != base.cluster.devices() ||
                                      !plan_problems(base.run.architecture, run.spec).empty();
            if (refusal == Refusal::same) continue;
            INFO("point " << i << ", refused for " << (refusal ? std::string(name_of(*refusal)) : "nothing"));
            CHECK(refusal.has_value() == has_problems);
            went += refusal ? 0 : 1;
        }
        CHECK(went > 5);
    }
}

TEST_CASE("the answer of a search is the same from any number of workers", "[planner][search]") {
    // Method: all plans kept, Pareto front and counts at 1, 2 and 8 threads.
    const SearchFile file(small_space);
    const LoadedSearch search = file.load();
    SearchOptions options;
    options.workers = 1;
    const SearchResult one = search_plans(search.space, options);
    for (const int workers : {2, 8}) {
        options.workers = workers;
        const SearchResult more = search_plans(search.space, options);
        CHECK(more.best == one.best);
        CHECK(more.pareto == one.pareto);
        CHECK(more.refused == one.refused);
        CHECK(search_json(search, more) == search_json(search, one));
    }
}

TEST_CASE("plans of a Pareto front do not beat one another and beat or equal all others", "[planner][search]") {
    // Method: pairwise comparison of the front, and of the best by each objective against it.
    const SearchFile file(small_space);
    const LoadedSearch search = file.load();
    const SearchBase& base = search.space.bases.front();
    const SearchResult result = search_plans(search.space, {});
    const auto beats = [&](const FoundPlan& a, const FoundPlan& b) {
        const PlanFigures x = figures_of(base, a);
        const PlanFigures y = figures_of(base, b);
        return x.step <= y.step && x.energy <= y.energy && x.memory <= y.memory &&
               (x.step < y.step || x.energy < y.energy || x.memory < y.memory);
    };
    REQUIRE(result.pareto.size() > 1);
    for (const FoundPlan& a : result.pareto) {
        for (const FoundPlan& b : result.pareto) CHECK(!beats(a, b));
    }
    CHECK(result.pareto.front().estimate.step == result.best.front().estimate.step);
    for (const FoundPlan& one : result.best) {
        CHECK(std::none_of(result.pareto.begin(), result.pareto.end(), [&](const FoundPlan& of_front) { return beats(one, of_front); }));
    }
}

TEST_CASE("search blocks with mistakes say where they are", "[planner][search]") {
    // Method: one mistake each.
    const auto problem = [](const std::string& search) { return SearchFile(search).problem(); };
    CHECK(problem(R"({"over": {"workload.micro_batch": []}})") == "/search/over/workload.micro_batch: has no values");
    CHECK(problem(R"({"over": {"workload.micro_batch": {"from": 1}}})") ==
          "/search/over/workload.micro_batch: is a range without an end, which makes the space infinite");
    CHECK(problem(R"({"over": {"workload.micro_batch": {"to": 8, "step": 0}}})") ==
          "/search/over/workload.micro_batch: never comes to its end, which makes the space infinite");
    CHECK(problem(R"({"over": {"workload.micro_batch": {"from": 8, "to": 4}}})") ==
          "/search/over/workload.micro_batch: has no values: \"to\" is below \"from\"");
    CHECK(problem(R"({"over": {"workload.microbatch": [1]}})") == "/search/over/workload.microbatch: is no key of scenarios");
    CHECK(problem(R"({"over": {"cluster.nodes": "auto"}})") == "/search/over/cluster.nodes: has no automatic values");
    CHECK(problem(R"({"over": {"workload.recompute": ["some"]}})") ==
          "/search/over/workload.recompute: has the value \"some\"");
    CHECK(problem(R"({"objectives": "time"})") == "/search/objectives: is not a known key");
    CHECK(problem(R"({"over": {"cluster.nodes": [1, 0]}})").find("is 0") != std::string::npos);
    CHECK(problem(R"({"over": {"workload.parallelism.data": "auto"}})").empty());
}

TEST_CASE("other keys of a scenario vary too, and their plans compare per sequence", "[planner][search]") {
    // Method: one and two nodes; by time the larger cluster wins, by cost the one with less communication.
    const SearchFile file(R"({"over": {"cluster.nodes": [1, 2], "workload.parallelism.tensor": [8],
                                       "workload.parallelism.zero": [1]}, "limits": {"memory_share": 0.9}})");
    const LoadedSearch search = file.load();
    REQUIRE(search.space.bases.size() == 2);
    SearchOptions options;
    const SearchResult by_time = search_plans(search.space, options);
    REQUIRE(by_time.best.size() == 2);
    CHECK(by_time.best.front().base == 1);
    options.objective = Objective::cost;
    CHECK(search_plans(search.space, options).best.front().base == 0);
    options.limits.power_max = job_power(search.space.bases[0].cluster, 12, 0.9) * 1.2;   // between one node and two
    const SearchResult small = search_plans(search.space, options);
    CHECK(small.best.size() == 1);
    CHECK(small.refused[static_cast<std::size_t>(Refusal::power)] == 1);
}

TEST_CASE("estimates of a search are those of single runs", "[planner][search]") {
    // Method: random plans of the automatic spaces of a dense model, a hybrid and a mixture, in the order of the space,
    // so that what plans share is used again; each against run_training() in closed form.
    for (const char* model : {"llama2-7b", "mixtral-8x7b", "gemma2-9b"}) {
        const SearchFile file(R"({"over": "auto"})", R"("workload": {"kind": "training", "model": ")" + std::string(model) +
                                                         R"(", "sequence": 4096, "global_batch": 512},)");
        const LoadedSearch search = file.load();
        const SearchBase& base = search.space.bases.front();
        Rng rng(11);
        int compared = 0;
        for (int i = 0; i < 40000 && compared < 120; ++i) {
            const DrawnPlan drawn = draw_plan(base, rng);
            if (!drawn.spec) continue;
            const TrainingSpec& spec = *drawn.spec;
            PlanEvaluator evaluator(base);
            TrainingSpec neighbour = spec;   // leaves its graph and prices behind
            neighbour.parallelism.zero = neighbour.parallelism.zero != 0 ? 0 : spec.parallelism.fsdp ? 2 : 1;
            neighbour.parallelism.shard = 0;
            (void)evaluator.evaluate(neighbour, Bytes::from_si(1e18));
            const auto estimated = evaluator.evaluate(spec, Bytes::from_si(1e18));
            REQUIRE(estimated.has_value());
            const auto answer = answer_at(base, drawn.point);
            REQUIRE(answer.has_value());
            const bool is_split = spec.parallelism.splits_backward();
            INFO(model << " at point " << i);
            CHECK(estimated->step.si() == Approx(answer->outcome.step.si()).epsilon(is_split ? 0.03 : 1e-9));
            CHECK(estimated->memory.si() == Approx(answer->memory.total().si()).epsilon(1e-12));
            CHECK(estimated->busy == Approx(answer->compute_utilization).epsilon(is_split ? 0.03 : 1e-9));
            ++compared;
        }
        CHECK(compared >= 30);
    }
}

TEST_CASE("a search by bounds finds what trying all plans finds", "[planner][search]") {
    // Method: the automatic spaces of a small cluster with schedules that only a walk through their passes can time;
    // exhaustive search as the oracle: the best by each objective and the whole front, from one worker and from three.
    const SearchFile file(R"({"over": {"workload.parallelism.pipeline": "auto", "workload.parallelism.tensor": "auto",
                                       "workload.parallelism.schedule": ["1f1b", "1f1b-interleaved", "zb-h1", "zb-v", "dualpipe"],
                                       "workload.parallelism.virtual_stages": [1, 2], "workload.parallelism.zero": [0, 1],
                                       "workload.micro_batch": [1, 2, 4], "workload.recompute": ["none", "full"]}})");
    const LoadedSearch search = file.load();
    std::uint64_t spared = 0;
    for (const Objective objective : {Objective::time, Objective::cost, Objective::energy, Objective::memory}) {
        SearchOptions options;
        options.objective = objective;
        options.workers = 1;
        const SearchResult bounded = search_plans(search.space, options);
        options.workers = 3;
        const SearchResult again = search_plans(search.space, options);
        options.exhaustive = true;
        const SearchResult all = search_plans(search.space, options);
        CHECK(bounded.best == all.best);
        CHECK(bounded.pareto == all.pareto);
        CHECK(again.best == bounded.best);
        CHECK(again.refused == bounded.refused);
        CHECK(bounded.raw == all.raw);
        spared += bounded.refused[static_cast<std::size_t>(Refusal::bound)];
    }
    CHECK(spared > 0);
}

TEST_CASE("a bound is below the plan's time, with the plan's own memory", "[planner][search]") {
    // Method: random plans with split backward passes of a dense model; run_training() in closed form as the oracle.
    const SearchFile file(R"({"over": {"workload.parallelism.schedule": ["zb-h1", "zb-v"], "*": "auto"}})",
                          R"("workload": {"kind": "training", "model": "llama2-7b", "sequence": 4096, "global_batch": 64},)");
    const LoadedSearch search = file.load();
    const SearchBase& base = search.space.bases.front();
    PlanEvaluator evaluator(base);
    Rng rng(5);
    int compared = 0;
    for (int i = 0; i < 200000 && compared < 60; ++i) {
        const DrawnPlan drawn = draw_plan(base, rng);
        if (!drawn.spec) continue;
        const auto bound = evaluator.bound(*drawn.spec, Bytes::from_si(1e18));
        const auto answer = answer_at(base, drawn.point);
        REQUIRE(bound.has_value());
        REQUIRE(answer.has_value());
        CHECK(bound->step <= answer->outcome.step * (1.0 + 1e-12));
        CHECK(bound->step > answer->outcome.step * 0.3);
        CHECK(bound->memory.si() == Approx(answer->memory.total().si()).epsilon(1e-12));
        ++compared;
    }
    CHECK(compared == 60);
}

TEST_CASE("plans played by worker processes take the times that one process plays, near their estimates", "[planner][search][replay]") {
    // Method: the best 12 of a small space, each by run_training() in this process as the oracle; estimates within 5 % at
    // 9 of 10, and a worker that is told to play what cannot be played says so.
    const SearchFile file(small_space);
    const LoadedSearch search = file.load();
    SearchOptions options;
    options.top = 12;
    ReplayCrew crew(search.space, 2, 1);
    SearchResult result = search_plans(search.space, options);
    result.replayed = crew.play(result.best);
    REQUIRE(result.replayed.size() == result.best.size());
    std::size_t near = 0;
    for (std::size_t i = 0; i < result.best.size(); ++i) {
        const SearchBase& base = search.space.bases[result.best[i].base];
        const auto played = run_training(base.cluster, run_at(base, result.best[i].point), Fidelity::fluid, {});
        REQUIRE(played.ok());
        CHECK(result.replayed[i].step == played->outcome.step);
        if (std::abs(result.best[i].estimate.step / played->outcome.step - 1.0) < 0.05) ++near;
    }
    CHECK(near * 10 >= result.best.size() * 9);

    FoundPlan impossible = result.best.front();
    at(impossible.point, PlanAxis::tensor) = 7;
    const auto refused = crew.play(std::array{impossible, result.best.front()});
    CHECK(refused[0].step == Seconds{});
    CHECK_FALSE(refused[0].problem.empty());
    CHECK(refused[1].problem.empty());

    rank_replayed(search.space, Objective::time, result.best, result.replayed);
    for (std::size_t i = 1; i < result.replayed.size(); ++i) CHECK(result.replayed[i - 1].step <= result.replayed[i].step);
}

TEST_CASE("a stored search resumes, ranks anew and merges from shards to the same answer", "[planner][search][store]") {
    // Method: one whole search as the oracle; three shards merged; a store with its last branches deleted and resumed.
    const SearchFile file(small_space);
    const LoadedSearch search = file.load();
    SearchOptions every;
    every.exhaustive = true;   // as a search that is stored
    const SearchResult whole = search_plans(search.space, every);
    const std::string expected = search_json(search, whole);
    const StoreIdentity identity{search.scenario.sha256, file.path(), "", search.raw};
    const auto folder = std::filesystem::temp_directory_path() / ("orrery-store-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    std::vector<StoredUnit> merged;
    for (std::uint32_t shard = 0; shard < 3; ++shard) {
        auto store = PlanStore::open((folder / ("part-" + std::to_string(shard))).string(), identity, false);
        REQUIRE(store.ok());
        SearchOptions options;
        options.shard = shard;
        options.shards = 3;
        options.store = &*store;
        CHECK(search_plans(search.space, options).complete());
        const auto units = store->read();
        REQUIRE(units.ok());
        merged.insert(merged.end(), units->begin(), units->end());
    }
    CHECK(search_json(search, rank_stored(search.space, {}, merged)) == expected);
    SearchOptions by_memory;
    by_memory.objective = Objective::memory;
    CHECK(rank_stored(search.space, by_memory, merged).best == search_plans(search.space, by_memory).best);

    const std::string cut = (folder / "cut").string();
    {
        auto store = PlanStore::open(cut, identity, false);
        REQUIRE(store.ok());
        for (std::size_t i = 0; i + 3 < merged.size(); ++i) CHECK(store->write(merged[i]).empty());
        CHECK_FALSE(store->write(merged.front()).empty());   // nothing is stored twice
    }
    CHECK_FALSE(PlanStore::open(cut, identity, false).ok());
    StoreIdentity other = identity;
    other.scenario_sha256 = "other";
    CHECK(PlanStore::open(cut, other, true).problems().front().problem.find("holds another search") == 0);
    auto store = PlanStore::open(cut, identity, true);
    REQUIRE(store.ok());
    SearchOptions options;
    options.store = &*store;
    CHECK(search_json(search, search_plans(search.space, options)) == expected);
    CHECK(store->read()->size() == merged.size());
    CHECK_FALSE(PlanStore::open_existing((folder / "none").string()).ok());
    std::filesystem::remove_all(folder);
}

TEST_CASE("stages of unequal size are tried where a search asks for them", "[planner][search][split]") {
    // Method: every plan of the space by itself, in the closed form of run_training() with the layers of its stages
    // written out; the split that gives the last stage's head room is the fastest.
    const SearchFile file(R"({"over": {"workload.parallelism.pipeline": [1, 4, 8], "workload.parallelism.tensor": [2],
                              "workload.parallelism.zero": [0, 3],
                              "workload.parallelism.schedule": ["1f1b", "1f1b-interleaved"], "workload.parallelism.virtual_stages": [1, 2],
                              "workload.parallelism.stage_layers": ["even", "0,1", "1,1", "0,2", "1,2"]}, "top": 200})");
    const LoadedSearch search = file.load();
    const SearchBase& base = search.space.bases.front();
    SearchOptions options;
    options.top = 200;
    options.exhaustive = true;
    const SearchResult result = search_plans(search.space, options);
    std::set<std::int32_t> splits;
    for (const FoundPlan& plan : result.best) {
        const auto answer = answer_at(base, plan.point);
        REQUIRE(answer.has_value());
        CHECK(plan.estimate.step.si() == Approx(answer->outcome.step.si()).epsilon(1e-9));
        CHECK(plan.estimate.memory.si() == Approx(answer->memory.total().si()).epsilon(1e-9));
        const std::int32_t split = at(plan.point, PlanAxis::stage_layers);
        splits.insert(split);
        const TrainingRun run = run_at(base, plan.point);
        if (split == 0) continue;
        int layers = 0;
        for (const int one : run.spec.parallelism.stage_layers) layers += one;
        CHECK(layers == base.run.architecture.stack());
        const FewerLayers fewer = fewer_layers_of(split);
        CHECK(run.spec.parallelism.stage_layers.back() + fewer.last == Approx(run.spec.parallelism.stage_layers.front() + fewer.first).margin(1.0));
    }
    CHECK(splits.size() >= 3);
    CHECK(result.refused[static_cast<std::size_t>(Refusal::pipeline)] > 0);   // no pipeline, nothing to split
    const SearchFile wrong(R"({"over": {"workload.parallelism.stage_layers": ["3"]}})");
    CHECK(wrong.problem().find("has the value \"3\"") != std::string::npos);
}

TEST_CASE("a search over power caps trades time for energy", "[planner][search][power]") {
    // Method: the clock by the cube root of power above idle; kernels bound by arithmetic take 1 / clock as long, so that no
    // step takes longer than that, and the job's power above idle falls by the cube.
    const SearchFile file(R"({"over": {"cluster.power_cap": ["400 W", "300 W", "200 W"], "workload.parallelism.tensor": [2],
                              "workload.parallelism.pipeline": [2]}, "objective": "time", "top": 3})");
    const LoadedSearch search = file.load();
    REQUIRE(search.space.bases.size() == 3);
    SearchOptions options;
    options.top = 3;
    const SearchResult result = search_plans(search.space, options);
    REQUIRE(result.best.size() == 3);
    const Device& device = search.space.bases[0].cluster.device;
    for (std::size_t i = 1; i < 3; ++i) {
        CHECK(result.best[i].base == i);   // the lower the cap, the longer the step
        const double idle = 88.0 / 700.0;
        const double cap = i == 1 ? 300.0 : 200.0;
        const double clock = std::cbrt((cap / device.power_limit.si() - idle) / (1.0 - idle));
        const double slower = result.best[i].estimate.step / result.best[0].estimate.step;
        CHECK(slower > 1.0);
        CHECK(slower < 1.0 / clock);
        CHECK(search.space.bases[i].cluster.kernel_power == Approx(std::pow(clock, 3.0)));
    }
    options.objective = Objective::energy;
    CHECK(search_plans(search.space, options).best.front().base == 2);
    const SearchFile low(R"({"over": {"cluster.power_cap": ["60 W"]}})");
    CHECK(low.problem().find("draws at the lowest clock") != std::string::npos);
}
