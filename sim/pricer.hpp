// The pricer at work: one step graph on one cluster, shared by the files that price layers and data exchanges.
#pragma once

#include "hardware/training_time.hpp"
#include "sim/price.hpp"
#include "sim/price_memo.hpp"

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace orrery {

/// What a rank holds, by who has copies of it: all of data x context, or 1 in `expert` of a stage's ranks.
struct Holding {
    double dense = 0.0;
    double experts = 0.0;
    [[nodiscard]] double total() const { return dense + experts; }
    bool operator==(const Holding&) const = default;
};

/// One kind of layer, priced: its instructions each way and what a rank holds of it.
struct PricedLayer {
    std::vector<Instruction> forward;
    std::vector<Instruction> backward;
    Holding held;
    Holding trained;
    // Where the schedule splits the backward pass: its halves.
    std::vector<Instruction> input;
    std::vector<Instruction> weight;
    // Where it runs forward and backward passes as one: both, with what they hide of each other's exchanges.
    std::vector<Instruction> joined_forward;
    std::vector<Instruction> joined_backward;
};

/// Layers with the exchanges that their instructions point to.
struct LayerPrices {
    std::vector<PricedLayer> layers;
    std::vector<Exchange> exchanges;
};

/// Which of a layer's codes.
using LayerCode = std::vector<Instruction> PricedLayer::*;

/// What of a holding is trained: all of it, or what adapters add.
Holding trained_part(double parameters, double experts, double frozen, double frozen_experts);

/// Messages between pipeline stages: the price of one on idle links, what of it is start-up and gathering, and the share
/// that holds up its sender.
struct Boundary {
    Seconds idle;
    Seconds overhead;
    Seconds port;              // for which the message alone fills a rank's network port
    double exposed = 1.0;
};

/// What a stage does once a step, or only how long it takes.
struct OnceCode {
    std::vector<Instruction> code;
    Seconds total;             // of a timed one
    bool is_timed = false;
};

/// Collects a step's program while it is priced: add layers, then stages; used once.
class Pricer {
  public:
    Pricer(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec, const FrameworkProfile& framework,
           PriceMemo* memo = nullptr);
    StepProgram price();
    /// The same without what synchronous steps lose to the slowest device; `known`: prices of its layers, or none.
    StepProgram price_in_step(const LayerPrices* known);
    /// Sums over the stages of the pipeline cross these fabrics, those between its ends `ends`: the slowest one tells.
    void sum_across(std::span<const Fabric* const> fabrics, std::span<const Fabric* const> ends) {
        crossed_ = fabrics;
        crossed_ends_ = ends;
    }
    LayerPrices price_kinds();
    std::vector<Seconds> price_layers();
    // Pieces of a step, for whoever adds them up without its program; of plans whose graphs hold kinds alone.
    /// Prologue and epilogue of a stage whose passes of one micro-batch take `forward` and `backward`; `is_end`: the
    /// first or the last one.
    Seconds once_time(const StageGraph& stage, Seconds forward, Seconds backward, bool is_end);
    [[nodiscard]] Boundary boundary() const;
    // What ShardedPasses asks of fully sharded parameters.
    /// The exchanges that bring `holding` together or share it out, one per kind of copy, dense first.
    template <class Each>
    void each_sharded(CollectiveKind kind, const Holding& holding, const Each& each) const {
        for (const bool experts : {false, true}) {
            const std::optional<Exchange> one = sharded_exchange(kind, experts ? holding.experts : holding.dense, experts);
            if (!one) continue;
            each(*one);
            if (kind == CollectiveKind::reduce_scatter && sums_copies(experts)) each(copies_exchange(one->collective, experts));
        }
    }
    /// ZeRO-2 keeps what the forward pass gathered.
    [[nodiscard]] bool gathers_again() const { return spec_.parallelism.zero != 2; }
    [[nodiscard]] bool prefetches() const { return spec_.parallelism.fsdp || framework_.gradient_overlap >= 1.0; }
    /// Share of a layer's exchange that is seen where it is not prefetched.
    [[nodiscard]] double sharded_exposed() const { return 1.0 - framework_.gradient_overlap; }
    [[nodiscard]] double contention() const { return contention_of(framework_); }

  private:
    void prepare();
    const Cluster& cluster_;
    const StepGraph& graph_;
    const TrainingSpec& spec_;
    const FrameworkProfile& framework_;
    PriceMemo* memo_ = nullptr;
    TrainingKernels kernels_;
    TokenDispatcher dispatcher_ = TokenDispatcher::all_to_all;
    StepProgram program_;
    std::vector<PricedLayer> layers_;          // own ones
    std::span<const PricedLayer> priced_;      // what chunks are made of
    std::map<std::pair<int, std::vector<std::pair<int, int>>>, std::int32_t> block_of_chunk_;
    std::map<std::array<std::int32_t, 2>, std::int32_t> block_of_pair_;
    std::map<std::int32_t, std::int32_t> offloading_blocks_;  // by the block without copies
    bool joins_passes_ = false;  // while the layers of joined passes are priced
    std::span<const Fabric* const> crossed_;       // by sums over stages; none: the own one alone
    std::span<const Fabric* const> crossed_ends_;
    [[nodiscard]] GroupShape shape(Axis axis) const;
    [[nodiscard]] PortedTime idle_time(const Collective& collective, const GroupShape& group) const;
    [[nodiscard]] Seconds idle_price(const Collective& collective, Axis axis) const;
    /// Of a sum over stages.
    [[nodiscard]] Seconds stages_price(const Collective& collective, std::span<const Fabric* const> crossed) const;
    std::int32_t add_exchange(const Exchange& exchange);
    std::int32_t add_block(std::string_view name, std::vector<Instruction> code);
    static void append_compute(std::vector<Instruction>& code, Seconds duration, TimePart part);
    static void append_compute(OnceCode& code, Seconds duration, TimePart part);
    void append_exchange(OnceCode& code, const Exchange& exchange);
    [[nodiscard]] bool hides_experts() const;
    /// The exchange as the compute stream meets it; `attention` is what runs beside a ring of keys.
    Exchange price_exchange(const ExchangeTask& task, Seconds attention);
    /// A windowed kernel does whole tiles and loads what it barely uses: it costs the share of full attention that the
    /// isolated kernels show, not the share of its pairs.
    [[nodiscard]] Seconds own_kernel_time(const Work& work, const TrainingKernels& kernels) const;
    /// The same, remembered where there is a memo.
    [[nodiscard]] Seconds kernel_time(const Work& work, const TrainingKernels& kernels) const;
    std::vector<Instruction> price_tasks(std::span<const GraphTask> tasks, bool backward);
    [[nodiscard]] Seconds own_time(const std::vector<Instruction>& code) const;
    /// Adds what the host costs: launches where kernels are too short to hide them, waits for the experts' sizes.
    void add_host_time(const LayerGraph& kind, PricedLayer& layer) const;
    PricedLayer price_layer(const LayerGraph& kind);
    PricedLayer price_both_ways(const LayerGraph& kind);
    /// The halves of a backward pass; what the host adds to it is shared out by their kernels' time.
    void split_backward(const LayerGraph& kind, PricedLayer& layer);
    static void append(std::vector<Instruction>& code, const std::vector<Instruction>& more);
    /// A block per distinct chunk and direction.
    std::int32_t chunk_block(const Chunk& chunk, bool backward);
    std::vector<Instruction> plain_code(const Chunk& chunk, bool backward, LayerCode part) const;
    /// The block of a half of a backward pass.
    std::int32_t half_block(const Chunk& chunk, PassPart part);
    /// The block of a forward pass and the backward pass that it runs together with.
    std::int32_t joined_block(const Chunk& forward, const Chunk& backward);
    std::vector<PassProgram> price_passes(const StageGraph& stage);
    /// A copy between a device and its host beside `compute`: seen for what outlasts it.
    void append_copy(std::vector<Instruction>& code, Bytes size, Seconds compute, TimePart part);
    /// What leaves for the host, or comes back from it, during one pass of a chunk.
    void append_offload(std::vector<Instruction>& code, const StageGraph& stage, std::size_t chunk, bool backward);
    /// One micro-batch's blocks of a chunk, with copies to and from the host where the plan has any.
    std::int32_t offloading_block(const StageGraph& stage, std::size_t chunk, bool backward);
    /// Time of one micro-batch through all chunks, forward and backward.
    std::array<Seconds, 2> once_through(const StageGraph& stage);
    /// An exchange among the ranks that hold copies of the same parameters, or the shards of one copy.
    [[nodiscard]] Exchange data_exchange(CollectiveKind kind, Bytes size, DataType type, bool experts) const;
    [[nodiscard]] Exchange limited(const Collective& collective, Axis axis, GroupShape group) const;
    [[nodiscard]] int shard_ranks(bool experts) const;
    [[nodiscard]] bool sums_copies(bool experts) const;  // several sharded copies exist (HSDP)
    [[nodiscard]] Exchange copies_exchange(const Collective& reduce, bool experts) const;
    /// A sharded chunk in the order its compute runs: decoder layers are units of their own, embedding and head the
    /// root.
    struct ShardedChunk {
        std::vector<Instruction> before;  // of the root, ahead of the units
        std::vector<int> units;
        std::vector<Instruction> after;
        Holding root;
        Holding root_trained;
    };
    ShardedChunk take_apart(const Chunk& chunk, bool backward) const;
    [[nodiscard]] std::optional<Exchange> sharded_exchange(CollectiveKind kind, double parameters, bool experts) const;
    void add_sharded(std::vector<Instruction>& code, Op op, CollectiveKind kind, const Holding& holding,
                     double exposed = 1.0);
    void fetch_first(Exchange& gather, Bytes shard) const;
    void gather(std::vector<Instruction>& code, Op op, const Holding& holding, double exposed = 1.0);
    void scatter(std::vector<Instruction>& code, Op op, const Holding& holding, double exposed = 1.0);
    /// Fully sharded. FSDP prefetches by design, and so does whatever hides all: gathers run one unit ahead of compute
    /// and scatters follow it, both beside it on the communication stream, and only the root's own are seen. Else each
    /// exchange shows its unhidden share where it stands (ZeRO-3 of 2021).
    std::vector<Instruction> sharded_code(const Chunk& chunk, bool backward);
    void append_prefetched(std::vector<Instruction>& code, const ShardedChunk& parts, bool backward, bool gathers);
    void append_unhidden(std::vector<Instruction>& code, const ShardedChunk& parts, bool backward, bool gathers);
    /// Share of an exchange that `beside` (times the framework's overlap) cannot hide; never less than one bucket.
    [[nodiscard]] double exposed_share(Seconds idle, Seconds beside, double parameters, int ranks) const;
    void add_data_exchanges(const StageGraph& stage, const Holding& trained, Seconds forward, Seconds backward,
                            OnceCode& prologue, OnceCode& epilogue);
    /// Compression, its exchanges, decompression: none of it overlaps backward (price_compression.cpp).
    void add_compressed_reduction(const StageGraph& stage, double parameters, bool experts, int replicas,
                                  OnceCode& epilogue);
    [[nodiscard]] Seconds stream_time(double bytes) const;
    // The optimizer's step and what goes with it (price_optimizer.cpp).
    void add_optimizer(const StageGraph& stage, const Holding& trained, OnceCode& epilogue);
    void add_norms(const StageGraph& stage, OnceCode& epilogue) const;
    void add_matrix_work(const StageGraph& stage, const Holding& owned, const Holding& trained,
                         OnceCode& epilogue);
    /// Expected time of a layer that a step leaves out with the plan's layer_drop.
    void thin_out(std::vector<Instruction>& code);
    void add_once(const StageGraph& stage, Seconds forward, Seconds backward, bool is_end, OnceCode& prologue,
                  OnceCode& epilogue);
    void price_stage(std::size_t index);
};

/// Adds to every stage what a synchronous step loses to the slowest of many devices.
void add_scale_penalty(StepProgram& program);

}  // namespace orrery
