// Sizing questions against designs tried one by one, and explanations of plans against runs of their own.
#include "scenarios/search_block.hpp"

#include "planner/goal_replay.hpp"
#include "scenarios/goal_json.hpp"
#include "sim/training.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;
using namespace orrery::testing;

namespace {

/// A scenario of Llama 2 7B on one to eight nodes with this goal and what else the search has.
std::string goal_file(const TemporaryFolder& folder, const std::string& search, const std::string& economics = "{}") {
    const std::string path = folder.file("goal.json");
    std::ofstream(path) << R"({"cluster": {"node": "dgx-a100", "nodes": 1}, "economics": )" << economics <<
        R"(, "workload": {"kind": "training", "model": "llama2-7b", "sequence": 4096, "global_batch": 256}, "search": {)" << search <<
        R"(, "over": {"cluster.nodes": [1, 2, 4, 8], "workload.parallelism.tensor": [1, 2, 4, 8], "workload.parallelism.zero": [1],)"
        R"( "workload.micro_batch": [1, 2], "workload.recompute": ["none", "full"]}}})";
    return path;
}

struct Answered {
    LoadedSearch search;
    GoalQuestion question;
    SearchResult result;
    GoalAnswer answer;
};

Answered answered(const std::string& file, const std::vector<Setting>& settings = {}) {
    auto search = load_search(file, settings);
    if (!search) FAIL(search.problems().front().place + ": " + search.problems().front().problem);
    Answered all{std::move(search).value(), {}, {}, {}};
    all.question = goal_question(all.search.block);
    SearchOptions options;
    options.by_group = true;
    all.result = search_plans(all.search.space, options);
    all.answer = answer_goal(all.question, all.search.space, all.search.judged, all.result.fastest);
    return all;
}

const std::string rented = R"({"usd_per_device_hour": 2.0, "pue": 1.25, "carbon_intensity": 400})";

std::string problem_of(const std::string& file) {
    const auto search = load_search(file, {});
    if (search) return "";
    const Problem& first = search.problems().front();
    return first.place.substr(first.place.find(":/") + 1) + ": " + first.problem;
}

}  // namespace

TEST_CASE("a search by groups keeps the fastest plan of every cluster and batch", "[planner][goal]") {
    // Method: exhaustive searches of one cluster each.
    const TemporaryFolder folder;
    const std::string file = goal_file(folder, R"("goal": {"tokens": "100 B"})", rented);
    const Answered all = answered(file);
    REQUIRE(all.result.fastest.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        SearchSpace one{{all.search.space.bases[i]}};
        SearchOptions options;
        options.top = 1;
        options.exhaustive = true;
        const SearchResult alone = search_plans(one, options);
        REQUIRE(alone.best.size() == 1);
        CHECK(all.result.fastest[i].point == alone.best.front().point);
        CHECK(all.result.fastest[i].estimate == alone.best.front().estimate);
    }
}

TEST_CASE("with a deadline the cheapest design that keeps it is the answer", "[planner][goal]") {
    // Method: time, money and energy of each cluster's fastest plan by hand from run_training() and the model's own failures.
    const TemporaryFolder folder;
    const std::string file = goal_file(folder, R"("goal": {"tokens": "100 B", "finish_within": "12 days"})", rented);
    const Answered all = answered(file);
    CHECK(all.question.objective == Objective::cost);
    double cheapest = 0.0;
    for (const FoundPlan& plan : all.result.fastest) {
        const SearchBase& base = all.search.space.bases[plan.base];
        const auto run = run_training(base.cluster, run_at(base, plan.point), Fidelity::estimate, {});
        REQUIRE(run.ok());
        const double steps = std::ceil(100e9 / (256.0 * 4096.0));
        const double parameters = count_parameters(base.run.architecture).total;
        const double share = goodput_of(Reliability{}, base.cluster.devices(), base.cluster.nodes, parameters).share;
        const double hours = steps * run->outcome.step.si() / share / 3600.0;
        const double usd = hours * 2.0 * base.cluster.devices();
        if (hours <= 12 * 24.0 && (cheapest == 0.0 || usd < cheapest)) cheapest = usd;
        const auto design = std::find_if(all.answer.designs.begin(), all.answer.designs.end(), [&](const GoalDesign& one) { return one.plan.index == plan.index; });
        REQUIRE(design != all.answer.designs.end());
        CHECK(design->time.si() == Approx(hours * 3600.0));
        CHECK(design->cost.si() == Approx(usd));
        CHECK(design->energy.si() == Approx(run->power_average.si() * 1.25 * hours * 3600.0));
        CHECK(design->carbon == Approx(design->energy.si() / 3.6e6 * 400.0 / 1e6));
    }
    REQUIRE(all.answer.feasible > 0);
    CHECK(all.answer.designs.front().cost.si() == Approx(cheapest));
}

