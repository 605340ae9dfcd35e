// A plan's step and memory added up from pieces that plans share: kinds of layers, layouts of stages, fullest moments.
#pragma once

#include "models/activation_memory.hpp"
#include "models/memory.hpp"
#include "models/stage_layout.hpp"
#include "planner/search_space.hpp"
#include "sim/pricer.hpp"

#include <array>
#include <unordered_map>
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

/// Whether pieces add up to the step under every plan of a base that covers_plan(): a decoder, trained whole by an
/// optimizer that works element by element, nothing offloaded, compressed, perturbed or dropped.
bool covers_base(const SearchBase& base);
/// Whether the optimizer works element by element.
bool covers_plan(const TrainingSpec& spec);
/// Whether the schedule's step is a sum: no backward passes in two halves.
bool adds_up(const Parallelism& plan);
/// Whether bound() holds for it.
bool is_bounded(const Parallelism& plan);

/// Adds up what run_training() would answer by estimate, from the same functions, each asked once. One owner, one
/// thread; the answers do not depend on what was asked before.
class PlanCosts {
  public:
    explicit PlanCosts(const SearchBase& base) : base_(base) {}

    /// Requires a base and a plan that are covered, the plan without problems. Beyond `capacity` memory alone is told.
    PlanEstimate estimate(const TrainingSpec& spec, Bytes capacity);

    /// Memory of the plan's fullest rank, whatever its schedule.
    Bytes memory(const TrainingSpec& spec);

    /// For split backward passes that no other pass joins: the plan's memory, and a step that no play of it undercuts, its
    /// slowest stage never waiting. Beyond `capacity` memory alone.
    PlanEstimate bound(const TrainingSpec& spec, Bytes capacity);

    /// Keeps memory small: called now and then, between plans.
    void forget();

  private:
    /// One layer of a kind, priced on its own.
    struct KindCost {
        Seconds forward;
        Seconds backward;
        Seconds kernels;      // of both
        StageParameters parameters;
    };
    /// The kinds of one set of roles under the same degrees, micro-batch, recomputation and overlap.
    struct PricedKinds {
        StepGraph graph;      // without stages
        std::shared_ptr<const LayerPrices> prices;
        std::vector<KindCost> costs;
        KindActivations activations;
        GatheredUnits units;
        Bytes buffers;
    };
    /// Stages that hold the same, by the first of them: it holds most micro-batches.
    struct AlikeStages {
        int first = 0;
        int count = 0;
        bool is_end = false;
    };
    struct Layout {
        StageLayout stages;
        std::size_t roles = 0;   // number of its set of roles
        std::vector<AlikeStages> alike;
    };
    struct StageCost {
        const AlikeStages* stages = nullptr;
        const std::vector<Chunk>* chunks = nullptr;
        Seconds forward;      // of one micro-batch through all chunks, nothing sharded
        Seconds backward;
        Seconds kernels;
        StageGraph holds;     // parameters alone
        std::vector<ChunkActivations> activations;
        const FullMoments* moments = nullptr;
        std::array<std::optional<ActivationPeak>, 3> peaks;   // by what is gathered
        [[nodiscard]] Seconds pass() const { return forward + backward; }
    };
    using Key = std::array<std::int32_t, 32>;
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    template <class Value>
    using Known = std::unordered_map<Key, Value, KeyHash>;   // asked by key, never walked

    void compose(const TrainingSpec& spec);
    const Layout& layout_of(const TrainingSpec& spec);
    const PricedKinds& kinds_of(const TrainingSpec& spec, const Layout& layout);
    PricedKinds price(const TrainingSpec& spec, const Layout& layout);
    const FullMoments& moments_of(const TrainingSpec& spec, int stage);
    const ActivationPeak& peak_of(const TrainingSpec& spec, StageCost& stage);
    Bytes memory_of_fullest(const TrainingSpec& spec);
    void gather_passes(Pricer& pricer);
    [[nodiscard]] const FrameworkProfile& framework_of(const TrainingSpec& spec) const;

    const SearchBase& base_;
    PriceMemo memo_;
    Known<Layout> layouts_;
    std::vector<std::vector<LayerRole>> role_sets_;
    Known<PricedKinds> priced_;
    Known<FullMoments> moments_;
    // Of the plan asked for last, but for its sharding of states and its overlaps of data exchanges.
    Key composed_{};
    const PricedKinds* kinds_ = nullptr;
    std::vector<StageCost> stages_;
    std::vector<Seconds> sharded_passes_;   // by stage, where parameters are sharded
};

}  // namespace orrery
