// Fits a GPU's operator models to the rows of its suite.
#include "kernels/cuda/device_suite.hpp"

#include "hardware/work_kinds/machine.hpp"
#include "hardware/work_kinds/streaming_model.hpp"
#include "kernels/fit_calibration.hpp"
#include "kernels/least_squares.hpp"

#include <cmath>
#include <memory>

namespace orrery {
namespace {

constexpr std::size_t device_rows_least = 12;   // of a class; a quarter of them judges the fit

std::string_view word_of_format(DataType type) {
    switch (type) {
        case DataType::bf16: return "bfloat16";
        case DataType::fp16: return "float16";
        case DataType::tf32: return "tfloat32";
        case DataType::fp8: return "fp8_bare";
        case DataType::int8: return "int8_bare";
        default: return "float";
    }
}

bool fits_device(const MeasuredCase& row) { return row.work && row.refused.empty(); }

// The rows as three published tables would hold them.
std::vector<MeasuredTable> tables_of(const Device& device, const std::string& libraries, const std::vector<MeasuredCase>& rows) {
    const auto table = [&](const char* kind) {
        MeasuredTable made;
        made.name = {std::string("this GPU: ") + kind, device.name, libraries, kind};
        return made;
    };
    std::vector<MeasuredTable> tables{table("gemm"), table("context_attention"), table("generation_attention")};
    for (const MeasuredCase& row : rows) {
        if (!fits_device(row)) continue;
        if (const auto* product = std::get_if<MatrixMultiply>(&*row.work)) {
            tables[0].products.push_back({std::string(word_of_format(product->type)), *product, row.time.seconds()});
        }
        const auto* attention = std::get_if<Attention>(&*row.work);
        if (attention == nullptr || attention->backward) continue;
        tables[class_of(row) == "decode" ? 2 : 1].attention.push_back({*attention, row.time.seconds()});
    }
    std::erase_if(tables, [](const MeasuredTable& made) { return made.products.size() + made.attention.size() < device_rows_least; });
    return tables;
}

// Launch, memory efficiency and vector efficiency of kernels that `seconds(parameters, row)` prices; none where rows are few.
template <class Seconds>
std::optional<StreamingParameters> fit_streaming(const std::vector<const MeasuredCase*>& rows, const Seconds& seconds, Rng rng) {
    if (rows.size() < device_rows_least) return std::nullopt;
    const auto parameters_of = [](const std::vector<double>& v) { return StreamingParameters{orrery::Seconds::from_si(v[0]), v[1], v[2]}; };
    const Residuals residuals = [&](const std::vector<double>& values, std::vector<double>& out) {
        out.resize(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) out[i] = std::log(seconds(parameters_of(values), *rows[i]->work) / rows[i]->time.seconds().si());
    };
    const std::vector<FitParameter> bounds{
        {3e-6, 1e-7, 1e-4, true},   // launch
        {0.8, 0.05, 1.0, false},    // memory_efficiency
        {0.5, 0.01, 1.0, true},     // vector_efficiency
    };
    return parameters_of(fit_least_squares(residuals, bounds, {.starts = 6}, rng).parameters);
}

Calibration fit_rows_of_device(const Device& device, const std::string& libraries, const std::vector<MeasuredCase>& rows, std::uint64_t seed,
                               Problems& refused) {
    OperatorFitOptions options;
    options.seed = seed;
    options.rows_fitted = static_cast<std::int64_t>(rows.size());
    options.starts = 6;
    CalibrationFit fit = fit_calibration(device, tables_of(device, libraries, rows), options, [](const std::string&) {});
    refused.insert(refused.end(), fit.refused.begin(), fit.refused.end());
    std::vector<const MeasuredCase*> streaming;
    std::vector<const MeasuredCase*> gathers;
    for (const MeasuredCase& row : rows) {
        if (!fits_device(row)) continue;
        if (class_of(row) == "streaming cold") streaming.push_back(&row);
        if (class_of(row) == "gather") gathers.push_back(&row);
    }
    const Machine machine = machine_of(device, DataType::fp32);
    fit.calibration.streaming = fit_streaming(
        streaming, [&](const StreamingParameters& p, const Work& work) { return streaming_seconds(machine, p, std::get<Streaming>(work)); },
        Rng::stream(seed, "streaming", 0));
    fit.calibration.gather = fit_streaming(
        gathers, [&](const StreamingParameters& p, const Work& work) { return gather_seconds(machine, p, std::get<Gather>(work)); },
        Rng::stream(seed, "gather", 0));
    return std::move(fit.calibration);
}

// Whether a calibration has an entry by which it prices the row.
bool priced(const Calibration& calibration, const MeasuredCase& row) {
    const std::string kind = class_of(row);
    if (const auto* product = std::get_if<MatrixMultiply>(&*row.work)) {
        return std::any_of(calibration.gemm.begin(), calibration.gemm.end(), [&](const GemmCalibration& entry) { return entry.type == product->type; });
    }
    if (kind == "prefill") return !calibration.prefill.empty();
    if (kind == "decode") return !calibration.decode.empty();
    if (kind == "gather") return calibration.gather.has_value();
    return kind == "streaming cold" && calibration.streaming.has_value();
}

}  // namespace

std::vector<CaseError> predict_device_cases(const Device& device, const std::vector<MeasuredCase>& rows) {
    std::vector<CaseError> errors;
    for (const MeasuredCase& row : rows) {
        if (!fits_device(row) || !priced(*device.calibration, row)) continue;
        errors.push_back({words_of(row.kernel_case), class_of(row), row.time.seconds(), execution_time(device, *row.work)});
    }
    return errors;
}

DeviceFit fit_device(const Device& device, const std::string& libraries, const std::vector<MeasuredCase>& rows, std::uint64_t seed) {
    constexpr std::size_t folds_of_device = 5;
    DeviceFit fit;
    std::vector<MeasuredCase> seen;
    std::vector<MeasuredCase> unseen;
    for (std::size_t i = 0; i < rows.size(); ++i) (i % folds_of_device != 0 ? seen : unseen).push_back(rows[i]);
    Problems of_part;   // those of all rows are told
    Device judged = device;
    judged.calibration = std::make_shared<const Calibration>(fit_rows_of_device(device, libraries, seen, seed, of_part));
    fit.held_out = predict_device_cases(judged, unseen);
    fit.calibration = fit_rows_of_device(device, libraries, rows, seed, fit.refused);
    if (!fit.calibration.streaming) fit.refused.push_back({"streaming kernels", "have too few rows that count", "measure more of them: --suite full"});
    return fit;
}

}  // namespace orrery
