// Sizing questions: which design does so many tokens in so many days, for so much money, under so much power; which of
// these limits binds, and what more of it buys.
#pragma once

#include "planner/goodput.hpp"
#include "planner/power_cap.hpp"
#include "planner/prices.hpp"
#include "planner/scaling_law.hpp"
#include "planner/search.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// What a scenario asks for; 0: not asked.
struct GoalSpec {
    Seconds finish_within;
    Usd budget;
    Watts power;
    double carbon = 0.0;
    double tokens = 0.0;
    double loss = 0.0;
    bool operator==(const GoalSpec&) const = default;
    static constexpr auto fields() {
        using G = GoalSpec;
        return std::tuple{
            field("finish_within", &G::finish_within, positive, "Time from start to the last token, failures included."),
            field("budget", &G::budget, positive, "Money for all of it."),
            field("power", &G::power, positive, "Most that the job may draw on average, PUE included; clocks fall to keep it."),
            field("carbon", &G::carbon, positive, "Tonnes of CO2 equivalent; needs economics.carbon_intensity."),
            field("tokens", &G::tokens, positive, "Tokens to train on; absent: what `loss` needs, else what is best for the model."),
            field("loss", &G::loss, {0.1, 20.0}, "Loss to come down to, nats per token, by the scaling law."),
        };
    }
};

enum class GoalLimit : std::uint8_t { time, money, power, carbon };
inline constexpr std::size_t goal_limit_count = 4;
template <>
struct EnumTable<GoalLimit> {
    static constexpr std::array<EnumName<GoalLimit>, goal_limit_count> names{{
        {GoalLimit::time, "finish_within", "time"},
        {GoalLimit::money, "budget", "cost"},
        {GoalLimit::power, "power", "power"},
        {GoalLimit::carbon, "carbon", "carbon"},
    }};
};

/// In SI units and tonnes, by GoalLimit; a limit of 0: none.
using GoalValues = std::array<double, goal_limit_count>;
GoalValues limits_of(const GoalSpec& goal);

struct GoalQuestion {
    GoalSpec goal;
    Objective objective = Objective::time;   // of whole trainings; memory and pareto count as time
    Reliability reliability;
    PowerModel power;
    ScalingSpec scaling;
};

/// What a base's plans are judged by, beside the base.
struct GoalBase {
    Prices prices;             // with a rent
    BoughtMachine machine;
    double parameters = 0.0;   // that a checkpoint holds
    double active = 0.0;       // that a token meets: the law's model size
    double own_batch = 0.0;    // tokens of the scenario's own batch
};

/// Tokens to train on.
struct TokenNeed {
    double tokens = 0.0;       // at the plan's batch
    double low = 0.0;          // by the two published fits
    double high = 0.0;
    double loss = 0.0;         // that they lead to
    double loss_other = 0.0;   // by the other fit
    double critical_batch = 0.0;
    double batch_factor = 1.0; // of `tokens`, for the batch's size
};

/// Nothing where the law says that the model never comes down to the loss.
std::optional<TokenNeed> tokens_needed(const GoalQuestion& question, const GoalBase& base, double batch_tokens);

/// A whole training by one plan.
struct GoalDesign {
    FoundPlan plan;
    Seconds estimated;         // the plan's step in closed form, where `plan` has the simulated one; 0: not simulated
    double clock_share = 0.0;
    TokenNeed need;
    double steps = 0.0;
    CappedStep step;           // under the power limit, or at the lowest clock
    Goodput goodput;
    Seconds time;              // failures and checkpoints included
    Usd cost;
    Joules energy;             // with PUE
    double carbon = 0.0;       // tonnes; 0: not known
    GoalValues values{};
};

/// `base`'s plan judged; the plan's clock-bound share is told by clock_share_of().
std::optional<GoalDesign> design_of(const GoalQuestion& question, const SearchBase& base, const GoalBase& judged, const FoundPlan& plan,
                                    double clock_share);

/// Share of a plan's step that stretches as clocks fall, from the closed form at 0.8 of the clock.
double clock_share_of(const SearchBase& base, const FoundPlan& plan);

/// What more of a limit buys: the first of a row of wider limits under which a better design is possible.
struct ShadowPrice {
    GoalLimit limit = GoalLimit::time;
    bool binds = false;
    double at = 0.0;           // the limit
    double used = 0.0;         // by the best design
    double next = 0.0;         // what the better design uses of it
    double saved = 0.0;        // of the objective, in SI units
    std::optional<GoalDesign> design;
    [[nodiscard]] double per_unit() const { return next > at ? saved / (next - at) : 0.0; }
};

/// A limit that the closest design breaks.
struct MissedLimit {
    GoalLimit limit = GoalLimit::time;
    double at = 0.0;
    double needed = 0.0;                   // by the closest design
    std::optional<double> others_kept;     // the least of it among designs that keep all other limits
};

struct GoalAnswer {
    Objective objective = Objective::time;
    std::vector<GoalDesign> designs;       // those within the limits first, best first
    std::size_t feasible = 0;
    std::vector<ShadowPrice> shadows;      // of the limits asked for
    std::vector<MissedLimit> missed;       // by designs.front(), if nothing is feasible
    bool loss_unreachable = false;
};

/// Judges plans, one a cluster and batch, the fastest of their kind (SearchResult::fastest). `judged` by base.
GoalAnswer answer_goal(const GoalQuestion& question, const SearchSpace& space, const std::vector<GoalBase>& judged,
                       const std::vector<FoundPlan>& plans);

/// The same training paid for in another way; owning after break_even() of a rent at that tenure.
struct TenureCost {
    Tenure tenure = Tenure::on_demand;
    GoalDesign design;
    Usd device_hour;
    std::optional<Seconds> owning_pays;    // of rented tenures: time of use after which buying has cost less
};

/// Every tenure whose prices are known.
std::vector<TenureCost> tenure_costs(const GoalQuestion& question, const SearchBase& base, const GoalBase& judged,
                                     const GoalDesign& design);

/// The objective's figure of a design, in SI units.
double goal_score(Objective objective, const GoalDesign& design);

}  // namespace orrery
