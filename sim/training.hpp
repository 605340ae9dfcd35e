// A training on a cluster, from specification to answer: graph, memory, price, play, energy and money.
#pragma once

#include "models/architecture.hpp"
#include "models/families.hpp"
#include "models/framework.hpp"
#include "sim/expected_error.hpp"
#include "sim/simulate.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

enum class Fidelity : std::uint8_t { estimate, fluid, packet };
template <>
struct EnumTable<Fidelity> {
    static constexpr std::array<EnumName<Fidelity>, 3> names{{
        {Fidelity::estimate, "estimate", "closed form, microseconds"},
        {Fidelity::fluid, "fluid", "discrete events; exchanges in flight share the fabric's bandwidth"},
        {Fidelity::packet, "packet", "of collectives: packet by packet, with queues, marks and pauses"},
    }};
};

struct TrainingRun {
    Architecture architecture;
    TrainingSpec spec;
    FrameworkProfile framework;
    Economics economics;
    std::optional<ModelFamily> family = {};    // set: what is trained is this, and `architecture` means nothing
};

/// A mixed machine's nodes of one type under a plan.
struct GroupAnswer {
    std::string node;
    std::string device;
    int nodes = 0;
    int devices = 0;
    int first_stage = 0;          // of the pipeline ranks that lie on it
    int stages = 0;
    int layers = 0;               // decoder layers on all of them
    MemoryBreakdown memory;       // of its fullest rank
    Bytes memory_capacity;
    bool fits = true;
    double compute_utilization = 0;
    Watts power_average;          // of its nodes, without PUE
    Usd cost_per_step;            // of their hours
};

/// Everything an answer about a training needs; each field's unit is its type.
struct TrainingAnswer {
    StepOutcome outcome;
    MemoryBreakdown memory;
    Bytes memory_capacity;
    Bytes host_memory;                    // of one node: what the plan keeps there, and what there is
    Bytes host_capacity;
    Bytes drive_bytes;
    Bytes drive_capacity;
    bool fits = true;
    int devices = 0;
    double tokens_per_s = 0;              // of models without tokens: samples
    double samples_per_s = 0;             // sequences, images, ..
    std::string sample = "sequences";     // what a batch counts
    bool has_tokens = true;
    FlopPerSecond model_flops_per_device;
    double mfu = 0;                       // model flop over dense peak of the precision
    double hfu = 0;                       // the same with recomputation
    Flop model_flop;                      // per step
    double parameters = 0;
    Watts power_average;                  // of the whole job, IT side, without PUE
    Joules energy_per_step;               // with PUE
    Usd cost_per_step;
    Usd cost_per_million_tokens;
    double compute_utilization = 0;       // share of the step in matrix units, mean over stages: what power follows
    std::vector<GroupAnswer> groups;      // of a mixed machine; `memory` is that of the rank with least room
    ExpectedError expected;               // 90 % interval of measured / predicted step time
    std::vector<std::string> basis;       // "matrix products: measured on h100-sxm", ...
    std::vector<std::string> notes;       // what the model does not know about this case
};

/// All problems at once (sizes, degrees, devices). A plan that does not fit in memory is still an answer (fits = false).
/// The step's graph, whichever sort of model is trained.
Result<StepGraph> training_graph(const TrainingRun& run);

/// Memory of the fullest rank; `graph` is that of the run.
MemoryBreakdown training_memory(const TrainingRun& run, const StepGraph& graph);

/// Average power of a job on `devices`, without PUE, by the share of the step in which kernels of the model run.
Watts job_power(const Cluster& cluster, int devices, double busy);

/// Power of `cluster`'s busy kernels on one device: rated power by the share of it that follows the kernels.
Watts kernel_watts(const Cluster& cluster);

/// Share of a step in which kernels of the model run, mean over stages; of a mixed machine weighted by what they draw, so that
/// job_power() of the mean is that of all.
double busy_share(const Cluster& cluster, const StepProgram& program, Seconds step);

/// Dense peak of all devices of a job together.
FlopPerSecond job_peak(const Cluster& cluster, int devices, DataType type);

Result<TrainingAnswer> run_training(const Cluster& cluster, const TrainingRun& run, Fidelity fidelity,
                                    const SimulateOptions& options);

}  // namespace orrery
