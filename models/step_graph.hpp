// One training step as work and requests, per pipeline stage, free of any device: the same graph runs on every cluster.
#pragma once

#include "hardware/work.hpp"
#include "models/architecture.hpp"
#include "models/framework.hpp"
#include "models/optimizer.hpp"
#include "models/rank_layout.hpp"
#include "models/training.hpp"

#include <string_view>
#include <span>
#include <variant>
#include <vector>

namespace orrery {

/// What a piece of work is part of: for prices that depend on software, and for telling the user where time goes.
enum class OperatorClass : std::uint8_t { matrix, attention, streaming, head, embedding, cast, optimizer };
inline constexpr std::size_t operator_class_count = 7;

struct ComputeTask {
    Work work;
    OperatorClass part;
};

/// A request among the ranks of one axis that the compute stream meets in order.
struct ExchangeTask {
    Collective collective;
    Axis axis;
};

struct GraphTask {
    std::string_view name;                            // "qkv", "attention", "mlp all-gather"
    std::variant<ComputeTask, ExchangeTask> action;
    bool is_weight_gradient = false;                  // of a backward task: nothing but the optimizer waits for it
};

/// One kind of layer. All layers of a kind cost the same; backward includes whatever recomputation the plan asks for.
struct LayerGraph {
    std::string_view name;           // "embedding", "layer", "layer (window)", "layer (recomputed)", "head"
    std::vector<GraphTask> forward;
    std::vector<GraphTask> backward;
    double parameters = 0;           // held by one rank after tensor (and expert) sharding, before data sharding
    double replicated_parameters = 0;  // of these, the ones not split by tensor parallelism (norms)
    double expert_parameters = 0;    // of these, routed experts: copies exist on 1 in `expert` of a stage only
    double frozen_parameters = 0;    // of these, the ones that adapters leave as they are: no gradient, no optimizer
    std::vector<MatrixShape> matrices;  // trained ones of one rank
    bool has_experts = false;
    bool is_decoder_layer = false;   // pays the host cost of a layer; a unit of sharding
    double launches_forward = 0;     // of models that are not decoders: kernels that the host launches
    double launches_backward = 0;
    LayerPart part = LayerPart::whole;
    bool is_encoder = false;         // of an encoder ahead of the decoder
    double host_share = 1.0;         // of that cost: half for one block of a hybrid, more with two attentions
    bool is_recomputed = false;
};

struct LayerRun {
    int kind = 0;    // index into StepGraph::kinds
    int count = 0;
    bool operator==(const LayerRun&) const = default;
};

/// One model chunk: what one virtual stage holds, in order.
using Chunk = std::vector<LayerRun>;

/// What of a backward pass is done: all of it, or one of its halves. The inputs' gradient goes on to the stage before;
/// the weights' gradient can come any time after it (Qi et al., arXiv 2401.10241).
enum class PassPart : std::uint8_t { whole, input, weight };

/// One pass of one micro-batch through one chunk, in the order a pipeline rank executes them.
struct SchedulePass {
    bool backward = false;
    int micro_batch = 0;
    int chunk = 0;
    PassPart part = PassPart::whole;
    bool joins_next = false;  // a forward pass that runs as one with the backward pass after it (DualPipe's F&B)
    bool operator==(const SchedulePass&) const = default;
};

struct StageGraph {
    std::vector<Chunk> chunks;             // virtual stages of this pipeline rank
    std::vector<Bytes> offloaded;          // by chunk: activations of one micro-batch that go to the host; empty: none
    std::vector<SchedulePass> passes;      // every micro-batch forward and backward once per chunk it visits
    double parameters = 0;                 // of one rank
    double replicated_parameters = 0;
    double expert_parameters = 0;
    double frozen_parameters = 0;
    double frozen_expert_parameters = 0;
};

struct StepGraph {
    std::vector<LayerGraph> kinds;
    std::vector<StageGraph> stages;        // by pipeline rank
    int micro_batches = 1;                 // that one rank runs in a step, all rounds together
    int rounds = 1;                        // times that the pipeline fills and drains: 2 with sharpness-aware steps
    int experts_per_token = 0;
    Bytes boundary_message;                // one rank's message from stage to stage
    bool tied_embedding_exchange = false;  // first and last stage sum the gradient of a shared embedding
    Bytes tied_embedding_bytes;
    double parameters_total = 0;           // of the whole model
    Flop muon_flop_per_parameter;          // of making momentum matrices orthogonal, by the model's widest matrices
    Flop model_flop;                       // useful arithmetic of the whole step, causal halved, no recomputation
    Flop hardware_flop;                    // the same with what is recomputed
};

/// The trained matrices of one rank of a stage.
std::vector<MatrixShape> stage_matrices(const StepGraph& graph, const StageGraph& stage);

/// With sharpness-aware steps: every stage runs the whole batch once more, at the perturbed weights.
void repeat_rounds(const TrainingSpec& spec, StepGraph& graph);

/// Builds the graph. All problems at once (what does not divide, what is out of range), with remedies.
Result<StepGraph> build_step_graph(const Architecture& architecture, const TrainingSpec& spec,
                                   const FrameworkProfile& framework);

/// The order in which pipeline rank `stage` runs its passes. One file each under models/schedules/.
struct Schedule {
    PipelineSchedule kind;
    std::string_view name;
    std::string_view doc;
    std::vector<SchedulePass> (*passes)(int stage, int stages, int virtual_stages, int micro_batches);
};
std::span<const Schedule> schedules();

/// Micro-batches of a schedule after which it repeats itself: its memory has been at its fullest, and every further one
/// adds the same time. 1F1B has at most `pipeline` in flight, interleaved 2 (pipeline - 1) + (v - 1) pipeline + 1 chunks,
/// which 2 pipeline micro-batches make up (Narayanan et al., arXiv 2104.04473, section 2.2.2); schedules with split
/// backward passes are given twice that. Others keep all in flight.
int representative_micro_batches(const Parallelism& plan, int micro_batches);

}  // namespace orrery
