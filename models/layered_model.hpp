// A network that is no decoder transformer, as a list of blocks of operators: what each does, holds and keeps.
#pragma once

#include "models/framework.hpp"
#include "models/step_graph.hpp"
#include "models/training.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace orrery {

/// What a family is asked to describe: one pass of one micro-batch on one rank, and how its software writes kernels.
struct PassShape {
    std::int64_t samples = 1;             // images, sentences, clicks: of one rank and one pass
    std::int64_t sequence = 1;            // tokens of one sample, where the family has them (TrainingSpec::sequence)
    DataType type = DataType::bf16;       // of the products
    double element_bytes = 2.0;           // of an activation as stored
    bool flash_attention = true;
    bool fused_kernels = true;            // norm, activation and sum are one kernel (FrameworkProfile::fused_kernels)
    bool fused_convolutions = false;      // a convolution's own kernel applies and gathers the norms beside it
    std::int64_t tensor = 1;              // more than 1 only where the family says that it can be split
    std::int64_t context = 1;             // likewise: sequence / context tokens of a sample are on this rank
    std::int64_t replicas = 1;            // ranks of data parallelism: what sharded tables are split over
};

/// One operator, forward and backward; made by the functions of models/layered_operators.hpp.
struct ModelOperator {
    std::string_view name;
    std::vector<GraphTask> forward;       // in the order they run
    std::vector<GraphTask> backward;      // empty where nothing ahead of it is trained (a frozen encoder)
    double parameters = 0;                // held by this rank, copies on every replica
    double sharded_parameters = 0;        // held by this rank alone (an embedding table among tables): never reduced
    bool frozen = false;                  // its parameters have neither gradient nor optimizer state
    Bytes kept;                           // until its backward has run
    Bytes working;                        // besides, while it runs: workspace, scores that are not kept
};

/// `count` equal blocks in a row.
struct ModelBlock {
    std::string_view name;                // a literal: graphs keep the view
    int count = 1;
    std::vector<ModelOperator> operators;
    Bytes input;                          // what recomputation keeps instead of all else
};

/// All that price, play, memory and reports need. `sample` names what batches count ("images"), for people.
struct LayeredModel {
    std::vector<ModelBlock> blocks;       // in forward order
    std::string_view sample = "samples";
    bool has_tokens = false;              // a sample has PassShape::sequence tokens: a plan must say how many
    bool splits_tensor = false;           // the family honours PassShape::tensor
    bool splits_context = false;          // and PassShape::context
};

/// Of one rank: what it trains and holds, and arithmetic of one pass.
struct LayeredTotals {
    double parameters = 0;                // frozen and sharded ones included
    double frozen_parameters = 0;
    Flop forward_flop;                    // of products, convolutions and attention
    Flop useful_flop;                     // forward and backward, nothing twice
};
LayeredTotals layered_totals(const LayeredModel& model);

/// Launches of `tasks` by the host: one a kernel.
double launches_of(const std::vector<GraphTask>& tasks);

/// The pass that a plan asks for. Requires micro_batch >= 1.
PassShape pass_shape(const TrainingSpec& spec, const FrameworkProfile& framework);

/// The same graph that decoder transformers make: one kind a block, one stage, passes in order. `model` describes one
/// pass of pass_shape(spec, framework). Backward of a block runs its operators' backward in reverse order; recomputed
/// blocks run their forward first. Problems: pipelines, and degrees that the model cannot be split by.
Result<StepGraph> build_layered_graph(const LayeredModel& model, const TrainingSpec& spec);

/// Activations of one rank at the fullest moment: what every block keeps, and the largest working set.
Bytes layered_activations(const LayeredModel& model, const TrainingSpec& spec);

}  // namespace orrery
