// Plans as whole trainings: tokens, clocks, failures, money; then limits, relaxed one at a time.
#include "planner/goal.hpp"

#include "hardware/result.hpp"
#include "planner/machine_change.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {
namespace {

constexpr double joules_per_kilowatt_hour = 3.6e6;

double share_over(const GoalValues& values, const GoalValues& limits) {
    double most = 0.0;
    for (std::size_t i = 0; i < goal_limit_count; ++i) {
        if (limits[i] > 0.0) most = std::max(most, values[i] / limits[i]);
    }
    return most;
}

/// A clock found by bisection stops a rounding below its cap.
bool keeps_limits(const GoalValues& values, const GoalValues& limits) { return share_over(values, limits) <= 1.0 + 1e-12; }

struct JudgedPlan {
    FoundPlan plan;
    double clock_share = 0.0;
};

std::vector<GoalDesign> designs_under(const GoalQuestion& question, const SearchSpace& space, const std::vector<GoalBase>& judged,
                                      const std::vector<JudgedPlan>& plans) {
    std::vector<GoalDesign> designs;
    for (const JudgedPlan& one : plans) {
        auto design = design_of(question, space.bases[one.plan.base], judged[one.plan.base], one.plan, one.clock_share);
        if (design) designs.push_back(std::move(*design));
    }
    return designs;
}

/// Those within the limits by the objective, then the others by how far the worst limit is broken.
void rank_designs(std::vector<GoalDesign>& designs, Objective objective, const GoalValues& limits) {
    std::stable_sort(designs.begin(), designs.end(), [&](const GoalDesign& a, const GoalDesign& b) {
        const bool first = keeps_limits(a.values, limits);
        const bool second = keeps_limits(b.values, limits);
        if (first != second) return first;
        const double of_a = first ? goal_score(objective, a) : share_over(a.values, limits);
        const double of_b = first ? goal_score(objective, b) : share_over(b.values, limits);
        return of_a != of_b ? of_a < of_b : a.plan.index < b.plan.index;
    });
}

void set_limit(GoalSpec& goal, GoalLimit limit, double value) {
    switch (limit) {
        case GoalLimit::time: goal.finish_within = Seconds::from_si(value); break;
        case GoalLimit::money: goal.budget = Usd::from_si(value); break;
        case GoalLimit::power: goal.power = Watts::from_si(value); break;
        case GoalLimit::carbon: goal.carbon = value; break;
    }
}

ShadowPrice shadow_price(const GoalQuestion& question, const SearchSpace& space, const std::vector<GoalBase>& judged,
                         const std::vector<JudgedPlan>& plans, const GoalDesign& best, GoalLimit limit) {
    ShadowPrice price;
    price.limit = limit;
    const auto i = static_cast<std::size_t>(limit);
    price.at = limits_of(question.goal)[i];
    price.used = best.values[i];
    const double score = goal_score(question.objective, best);
    for (const double wider : {1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0}) {
        GoalQuestion relaxed = question;
        set_limit(relaxed.goal, limit, price.at * wider);
        std::vector<GoalDesign> designs = designs_under(relaxed, space, judged, plans);
        rank_designs(designs, question.objective, limits_of(relaxed.goal));
        const double better = goal_score(question.objective, designs.front());
        if (better >= score * (1.0 - 1e-9)) continue;
        price.binds = true;
        price.next = designs.front().values[i];
        price.saved = score - better;
        price.design = std::move(designs.front());
        break;
    }
    return price;
}

std::vector<MissedLimit> missed_limits(const GoalQuestion& question, const SearchSpace& space, const std::vector<GoalBase>& judged,
                                       const std::vector<JudgedPlan>& plans, const GoalDesign& closest) {
    const GoalValues limits = limits_of(question.goal);
    std::vector<MissedLimit> missed;
    for (std::size_t i = 0; i < goal_limit_count; ++i) {
        if (limits[i] <= 0.0 || closest.values[i] <= limits[i] * (1.0 + 1e-12)) continue;
        MissedLimit one{static_cast<GoalLimit>(i), limits[i], closest.values[i], {}};
        GoalQuestion without = question;
        set_limit(without.goal, one.limit, 0.0);
        for (const GoalDesign& design : designs_under(without, space, judged, plans)) {
            if (keeps_limits(design.values, limits_of(without.goal)) && (!one.others_kept || design.values[i] < *one.others_kept)) {
                one.others_kept = design.values[i];
            }
        }
        missed.push_back(one);
    }
    return missed;
}

}  // namespace

