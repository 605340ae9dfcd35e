// The price of a piece of work on a device: fitted physics, times measured residuals, never below the physical floor.
#include "hardware/device.hpp"

#include "hardware/operator_defaults.hpp"
#include "hardware/residuals.hpp"
#include "hardware/work_kinds/attention_model.hpp"
#include "hardware/work_kinds/convolution_model.hpp"
#include "hardware/work_kinds/matrix_multiply_model.hpp"
#include "hardware/work_kinds/processor_model.hpp"
#include "hardware/work_kinds/streaming_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {
namespace {

// Five products instead of two, at 1 / 1.25 of the forward's efficiency (Dao, arXiv 2307.08691, table of A100 rates;
// the same ratio was found in published trainings), and 20 us of extra kernels around them.
constexpr double attention_backward_work = 2.5 * 1.25;
constexpr double attention_backward_seconds = 20e-6;

// The calibration table that stands nearest to `type`: its own, of the same width, then the next wider; null without.
const GemmCalibration* gemm_table(const Calibration& calibration, DataType type) {
    const auto table_of = [&](DataType wanted) -> const GemmCalibration* {
        for (const GemmCalibration& table : calibration.gemm) {
            if (table.type == wanted) return &table;
        }
        return nullptr;
    };
    if (const auto* own = table_of(type)) return own;
    if (element_bytes(type) < 1.0) {
        for (const DataType narrow : {DataType::fp4, DataType::int4}) {
            if (const auto* table = table_of(narrow)) return table;
        }
    }
    if (element_bytes(type) <= 1.0) {
        for (const DataType byte : {DataType::fp8, DataType::int8}) {
            if (const auto* table = table_of(byte)) return table;
        }
    }
    for (const DataType wide : {DataType::bf16, DataType::fp16}) {
        if (const auto* table = table_of(wide)) return table;
    }
    return nullptr;
}

// The table of grouped products of this width; null where none was measured.
const GroupedCalibration* grouped_table(const Calibration& calibration, DataType type) {
    const GroupedCalibration* same_width = nullptr;
    for (const GroupedCalibration& table : calibration.grouped) {
        if (table.type == type) return &table;
        if (same_width == nullptr && element_bytes(table.type) == element_bytes(type)) same_width = &table;
    }
    return same_width;
}

// The first table of prefill attention for `type`, else the first of any type; null without.
const PrefillCalibration* prefill_table(const Calibration& calibration, DataType type) {
    for (const PrefillCalibration& table : calibration.prefill) {
        if (table.type == type) return &table;
    }
    return calibration.prefill.empty() ? nullptr : &calibration.prefill.front();
}

// The table of convolutions of this type, else that of products.
const GemmCalibration* convolution_table(const Calibration& calibration, DataType type) {
    for (const GemmCalibration& table : calibration.convolution) {
        if (table.type == type) return &table;
    }
    return gemm_table(calibration, type);
}

double launch_of(Seconds launch, const SoftwareFactors& software) {
    return software.graph_launch ? 0.0 : launch.si();
}

struct SecondsOf {
    const Device& device;
    const SoftwareFactors& software;

    double operator()(const MatrixMultiply& work) const {
        const Machine machine = machine_of(device, work.type);
        if (machine.peak <= 0.0) return std::numeric_limits<double>::infinity();
        const GemmCalibration* table = gemm_table(*device.calibration, work.type);
        if (table == nullptr) {
            const GemmParameters parameters = scaled_gemm(device, work.type);
            return launch_of(parameters.launch, software) +
                   matrix_multiply_seconds(machine, parameters, work) * software.matrix_slowdown;
        }
        const double kernel = matrix_multiply_seconds(machine, table->parameters, work) * software.matrix_slowdown;
        return (launch_of(table->parameters.launch, software) + kernel) *
               std::exp(residual_at(table->residuals, product_features(shape_of(work), machine.cores)));
    }

    double operator()(const GroupedMatrixMultiply& work) const {
        const Machine machine = machine_of(device, work.type);
        if (machine.peak <= 0.0) return std::numeric_limits<double>::infinity();
        if (const GroupedCalibration* grouped = grouped_table(*device.calibration, work.type)) {
            const double kernel =
                grouped_multiply_seconds(machine, grouped->parameters, work) * software.matrix_slowdown;
            return (launch_of(grouped->parameters.launch, software) + kernel) *
                   std::exp(residual_at(grouped->residuals, grouped_features(shape_of(work), machine.cores)));
        }
        const GemmCalibration* table = gemm_table(*device.calibration, work.type);
        const GemmParameters parameters = table != nullptr ? table->parameters : scaled_gemm(device, work.type);
        return launch_of(parameters.launch, software) +
               grouped_multiply_seconds(machine, parameters, work) * software.matrix_slowdown;
    }

