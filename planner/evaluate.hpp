// The closed-form answer about one plan: its step, its memory, how busy its devices are.
#pragma once

#include "planner/mixed_costs.hpp"
#include "sim/price.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace orrery {

/// Estimates plans of one base by the functions of run_training(), each thing once. Where pieces add up to the step, by
/// PlanCosts; else through the step's program: a graph serves all plans that differ in sharding, and a layer's price all
/// that share degrees, micro-batch and recomputation. Of a schedule only as many micro-batches are laid out as its
/// fullest moment needs; the step is a straight line in the rest.
/// One owner, one thread; the answers do not depend on what was asked before.
class PlanEvaluator {
  public:
    explicit PlanEvaluator(const SearchBase& base)
        : base_(base), run_(base.run), costs_(base), adds_up_(covers_base(base)) {
        if (base.cluster.is_mixed()) mixed_ = std::make_unique<MixedCosts>(base);
    }

    /// Before plans that differ from those so far in more than the axes behind PlanAxis::expert_tensor.
    void begin_branch();

    /// Nothing where the models do not cover the plan. Beyond `capacity` memory alone is told.
    std::optional<PlanEstimate> evaluate(const TrainingSpec& spec, Bytes capacity);

    /// No worse than the plan in any measure, and sooner told: its memory (exact) and a step below its own. Nothing where
    /// no such bound is known, or where evaluate() is as quick.
    std::optional<PlanEstimate> bound(const TrainingSpec& spec, Bytes capacity);

    /// The same as evaluate() by way of the program, for all plans; `memory` where it is known.
    std::optional<PlanEstimate> evaluate_program(const TrainingSpec& spec, Bytes capacity, std::optional<Bytes> memory = {});

  private:
    using PriceKey = std::vector<std::int32_t>;
    [[nodiscard]] bool lay_out(const TrainingSpec& spec);
    [[nodiscard]] const std::vector<const LayerPrices*>& layer_prices();
    /// A plan of a mixed machine with its layers shared out, where it leaves that open; nothing where they cannot be.
    [[nodiscard]] std::optional<TrainingSpec> with_layers(const TrainingSpec& spec);
    [[nodiscard]] std::optional<PlanEstimate> evaluate_mixed(const TrainingSpec& spec, Bytes capacity);
    [[nodiscard]] Bytes memory_of_plan() const;
    [[nodiscard]] StepProgram price();

    const SearchBase& base_;
    TrainingRun run_;                          // with the batch cut down to `laid_out_`
    std::optional<StepGraph> graph_;           // of run_
    std::optional<TrainingSpec> graph_spec_;   // without sharding and overlap of data exchanges
    std::map<PriceKey, std::shared_ptr<const LayerPrices>> prices_;
    std::vector<const LayerPrices*> current_;  // of the graph, by group of the machine
    int micro_batches_ = 1;                    // of the plan
    PlanCosts costs_;
    std::unique_ptr<MixedCosts> mixed_;        // of a mixed machine
    bool adds_up_;
};

}  // namespace orrery