TEST_CASE("the shadow price of a deadline is what the next cheaper design saves by the days it takes longer", "[planner][goal]") {
    // Method: the same question asked again with the deadline that the shadow price names.
    const TemporaryFolder folder;
    const Answered all = answered(goal_file(folder, R"("goal": {"tokens": "100 B", "finish_within": "6 days"})", rented));
    REQUIRE(all.answer.shadows.size() == 1);
    const ShadowPrice& price = all.answer.shadows.front();
    REQUIRE(price.binds);
    const Answered later = answered(goal_file(folder, R"("goal": {"tokens": "100 B", "finish_within": )" + std::to_string(price.next) + "}", rented));
    const GoalDesign& before = all.answer.designs.front();
    const GoalDesign& after = later.answer.designs.front();
    CHECK(price.saved == Approx((before.cost - after.cost).si()));
    CHECK(price.per_unit() == Approx((before.cost - after.cost).si() / (after.time.si() - 6 * 86400.0)));
    CHECK(price.next > 6 * 86400.0);
    CHECK(later.answer.designs.front().plan == price.design->plan);
}

TEST_CASE("a power cap lowers clocks until the job draws what is allowed", "[planner][goal]") {
    // Method: the mean power of every design under the cap, and one more watt of it saves time.
    const TemporaryFolder folder;
    const Answered free = answered(goal_file(folder, R"("goal": {"tokens": "100 B"})", rented));
    CHECK(free.question.objective == Objective::time);
    const GoalDesign& fastest = free.answer.designs.front();
    CHECK(fastest.step.frequency == 1.0);
    const double cap = fastest.step.power.si() * 0.8;
    const Answered capped = answered(goal_file(folder, R"("goal": {"tokens": "100 B", "power": )" + std::to_string(cap) + "}", rented));
    REQUIRE(capped.answer.feasible > 0);
    const GoalDesign& best = capped.answer.designs.front();
    CHECK(best.step.power.si() <= cap * (1.0 + 1e-9));
    CHECK(best.time > fastest.time);
    CHECK(best.step.frequency < 1.0);
    REQUIRE(capped.answer.shadows.size() == 1);
    CHECK(capped.answer.shadows.front().binds);
    // The clock's price in time is the closed form's with all arithmetic that much slower, to what kernels leave to memory.
    const SearchBase& base = capped.search.space.bases[best.plan.base];
    const auto slow = run_training(changed_machine(base.cluster, MachinePart::arithmetic, best.step.frequency), run_at(base, best.plan.point), Fidelity::estimate, {});
    REQUIRE(slow.ok());
    CHECK(best.step.step.si() == Approx(slow->outcome.step.si()).epsilon(0.01));
}