    double operator()(const Attention& work) const {
        if (device.peak(work.type).si() <= 0.0) return std::numeric_limits<double>::infinity();
        if (is_decode(work)) return decode(machine_of(device, DataType::bf16), work);
        const PrefillCalibration* table = prefill_table(*device.calibration, work.type);
        const PrefillParameters& parameters = table == nullptr ? operator_defaults(device).prefill : table->parameters;
        const Machine machine = machine_of(device, table == nullptr ? work.type : table->type);
        double kernel = prefill_seconds(machine, parameters, work);
        if (work.backward) {
            const bool measured = table != nullptr && parameters.backward_work > 0.0;
            kernel = measured ? parameters.backward_work * kernel : attention_backward_work * kernel + attention_backward_seconds;
        }
        const double seconds = launch_of(parameters.launch, software) + kernel * software.attention_slowdown;
        if (table == nullptr) return seconds;
        return seconds * std::exp(residual_at(table->residuals, prefill_features(shape_of(work), machine.cores)));
    }

    double decode(const Machine& machine, const Attention& work) const {
        const auto& tables = device.calibration->decode;
        const DecodeParameters parameters = tables.empty() ? scaled_decode(device) : tables.front().parameters;
        const double seconds = launch_of(parameters.launch, software) +
                               decode_seconds(machine, parameters, work) * software.attention_slowdown;
        if (tables.empty()) return seconds;
        return seconds *
               std::exp(residual_at(tables.front().residuals, decode_features(shape_of(work), machine.cores)));
    }

    [[nodiscard]] StreamingParameters streaming_parameters() const {
        StreamingParameters parameters = device.calibration->streaming.value_or(operator_defaults(device).streaming);
        if (software.streaming_efficiency > 0.0) parameters.memory_efficiency = software.streaming_efficiency;
        return parameters;
    }

    [[nodiscard]] Machine vector_machine() const {
        Machine machine = machine_of(device, DataType::fp32);
        machine.peak = std::max(device.vector_peak.si(), machine.peak);
        return machine;
    }

    double operator()(const Streaming& work) const {
        const Machine machine = vector_machine();
        const double seconds = streaming_seconds(machine, streaming_parameters(), work);
        const ResidualField& residuals = device.calibration->streaming_residuals;
        if (residuals.points.empty() || software.streaming_efficiency > 0.0) return seconds;
        return seconds * std::exp(residual_at(residuals, streaming_features(shape_of(work), machine.cores)));
    }

    double operator()(const Gather& work) const {
        const auto& gather = device.calibration->gather;
        return gather_seconds(vector_machine(), gather ? *gather : streaming_parameters(), work);
    }

    // Without a table of their own the parameters are those of products, whose residuals belong to dense operands and are left aside.
    double operator()(const Convolution& work) const {
        const Machine machine = machine_of(device, work.type);
        if (machine.peak <= 0.0) return std::numeric_limits<double>::infinity();
        const GemmCalibration* table = convolution_table(*device.calibration, work.type);
        const GemmParameters parameters = table != nullptr ? table->parameters : scaled_gemm(device, work.type);
        return launch_of(parameters.launch, software) +
               convolution_seconds(machine, vector_machine(), parameters, work) * software.matrix_slowdown;
    }
};

struct BasisOf {
    const Device& device;

    [[nodiscard]] std::string said(bool measured) const {
        if (measured) return "measured on " + device.calibration->device;
        return "datasheet, as " + std::string(operator_defaults(device).name);
    }
    std::string operator()(const MatrixMultiply& work) const {
        return said(gemm_table(*device.calibration, work.type) != nullptr);
    }
    std::string operator()(const GroupedMatrixMultiply& work) const {
        return said(grouped_table(*device.calibration, work.type) != nullptr || gemm_table(*device.calibration, work.type) != nullptr);
    }
    std::string operator()(const Attention& work) const {
        return said(is_decode(work) ? !device.calibration->decode.empty() : !device.calibration->prefill.empty());
    }
    std::string operator()(const Streaming&) const { return said(device.calibration->streaming.has_value()); }
    std::string operator()(const Gather&) const { return said(device.calibration->streaming.has_value()); }
    std::string operator()(const Convolution& work) const {
        return said(gemm_table(*device.calibration, work.type) != nullptr);
    }
};

// By the costs of a processor, where its calibration has them.
double measured_processor_seconds(const Device& device, const ProcessorCost& cost, const Work& work) {
    const Machine machine = machine_of(device, arithmetic_of(work));
    const double seconds = processor_seconds(processor_terms(machine, machine_of(device, DataType::fp32), work), cost);
    const ProcessorFeatures features = processor_features(cost.kind);
    if (features == nullptr || cost.residuals.points.empty()) return seconds;
    return seconds * std::exp(residual_at(cost.residuals, features(processor_shape(work), machine.cores)));
}

}  // namespace

Seconds execution_time(const Device& device, const Work& work, const SoftwareFactors& software) {
    const ProcessorCost* cost = find_processor_cost(*device.calibration, work);
    const double seconds = cost != nullptr ? measured_processor_seconds(device, *cost, work) : std::visit(SecondsOf{device, software}, work);
    return std::max(Seconds::from_si(seconds), physical_floor(device, work));
}

std::string price_basis(const Device& device, const Work& work) {
    if (find_processor_cost(*device.calibration, work) != nullptr) return "measured on " + device.calibration->device;
    return std::visit(BasisOf{device}, work);
}

}  // namespace orrery
