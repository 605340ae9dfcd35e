// A plan's step and memory added up from pieces that plans share: kinds of layers, layouts of stages, fullest moments.
#pragma once

#include "models/memory.hpp"
#include "planner/layer_costs.hpp"
#include "sim/balance.hpp"

#include <array>
#include <optional>
#include <span>
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

/// Stages of a mixed machine that hold the same on one of its groups.
struct GroupStages {
    int first = 0;
    int count = 0;
    std::size_t number = 0;   // among the base's stages
    bool is_end = false;
    PassOnPort pass;          // of one micro-batch, with all exchanges of their own
    Seconds kernels;
    Bytes memory;
};

/// Adds up what run_training() would answer by estimate, from the same functions, each asked once. One owner, one
/// thread; the answers do not depend on what was asked before.
class PlanCosts {
  public:
    explicit PlanCosts(const SearchBase& base, const Cluster* whole = nullptr) : base_(base), whole_(whole), costs_(base) {}

    /// Requires a base and a plan that are covered, the plan without problems. Beyond `capacity` memory alone is told.
    PlanEstimate estimate(const TrainingSpec& spec, Bytes capacity);

    /// Memory of the plan's fullest rank, whatever its schedule.
    Bytes memory(const TrainingSpec& spec);

    /// For split backward passes that no other pass joins: the plan's memory, and a step that no play of it undercuts, its
    /// slowest stage never waiting. Beyond `capacity` memory alone.
    PlanEstimate bound(const TrainingSpec& spec, Bytes capacity);

    // Of a base whose cluster is one group's DeviceGroup::alike in `whole`.
    /// The stages that lie on `group`; their passes where `timed`.
    void add_stages(const TrainingSpec& spec, int group, bool timed, std::vector<GroupStages>& stages);
    /// Prologue and epilogue of one of them, of the plan asked for last; `crossed` by sums over stages, `ends` by those of the ends.
    Seconds once_time(const TrainingSpec& spec, const GroupStages& stages, std::span<const Fabric* const> crossed,
                      std::span<const Fabric* const> ends);
    /// Messages between two stages on the base's devices.
    Boundary boundary(const TrainingSpec& spec);
    /// GroupStages::number of a pipeline rank's stage.
    [[nodiscard]] std::size_t number_of(int stage) const { return layout_->alike_of[static_cast<std::size_t>(stage)]; }
    /// Every layer of a plan in model order.
    LayersOnDevice layer_times(const TrainingSpec& spec);

    /// Keeps memory small: called now and then, between plans.
    void forget();

  private:
    /// The layers of one set of roles under the same degrees, micro-batch, recomputation and overlap.
    struct PricedKinds {
        StepGraph graph;      // messages, and kinds without their work
        std::vector<const LayerCost*> layers;
        std::vector<const ShardedLayer*> sharded;
        GatheredUnits units;
        Bytes buffers;
    };
    /// Stages that hold the same, by the first of them: it holds most micro-batches.
    struct AlikeStages {
        int first = 0;
        int count = 0;
        bool is_end = false;
        int group = 0;         // of a mixed machine, and which neighbours lie on others: 1 before, 2 behind
        int edges = 0;
        std::vector<std::size_t> chunks;   // places in Layout::chunks, in order
        Chunk layers;                      // of all chunks, each kind once
    };
    struct Layout {
        std::vector<std::size_t> roles;    // numbers, by LayerRun::kind
        std::size_t role_set = 0;          // number of the list
        std::vector<Chunk> chunks;         // distinct
        std::vector<AlikeStages> alike;
        std::vector<std::size_t> alike_of;   // by pipeline rank
    };
    struct StageCost {
        const AlikeStages* stages = nullptr;
        PassOnPort pass;      // of one micro-batch through all chunks, nothing sharded
        Seconds kernels;
        StageGraph holds;     // parameters alone
        std::vector<FullPass> full;
        std::array<std::optional<ActivationPeak>, 3> peaks;   // by what is gathered
    };
    struct ShardedUnder {
        bool fsdp = false;
        int shard = 0;
        KnownExchanges known;
        std::vector<ShardedPasses::Time> forward;   // of Layout::chunks, whatever is gathered again on the way back
    };
    using Degrees = std::array<std::int32_t, 8>;
    using Choices = std::array<std::int32_t, 13>;

    void compose(const TrainingSpec& spec);
    void compose_stage(const AlikeStages& alike, StageCost& stage) const;
    const Layout& layout_of(const TrainingSpec& spec);
    Layout lay_out(const TrainingSpec& spec);
    const PricedKinds& kinds_of(const TrainingSpec& spec, const Layout& layout, bool same_degrees);
    PricedKinds price(const TrainingSpec& spec, const Layout& layout);
    const FullMoments& moments_of(const TrainingSpec& spec, int stage);
    void keep_activations(const TrainingSpec& spec);
    const ActivationPeak& peak_of(const TrainingSpec& spec, StageCost& stage);
    Bytes memory_of(const TrainingSpec& spec, StageCost& stage);
    Bytes memory_of_fullest(const TrainingSpec& spec);
    ShardedUnder& sharded_under(const Parallelism& plan);
    void time_sharded_passes(const Pricer& pricer, const Parallelism& plan);
    void time_passes(const Pricer& pricer, const Parallelism& plan, const Boundary& boundary);
    [[nodiscard]] const FrameworkProfile& framework_of(const TrainingSpec& spec) const { return costs_.framework_of(spec); }
    [[nodiscard]] std::span<StageCost> stages() { return {stages_.data(), layout_->alike.size()}; }

    [[nodiscard]] PassOnPort on_port(const StageCost& stage) const;
    std::pair<std::int32_t, std::int32_t> split_code(const Parallelism& plan);

    const SearchBase& base_;
    const Cluster* whole_;   // a mixed machine that the base's cluster is a part of
    std::vector<std::vector<int>> splits_;   // that were asked for there
    LayerCosts costs_;
    CostTable<Layout> layouts_;
    std::vector<std::vector<std::size_t>> role_sets_;
    CostTable<PricedKinds> priced_;
    CostTable<FullMoments> moments_;
    // Of the plan asked for last, but for its sharding of states and its overlaps of data exchanges.
    Degrees degrees_{};
    Choices choices_{};
    const Layout* layout_ = nullptr;
    const PricedKinds* kinds_ = nullptr;
    std::vector<StageCost> stages_;                // the first of them; the others keep their room
    std::vector<ChunkActivations> activations_;    // of Layout::chunks
    std::vector<ChunkActivations> stage_activations_;   // of the stage asked for
    // Of its degrees, by framework and ranks that share one copy.
    std::vector<ShardedUnder> exchanges_;
    std::vector<std::array<ShardedPasses::Time, 2>> chunk_passes_;   // of the plan, where parameters are sharded: each way
    std::vector<SharedPass> passes_;               // by stage
};

}  // namespace orrery
