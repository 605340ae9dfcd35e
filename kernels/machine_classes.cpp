// Prices rows by layer A at trial parameters; bounds are those of processors with a few to some hundred cores.
#include "kernels/machine_classes.hpp"

#include "hardware/work_kinds/attention_model.hpp"
#include "hardware/work_kinds/convolution_model.hpp"
#include "hardware/work_kinds/matrix_multiply_model.hpp"
#include "hardware/work_kinds/streaming_model.hpp"

namespace orrery {
namespace {

const std::vector<FitParameter>& processor_gemm_bounds() {
    static const std::vector<FitParameter> bounds{
        {2e-6, 1e-7, 1e-4, true},      // launch
        {0.8, 0.05, 1.0, false},       // matrix_efficiency
        {0.8, 0.05, 1.0, false},       // memory_efficiency
        {3e-7, 1e-9, 1e-4, true},      // tile_overhead
        {5e10, 1e9, 2e12, true},       // core_feed
        {1e11, 2e9, 1e13, true},       // cache_feed
        {4.0, 1.0, 16.0, true},        // overlap_norm
        {3e-6, 1e-7, 2e-4, true},      // split_reduce
        {0.02, 0.0, 0.5, false},       // power_derate
        {1.5, 1.0, 16.0, true},        // cache_speedup
    };
    return bounds;
}

}  // namespace

GemmParameters gemm_of(const std::vector<double>& v) {
    return {Seconds::from_si(v[0]), v[1], v[2], Seconds::from_si(v[3]), BytesPerSecond::from_si(v[4]),
            BytesPerSecond::from_si(v[5]), v[6], Seconds::from_si(v[7]), v[8], v[9]};
}

PrefillParameters prefill_of(const std::vector<double>& v, double choice) {
    return {Seconds::from_si(v[0]), v[1], v[2], Seconds::from_si(v[3]), v[4], v[5], choice, v[6], v[7]};
}

DecodeParameters decode_of(const std::vector<double>& v, double choice) {
    return {Seconds::from_si(v[0]), v[1], BytesPerSecond::from_si(v[2]), Seconds::from_si(v[3]), v[4], v[5],
            FlopPerSecond::from_si(v[6]), choice, FlopPerSecond::from_si(v[7]), v[8]};
}

StreamingParameters streaming_of_values(const std::vector<double>& v) { return {Seconds::from_si(v[0]), v[1], v[2]}; }

ClassModel product_model(const Device& device, DataType type) {
    const Machine machine = machine_of(device, type);
    const auto seconds = [machine](const std::vector<double>& values, double, const ClassRow& row) {
        const GemmParameters parameters = gemm_of(values);
        return parameters.launch.si() + matrix_multiply_seconds(machine, parameters, std::get<MatrixMultiply>(row.work));
    };
    return {processor_gemm_bounds(), {0.0}, seconds, product_features};
}

ClassModel grouped_model(const Device& device, DataType type) {
    const Machine machine = machine_of(device, type);
    const auto seconds = [machine](const std::vector<double>& values, double, const ClassRow& row) {
        const GemmParameters parameters = gemm_of(values);
        return parameters.launch.si() + grouped_multiply_seconds(machine, parameters, std::get<GroupedMatrixMultiply>(row.work));
    };
    return {processor_gemm_bounds(), {0.0}, seconds, grouped_features};
}

ClassModel convolution_model(const Device& device, DataType type) {
    const Machine machine = machine_of(device, type);
    const Machine vectors = machine_of(device, DataType::fp32);
    const auto seconds = [machine, vectors](const std::vector<double>& values, double, const ClassRow& row) {
        const GemmParameters parameters = gemm_of(values);
        return parameters.launch.si() + convolution_seconds(machine, vectors, parameters, std::get<Convolution>(row.work));
    };
    return {processor_gemm_bounds(), {0.0}, seconds, nullptr};
}

ClassModel prefill_model(const Device& device) {
    const Machine machine = machine_of(device, DataType::fp32);
    const auto seconds = [machine](const std::vector<double>& values, double choice, const ClassRow& row) {
        const PrefillParameters parameters = prefill_of(values, choice);
        const auto& work = std::get<Attention>(row.work);
        const double kernel = prefill_seconds(machine, parameters, work);
        return parameters.launch.si() + (work.backward ? parameters.backward_work : 1.0) * kernel;
    };
    const std::vector<FitParameter> bounds{
        {6e-6, 1e-7, 1e-4, true},   // launch
        {0.4, 0.02, 1.0, false},    // matrix_efficiency
        {0.8, 0.05, 1.0, false},    // memory_efficiency
        {1e-6, 1e-9, 1e-4, true},   // tile_overhead
        {0.3, 0.0, 3.0, false},     // small_head_penalty
        {4.0, 1.0, 16.0, true},     // overlap_norm
        {0.1, 0.0, 2.0, false},     // window_penalty
        {2.5, 1.0, 10.0, true},     // backward_work
    };
    return {bounds, {32.0, 64.0, 128.0}, seconds, prefill_features};
}

ClassModel decode_model(const Device& device) {
    const Machine machine = machine_of(device, DataType::bf16);
    const auto seconds = [machine](const std::vector<double>& values, double choice, const ClassRow& row) {
        const DecodeParameters parameters = decode_of(values, choice);
        return parameters.launch.si() + decode_seconds(machine, parameters, std::get<Attention>(row.work));
    };
    const std::vector<FitParameter> bounds{
        {3e-6, 1e-7, 1e-4, true},     // launch
        {0.8, 0.05, 1.0, false},      // memory_efficiency
        {2e10, 1e8, 1e12, true},      // core_feed
        {1e-6, 1e-9, 1e-4, true},     // split_overhead
        {256.0, 16.0, 8192.0, true},  // chunk
        {1.5, 1.0, 16.0, true},       // cache_speedup
        {1e10, 1e8, 1e13, true},      // core_rate
        {1e10, 1e8, 1e13, true},      // single_rate
        {1.5, 1.0, 8.0, true},        // conversion_cost
    };
    return {bounds, {1.0, 1024.0}, seconds, decode_features};
}

ClassModel streaming_model(const Device& device) {
    const Machine machine = machine_of(device, DataType::fp32);
    const auto seconds = [machine](const std::vector<double>& values, double, const ClassRow& row) {
        return streaming_seconds(machine, streaming_of_values(values), std::get<Streaming>(row.work));
    };
    const std::vector<FitParameter> bounds{
        {3e-6, 1e-8, 1e-4, true},   // launch
        {0.8, 0.05, 1.0, false},    // memory_efficiency
        {0.5, 0.01, 1.0, true},     // vector_efficiency
    };
    return {bounds, {0.0}, seconds, streaming_features};
}

ClassModel gather_model(const Device& device) {
    const Machine machine = machine_of(device, DataType::fp32);
    ClassModel model = streaming_model(device);
    model.features = nullptr;
    model.seconds = [machine](const std::vector<double>& values, double, const ClassRow& row) {
        return gather_seconds(machine, streaming_of_values(values), std::get<Gather>(row.work));
    };
    return model;
}

}  // namespace orrery