TEST_CASE("a loss asks for the tokens of the scaling law, and a larger batch for more of them", "[planner][goal]") {
    // Method: the law's own inverse; McCandlish's factor by hand at critical batch 2 M and reference 1 M tokens.
    const TemporaryFolder folder;
    const Answered all = answered(goal_file(folder, R"("goal": {"loss": 2.1}, "scaling": {"critical_batch": "2 M", "reference_batch": "1 M"})", rented));
    const GoalBase& base = all.search.judged.front();
    const double plain = tokens_for_loss(published_law(ScalingFit::besiroglu), base.active, 2.1).value();
    const double batch = 256.0 * 4096.0;
    const TokenNeed need = tokens_needed(all.question, base, batch).value();
    CHECK(need.tokens == Approx(plain * (1.0 + batch / 2e6) / 1.5));
    CHECK(need.loss == Approx(2.1));
    CHECK(need.low < need.high);
    const Answered optimal = answered(goal_file(folder, R"("goal": {"budget": "1 M USD"})", rented));
    const TokenNeed best = tokens_needed(optimal.question, base, chinchilla_batch).value();
    CHECK(best.tokens == Approx(optimal_tokens(published_law(ScalingFit::besiroglu), base.active)));
}

TEST_CASE("owning counts capital by the hour and electricity by the joule", "[planner][goal]") {
    // Method: the ownership bill's device hour times the hours, and energy times its price.
    const TemporaryFolder folder;
    const std::string economics = R"({"tenure": "owned", "usd_per_kwh": 0.1, "own": {"node_price": "200000 USD", "network_price": "50 k USD"}})";
    const Answered all = answered(goal_file(folder, R"("goal": {"tokens": "100 B"})", economics));
    const GoalDesign& best = all.answer.designs.front();
    const SearchBase& base = all.search.space.bases[best.plan.base];
    const BoughtMachine machine{base.cluster.nodes, base.cluster.devices(), 200000.0_USD, 50000.0_USD};
    const double hours = best.time / 1.0_hours * base.cluster.devices();
    CHECK(best.cost.si() == Approx(owned_hour(all.search.judged.front().prices.own, machine).si() * hours + best.energy.si() / 3.6e6 * 0.1));
    const auto tenures = tenure_costs(all.question, base, all.search.judged[best.plan.base], best);
    REQUIRE(tenures.size() == 4);
    CHECK(tenures[3].design.cost == best.cost);
    CHECK(tenures[2].design.time > tenures[0].design.time);   // spot is interrupted
    CHECK(tenures[0].owning_pays.has_value());
}

TEST_CASE("a plan's difference to another is the sum of the effects of its changes", "[planner][explain]") {
    // Method: both plans run on their own; effects add up in every part; sensitivities against runs on slower machines.
    const TemporaryFolder folder;
    const Answered all = answered(goal_file(folder, R"("goal": {"tokens": "100 B"})", rented));
    REQUIRE(all.result.best.size() > 2);
    const FoundPlan& first = all.result.best.front();
    const FoundPlan& last = all.result.best.back();
    const auto explanation = explain_plan(all.search.space, all.result.best, first);
    REQUIRE(explanation.ok());
    CHECK(explanation->rank == 1);
    REQUIRE(explanation->others.size() == 2);
    CHECK(explanation->others[0].rank == 2);
    const PlanDifference& difference = explanation->others[1].difference;
    const SearchBase& base = all.search.space.bases[last.base];
    const auto other = run_training(base.cluster, run_at(base, last.point), Fidelity::estimate, {});
    Breakdown sum = explanation->breakdown;
    for (const ChangeEffect& effect : difference.effects) {
        CHECK_FALSE(effect.changes.empty());
        for (std::size_t i = 0; i < time_part_count; ++i) sum[i] += effect.moved[i];
    }
    for (std::size_t i = 0; i < time_part_count; ++i) CHECK(sum[i].si() == Approx(other->outcome.breakdown[i].si()).margin(1e-9));
    REQUIRE(explanation->sensitivities.size() == 5);
    double elasticities = 0.0;
    for (const Sensitivity& one : explanation->sensitivities) {
        CHECK(one.part == EnumTable<MachinePart>::names[static_cast<std::size_t>(&one - explanation->sensitivities.data())].value);
        if (one.part != MachinePart::latency) CHECK(one.elasticity <= 1e-9);
        elasticities += std::abs(one.elasticity);
    }
    CHECK(elasticities > 0.5);
    CHECK(elasticities < 1.1);   // launches and host work keep their time
    // An index leads to the same plan.
    const auto by_index = plan_at(all.search.space, first.index);
    REQUIRE(by_index.ok());
    CHECK(by_index->point == first.point);
    CHECK(by_index->base == first.base);
    CHECK_FALSE(plan_at(all.search.space, all.search.raw).ok());
}

