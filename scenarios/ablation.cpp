// The effects, and the step without each.
#include "scenarios/ablation.hpp"

#include "sim/price.hpp"
#include "sim/training.hpp"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>

namespace orrery {
namespace {

/// The fastest variant by closed form after `change` has been at the graph, the machine and the framework.
template <class Change>
Result<StepOutcome> outcome_after(const PreparedTraining& row, const Change& change) {
    std::optional<StepOutcome> fastest;
    Problems problems;
    for (const TrainingRun& run : row.variants) {
        Result<StepGraph> graph = training_graph(run);
        if (!graph) {
            problems = graph.problems();
            continue;
        }
        StepGraph changed = std::move(graph).value();
        Cluster cluster = row.cluster;
        FrameworkProfile framework = run.framework;
        change(changed, cluster, framework);
        const StepOutcome outcome = estimate(price_step(cluster, changed, run.spec, framework));
        if (!fastest || outcome.step < fastest->step) fastest = outcome;
    }
    if (!fastest) return problems;
    return *fastest;
}

Result<double> seconds_of(const Result<StepOutcome>& outcome) {
    if (!outcome) return outcome.problems();
    return outcome->step / 1.0_s;
}

void remove_class(std::vector<GraphTask>& tasks, OperatorClass part) {
    std::erase_if(tasks, [&](const GraphTask& task) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        return compute != nullptr && compute->part == part;
    });
}

Result<double> without_class(const PreparedTraining& row, OperatorClass part) {
    return seconds_of(outcome_after(row, [&](StepGraph& graph, Cluster&, FrameworkProfile&) {
        for (LayerGraph& kind : graph.kinds) {
            remove_class(kind.forward, part);
            remove_class(kind.backward, part);
        }
    }));
}

Result<double> without_parts(const PreparedTraining& row, std::initializer_list<TimePart> parts) {
    const Result<StepOutcome> outcome = outcome_after(row, [](StepGraph&, Cluster&, FrameworkProfile&) {});
    if (!outcome) return outcome.problems();
    Seconds step = outcome->step;
    for (const TimePart part : parts) step -= outcome->breakdown[static_cast<std::size_t>(part)];
    return step / 1.0_s;
}

// A tile model that nothing holds up: every product at the datasheet's peak.
GemmParameters unhindered() {
    GemmParameters p;
    p.matrix_efficiency = p.memory_efficiency = 1.0;
    p.core_feed = p.cache_feed = BytesPerSecond::from_si(1e18);
    p.overlap_norm = 64.0;
    return p;
}

Result<double> products_at_peak(const PreparedTraining& row) {
    return seconds_of(outcome_after(row, [](StepGraph&, Cluster& cluster, FrameworkProfile& framework) {
        auto calibration = std::make_shared<Calibration>(*cluster.device.calibration);
        calibration->gemm.clear();
        for (const auto& one : EnumTable<DataType>::names) {
            GemmCalibration table;
            table.type = one.value;
            table.parameters = unhindered();
            calibration->gemm.push_back(table);
            calibration->training_slowdown[one.value] = 1.0;
        }
        cluster.device.calibration = calibration;
        framework.matrix_slowdown = framework.immature_matrix_slowdown = framework.expert_matrix_slowdown = 1.0;
    }));
}

Result<double> without_sustained_rates(const PreparedTraining& row) {
    return seconds_of(outcome_after(row, [](StepGraph&, Cluster& cluster, FrameworkProfile& framework) {
        auto calibration = std::make_shared<Calibration>(*cluster.device.calibration);
        for (const auto& one : EnumTable<DataType>::names) calibration->training_slowdown[one.value] = 1.0;
        cluster.device.calibration = calibration;
        framework.matrix_slowdown = framework.immature_matrix_slowdown = 1.0;
    }));
}

Result<double> without_host(const PreparedTraining& row) {
    return seconds_of(outcome_after(row, [](StepGraph&, Cluster&, FrameworkProfile& framework) {
        framework.host_forward = framework.host_backward = framework.host_tensor_parallel = Seconds{};
        framework.expert_host_wait = framework.expert_host_floor = framework.fixed = Seconds{};
    }));
}

Result<double> unchanged(const PreparedTraining& row) { return predict_step(row); }

constexpr std::array<Ablation, 12> all_ablations{{
    {"nothing", unchanged},
    {"measured products: at peak", products_at_peak},
    {"sustained rates", without_sustained_rates},
    {"attention core", [](const PreparedTraining& row) { return without_class(row, OperatorClass::attention); }},
    {"streaming kernels", [](const PreparedTraining& row) { return without_class(row, OperatorClass::streaming); }},
    {"embedding and head", [](const PreparedTraining& row) { return without_class(row, OperatorClass::head); }},
    {"8- and 4-bit casts", [](const PreparedTraining& row) { return without_class(row, OperatorClass::cast); }},
    {"host launches", without_host},
    {"pipeline", [](const PreparedTraining& row) {
         return without_parts(row, {TimePart::pipeline_bubble, TimePart::pipeline_comm});
     }},
    {"tensor, context, expert exchanges", [](const PreparedTraining& row) {
         return without_parts(row, {TimePart::tensor_comm, TimePart::context_comm, TimePart::expert_comm});
     }},
    {"data exchanges", [](const PreparedTraining& row) { return without_parts(row, {TimePart::data_comm}); }},
    {"optimizer", [](const PreparedTraining& row) { return without_parts(row, {TimePart::optimizer}); }},
}};

}  // namespace

std::span<const Ablation> ablations() { return all_ablations; }

std::vector<AblatedErrors> ablate(const std::vector<PreparedTraining>& rows) {
    std::vector<AblatedErrors> all;
    for (const Ablation& ablation : ablations()) {
        std::vector<std::optional<double>> predicted(rows.size());
        tbb::parallel_for(std::size_t{0}, rows.size(), [&](std::size_t i) {
            const Result<double> step = ablation.predict_without(rows[i]);
            if (step) predicted[i] = *step;
        });
        AblatedErrors errors{ablation.name, {}};
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (!predicted[i]) continue;
            errors.rows.push_back({rows[i].id, rows[i].source, "step_time_s", rows[i].measured_step_s, *predicted[i], rows[i].note});
        }
        all.push_back(std::move(errors));
    }
    return all;
}

}  // namespace orrery