GoalValues limits_of(const GoalSpec& goal) { return {goal.finish_within.si(), goal.budget.si(), goal.power.si(), goal.carbon}; }

double goal_score(Objective objective, const GoalDesign& design) {
    if (objective == Objective::cost) return design.cost.si();
    if (objective == Objective::energy) return design.energy.si();
    return design.time.si();
}

std::optional<TokenNeed> tokens_needed(const GoalQuestion& question, const GoalBase& base, double batch_tokens) {
    const ScalingFit fit = question.scaling.law;
    const ScalingLaw law = published_law(fit);
    const ScalingLaw other = published_law(fit == ScalingFit::hoffmann ? ScalingFit::besiroglu : ScalingFit::hoffmann);
    TokenNeed need;
    std::optional<double> tokens;
    std::optional<double> by_other;
    if (question.goal.tokens > 0.0) {
        tokens = by_other = question.goal.tokens;
    } else if (question.goal.loss > 0.0) {
        tokens = tokens_for_loss(law, base.active, question.goal.loss);
        by_other = tokens_for_loss(other, base.active, question.goal.loss);
    } else {
        tokens = optimal_tokens(law, base.active);
        by_other = optimal_tokens(other, base.active);
    }
    if (!tokens) return std::nullopt;
    need.loss = loss_of(law, base.active, *tokens);
    need.loss_other = loss_of(other, base.active, *tokens);
    need.critical_batch = question.scaling.critical > 0.0 ? question.scaling.critical : critical_batch(need.loss);
    const double usual = question.goal.tokens > 0.0 ? base.own_batch : chinchilla_batch;
    const double reference = question.scaling.reference > 0.0 ? question.scaling.reference : usual;
    need.batch_factor = batch_token_factor(batch_tokens, reference, need.critical_batch);
    need.tokens = *tokens * need.batch_factor;
    need.low = std::min(need.tokens, by_other.value_or(*tokens) * need.batch_factor);
    need.high = by_other ? std::max(need.tokens, *by_other * need.batch_factor) : std::numeric_limits<double>::infinity();
    return need;
}

double clock_share_of(const SearchBase& base, const FoundPlan& plan) {
    constexpr double slower = 0.8;
    const TrainingRun run = run_at(base, plan.point);
    const auto usual = run_training(base.cluster, run, Fidelity::estimate, {});
    const auto slow = run_training(changed_machine(base.cluster, MachinePart::arithmetic, slower), run, Fidelity::estimate, {});
    if (!usual || !slow) return plan.estimate.busy;
    const double share = (slow->outcome.step / usual->outcome.step - 1.0) / (1.0 / slower - 1.0);
    return std::clamp(share, 0.0, plan.estimate.busy);
}