TEST_CASE("what an answer takes for granted is told with its source, the scenario's own figures as such", "[planner][goal]") {
    // Method: a default with its source, and one that the scenario sets with a citation.
    const TemporaryFolder folder;
    const Answered all = answered(goal_file(folder, R"("goal": {"tokens": "100 B"}, "failures": {"restart": "5 min"})",
                                            R"({"usd_per_device_hour": 2.0, "source": "an offer of March 2026"})"));
    const auto list = goal_assumptions(all.search, all.answer);
    const auto find = [&](const std::string& path) {
        const auto found = std::find_if(list.begin(), list.end(), [&](const Assumption& one) { return one.path == path; });
        return found == list.end() ? Assumption{} : *found;
    };
    CHECK(find("economics.usd_per_device_hour") == Assumption{"economics.usd_per_device_hour", "$2", "the scenario: an offer of March 2026"});
    CHECK(find("search.failures.restart") == Assumption{"search.failures.restart", "5 min", "the scenario"});
    CHECK(contains(find("search.failures.device_mtbf").source, "arXiv 2407.21783"));
    CHECK(contains(find("economics.own.used").source, "arXiv 2410.21680"));
}

TEST_CASE("goals that make no sense are refused with place and remedy", "[planner][goal]") {
    // Method: one mistake at a time.
    const TemporaryFolder folder;
    const auto told = [&](const std::string& search, const std::string& economics = rented) {
        return problem_of(goal_file(folder, search, economics));
    };
    CHECK(told(R"("goal": {})") == "/search/goal: asks for nothing");
    CHECK(told(R"("goal": {"tokens": "1 T", "loss": 2.0})") == "/search/goal/loss: and tokens both say how long to train");
    // 1.8172 + 482.01 / 6.7e9^0.3478 = 2.0015
    CHECK(told(R"("goal": {"loss": 1.5})").starts_with("/search/goal/loss: is below 2.00"));
    CHECK(told(R"("goal": {"budget": "30 days"})").starts_with("/search/goal/budget: "));
    CHECK(told(R"("goal": {"finish_within": "0 days"})").starts_with("/search/goal/finish_within: "));
    CHECK(told(R"("goal": {"deadline": "3 days"})").starts_with("/search/goal/deadline: "));
    CHECK(told(R"("goal": {"carbon": 5, "tokens": "1 T"})", "{}") == "/search/goal/carbon: cannot be told without the grid's carbon");
    CHECK(told(R"("goal": {"tokens": "1 T"}, "failures": {"restart": "-1 s"})").starts_with("/search/failures/restart: "));
    CHECK(told(R"("goal": {"tokens": "1 T"}, "power_model": {"exponent": 7})").starts_with("/search/power_model/exponent: "));
}

TEST_CASE("a node without a price cannot be owned", "[planner][goal]") {
    // Method: a node of the catalogue that has none.
    const TemporaryFolder folder;
    const std::string file = goal_file(folder, R"("goal": {"tokens": "1 T"})", R"({"tenure": "owned"})");
    const auto search = load_search(file, {});
    REQUIRE_FALSE(search.ok());
    CHECK(search.problems().front().place == "/economics/own/node_price");
    CHECK(search.problems().front().problem == "is not given, and the catalogue has no price of dgx-a100");
    CHECK(load_search(file, {{"economics.own.node_price", "200 k USD"}}).ok());
}

