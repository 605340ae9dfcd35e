// The closed-form answer about one plan: its step, its memory, how busy its devices are.
#pragma once

#include "planner/search_space.hpp"
#include "sim/price.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace orrery {

/// What a search keeps of a plan; the rest follows from it and the base.
struct PlanEstimate {
    Seconds step;        // 0 where the plan does not fit
    Bytes memory;        // of the fullest rank
    double busy = 0.0;   // share of the step in kernels of the model, mean over stages
    bool operator==(const PlanEstimate&) const = default;
};

/// Estimates plans of one branch of a search by the functions of run_training(), each thing once: a graph serves all
/// plans that differ in sharding, and a layer's price all that share degrees, micro-batch and recomputation. Of a
/// schedule only as many micro-batches are laid out as its fullest moment needs; the step is a straight line in the rest.
/// One owner, one thread; the answers do not depend on what was asked before.
class PlanEvaluator {
  public:
    explicit PlanEvaluator(const SearchBase& base) : base_(base), run_(base.run) {}

    /// Nothing where the models do not cover the plan. Beyond `capacity` memory alone is told. `spec` differs from
    /// others of this evaluator in axes behind PlanAxis::expert_tensor only.
    std::optional<PlanEstimate> evaluate(const TrainingSpec& spec, Bytes capacity);

  private:
    using PriceKey = std::vector<std::int32_t>;
    [[nodiscard]] bool lay_out(const TrainingSpec& spec);
    [[nodiscard]] const LayerPrices& layer_prices();

    const SearchBase& base_;
    TrainingRun run_;                          // with the batch cut down to `laid_out_`
    std::optional<StepGraph> graph_;           // of run_
    std::optional<TrainingSpec> graph_spec_;   // without sharding and overlap of data exchanges
    std::map<PriceKey, std::shared_ptr<const LayerPrices>> prices_;
    std::shared_ptr<const LayerPrices> current_;
    int micro_batches_ = 1;                    // of the plan
};

}  // namespace orrery