std::optional<GoalDesign> design_of(const GoalQuestion& question, const SearchBase& base, const GoalBase& judged, const FoundPlan& plan,
                                    double clock_share) {
    GoalDesign design;
    design.plan = plan;
    design.clock_share = clock_share;
    const double batch = at(plan.point, PlanAxis::global_batch) * static_cast<double>(base.run.spec.computed_sequence());
    const auto need = tokens_needed(question, judged, batch);
    if (!need) return std::nullopt;
    design.need = *need;
    design.steps = std::ceil(need->tokens / batch);
    const int devices = base.cluster.devices();
    const double pue = judged.prices.pue;
    const Watts idle = job_power(base.cluster, devices, 0.0) * pue;
    const UncappedStep uncapped{plan.estimate.step, plan.estimate.busy, clock_share, idle,
                                job_power(base.cluster, devices, 1.0) * pue - idle};
    design.step = step_at_clock(question.power, uncapped, 1.0);
    if (question.goal.power > Watts{}) {
        const auto capped = step_under_cap(question.power, uncapped, question.goal.power);
        design.step = capped ? *capped : step_at_clock(question.power, uncapped, question.power.frequency_min);
    }
    const Seconds interruption = judged.prices.tenure == Tenure::spot ? judged.prices.cloud.spot_interval : Seconds{};
    design.goodput = goodput_of(question.reliability, devices, base.cluster.nodes, judged.parameters, interruption);
    design.time = design.step.step * (design.steps / design.goodput.share);
    design.energy = design.step.power * design.time;   // redone work and waiting drawn as work
    design.cost = device_hour_of(judged.prices, judged.machine) * (devices * (design.time / 1.0_hours)) +
                  design.energy * energy_paid(judged.prices);
    design.carbon = design.energy.si() / joules_per_kilowatt_hour * judged.prices.carbon_intensity * 1e-6;
    design.values = {design.time.si(), design.cost.si(), design.step.power.si(), design.carbon};
    return design;
}

std::vector<TenureCost> tenure_costs(const GoalQuestion& question, const SearchBase& base, const GoalBase& judged,
                                     const GoalDesign& design) {
    std::vector<TenureCost> costs;
    for (const auto& tenure : EnumTable<Tenure>::names) {
        const bool is_owned = tenure.value == Tenure::owned;
        if (is_owned ? judged.machine.node_price <= Usd{} : judged.prices.device_hour <= Usd{}) continue;
        GoalBase other = judged;
        other.prices.tenure = tenure.value;
        const auto paid = design_of(question, base, other, design.plan, design.clock_share);
        ORRERY_CHECK(paid.has_value());
        TenureCost cost{tenure.value, *paid, device_hour_of(other.prices, other.machine), {}};
        if (!is_owned && judged.machine.node_price > Usd{}) {
            cost.owning_pays = break_even(other.prices, other.machine, cost.device_hour, paid->step.power);
        }
        costs.push_back(std::move(cost));
    }
    return costs;
}

GoalAnswer answer_goal(const GoalQuestion& question, const SearchSpace& space, const std::vector<GoalBase>& judged,
                       const std::vector<FoundPlan>& plans) {
    ORRERY_CHECK(judged.size() == space.bases.size());
    GoalAnswer answer;
    answer.objective = question.objective;
    std::vector<JudgedPlan> shared;
    for (const FoundPlan& plan : plans) {
        const bool is_capped = question.goal.power > Watts{};
        shared.push_back({plan, is_capped ? clock_share_of(space.bases[plan.base], plan) : plan.estimate.busy});
    }
    answer.designs = designs_under(question, space, judged, shared);
    answer.loss_unreachable = answer.designs.empty() && !plans.empty();
    const GoalValues limits = limits_of(question.goal);
    rank_designs(answer.designs, question.objective, limits);
    for (const GoalDesign& design : answer.designs) answer.feasible += keeps_limits(design.values, limits) ? 1 : 0;
    if (answer.designs.empty()) return answer;
    const GoalDesign& best = answer.designs.front();
    if (answer.feasible == 0) {
        answer.missed = missed_limits(question, space, judged, shared, best);
        return answer;
    }
    for (std::size_t i = 0; i < goal_limit_count; ++i) {
        if (limits[i] > 0.0) answer.shadows.push_back(shadow_price(question, space, judged, shared, best, static_cast<GoalLimit>(i)));
    }
    return answer;
}

}  // namespace orrery