TEST_CASE("a goal that no design reaches ends with status 1, the closest design and what is missing", "[ui][goal]") {
    // Method: the program on an impossible deadline and an impossible budget.
    const TemporaryFolder folder;
    const std::string file = goal_file(folder, R"("goal": {"tokens": "100 B", "finish_within": "1 day"})", rented);
    const ProgramRun run = run_program({"plan", file});
    CHECK(run.status == 1);
    CHECK(contains(run.out, "No design of 4 clusters and batches can do it. The closest:"));
    CHECK(contains(run.out, "What is missing"));
    CHECK(contains(run.out, "1 day"));
    const ProgramRun both = run_program({"plan", file, "--set", "search.goal.budget=1 k USD", "--json", "-"});
    CHECK(both.status == 1);
    const Json json = Json::parse(both.out);
    CHECK(json["goal"]["designs_within_limits"] == 0);
    CHECK(json["goal"]["missed"].size() == 2);
    CHECK(json["goal"]["missed"][0]["least_with_others_kept_s"].is_null());
}

TEST_CASE("plans are explained by rank and by index, and other names are refused", "[ui][explain]") {
    // Method: the program's text and JSON on a small search.
    const TemporaryFolder folder;
    const std::string file = goal_file(folder, R"("top": 3)", rented);
    const ProgramRun text = run_program({"plan", file, "--explain", "1"});
    CHECK(text.status == 0);
    CHECK(contains(text.out, "Why plan 1"));
    CHECK(contains(text.out, "From it to plan 2"));
    CHECK(contains(text.out, "elasticity"));
    const ProgramRun json = run_program({"plan", file, "--explain", "2", "--json", "-"});
    const Json answer = Json::parse(json.out);
    CHECK(answer["explanation"]["rank"] == 2);
    CHECK(answer["explanation"]["sensitivity"].size() == 5);
    const std::string index = std::to_string(answer["plans"][2]["index"].get<std::uint64_t>());
    CHECK(contains(run_program({"plan", file, "--explain", "index=" + index}).out, "Why plan 3"));
    CHECK(run_program({"plan", file, "--explain", "9"}).status == 2);
    CHECK(contains(run_program({"plan", file, "--explain", "9"}).error, "--explain 9: is not among the 3 plans of the answer"));
    CHECK(contains(run_program({"plan", file, "--explain", "best"}).error, "--explain best: names no plan"));
    CHECK(contains(run_program({"plan", file, "--explain", "index=99999999"}).error, "lies beyond the space"));
}

TEST_CASE("the best designs of a goal have the steps that the simulation plays", "[planner][goal][replay]") {
    // Method: run_training() in fluid detail of each design's own plan; times of whole trainings follow from it.
    const TemporaryFolder folder;
    const std::string file = goal_file(folder, R"("goal": {"tokens": "100 B", "finish_within": "60 days"})", rented);
    auto search = load_search(file, {});
    REQUIRE(search.ok());
    ReplayCrew crew(search->space, 1, 1);
    SearchOptions options;
    options.by_group = true;
    options.workers = 1;
    const SearchResult result = search_plans(search->space, options);
    const GoalQuestion question = goal_question(search->block);
    const GoalAnswer answer = answer_goal_played(question, search->space, search->judged, result.fastest, crew, 2);
    const GoalAnswer estimated = answer_goal(question, search->space, search->judged, result.fastest);
    REQUIRE(answer.designs.size() == estimated.designs.size());
    int simulated = 0;
    for (const GoalDesign& design : answer.designs) {
        const auto played = run_training(search->space.bases[design.plan.base].cluster, run_at(search->space.bases[design.plan.base], design.plan.point),
                                         Fidelity::fluid, {});
        REQUIRE(played.ok());
        if (design.estimated <= Seconds{}) continue;
        ++simulated;
        CHECK(design.plan.estimate.step.si() == Approx(played->outcome.step.si()).epsilon(1e-9));
        CHECK(design.time.si() == Approx(design.steps * played->outcome.step.si() / design.goodput.share).epsilon(1e-9));
    }
    CHECK(simulated >= 2);
    CHECK(answer.designs.front().estimated > Seconds{});
}
