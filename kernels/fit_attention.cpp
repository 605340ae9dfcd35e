// Fits the parameters of fused attention to prefill, decode and encoder tables.
#include "kernels/fit_operators.hpp"

#include "hardware/work_kinds/attention_model.hpp"
#include "kernels/fit_samples.hpp"
#include "kernels/least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace orrery {
namespace {

// A clock or a latency may be a little better than the datasheet; more than this is a defect of the row.
constexpr double attention_faster_than_possible = 0.98;
// Cached operands can make a row faster than memory; nothing makes it faster than the arithmetic. A table with more such
// rows than this was measured on other shapes than it says.
constexpr double impossible_share_max = 0.05;

PrefillParameters prefill_parameters_of(const std::vector<double>& v, double query_rows) {
    return {Seconds::from_si(v[0]), v[1], v[2], Seconds::from_si(v[3]), v[4], v[5], query_rows, v[6]};
}

DecodeParameters decode_parameters_of(const std::vector<double>& v, double group_max) {
    return {Seconds::from_si(v[0]), v[1], BytesPerSecond::from_si(v[2]), Seconds::from_si(v[3]), v[4], v[5],
            FlopPerSecond::from_si(v[6]), group_max, FlopPerSecond::from_si(v[7]), v[8]};
}

const std::vector<FitParameter>& prefill_bounds() {
    static const std::vector<FitParameter> bounds{
        {6e-6, 1e-6, 4e-5, true},   // launch
        {0.5, 0.1, 1.0, false},     // matrix_efficiency
        {0.8, 0.2, 1.0, false},     // memory_efficiency
        {1e-6, 1e-9, 2e-5, true},   // tile_overhead
        {0.3, 0.0, 1.0, false},     // small_head_penalty
        {4.0, 1.0, 16.0, true},     // overlap_norm
        {0.1, 0.0, 2.0, false},     // window_penalty
    };
    return bounds;
}

const std::vector<FitParameter>& decode_bounds() {
    static const std::vector<FitParameter> bounds{
        {6e-6, 1e-6, 4e-5, true},     // launch
        {0.85, 0.2, 1.0, false},      // memory_efficiency
        {5e10, 1e9, 1e12, true},      // core_feed
        {1e-6, 1e-9, 2e-5, true},     // split_overhead
        {256.0, 16.0, 8192.0, true},  // chunk
        {1.5, 1.0, 8.0, true},        // cache_speedup
        {1e12, 1e10, 2e13, true},     // core_rate
        {1e11, 1e9, 2e13, true},      // single_rate
        {1.5, 1.0, 8.0, true},        // conversion_cost
    };
    return bounds;
}

constexpr std::array<double, 3> query_rows_choices{32.0, 64.0, 128.0};
constexpr std::array<double, 3> group_max_choices{1.0, 32.0, 1024.0};  // none; XQA of TensorRT-LLM; all

using AttentionRows = std::vector<MeasuredAttention>;
// Seconds of a row, by the vector of parameters and the kernel's tile (query_rows or group_max).
using AttentionPrice = std::function<double(const std::vector<double>&, double, const Attention&)>;

struct AttentionFit {
    std::vector<double> parameters;
    double tile = 0.0;
    double cost = 0.0;
};

AttentionFit best_fit(const AttentionRows& rows, const std::vector<FitSample>& samples, const AttentionPrice& price,
                      std::span<const double> tiles, const std::vector<FitParameter>& bounds, int starts, Rng& rng) {
    AttentionFit best;
    for (const double tile : tiles) {
        const Residuals residuals = [&](const std::vector<double>& values, std::vector<double>& out) {
            out.resize(samples.size());
            for (std::size_t i = 0; i < out.size(); ++i) {
                out[i] = std::log(price(values, tile, rows[samples[i].row].work) / samples[i].seconds);
            }
        };
        FitResult fit = fit_least_squares(residuals, bounds, {.starts = starts}, rng);
        if (best.parameters.empty() || fit.cost < best.cost) best = {std::move(fit.parameters), tile, fit.cost};
    }
    return best;
}

// Splits, fits and judges; fills everything of `fit` but the parameters.
template <class Fit>
AttentionFit fit_rows(const AttentionRows& rows, std::vector<FitSample> samples, const OperatorFitOptions& options,
                      const AttentionPrice& price, std::span<const double> tiles,
                      const std::vector<FitParameter>& bounds, const ResidualFit& how, Fit& fit) {
    Rng rng = Rng::stream(options.seed, fit.quality.table, static_cast<std::uint64_t>(rows.front().work.type));
    const FitSplit split = split_samples(std::move(samples), options.rows_fitted, rng);
    const AttentionFit best = best_fit(rows, split.fitted, price, tiles, bounds, options.starts, rng);
    const SampleModel model = [&](const FitSample& sample) {
        return price(best.parameters, best.tile, rows[sample.row].work);
    };
    fit.residuals = residual_field(split.fitted, model, how, rng);
    fit.quality.rows = static_cast<std::int64_t>(rows.size());
    fit.quality.rows_left_out = fit.quality.rows - static_cast<std::int64_t>(split.fitted.size() + split.judged.size());
    fit.quality.rows_fitted = static_cast<std::int64_t>(split.fitted.size());
    judge(split.judged, model, fit.residuals, how, fit.quality);
    return best;
}

std::vector<FitSample> possible_samples(const Device& device, const AttentionRows& rows) {
    std::vector<FitSample> samples;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].measured < attention_faster_than_possible * physical_floor(device, rows[i].work)) continue;
        samples.push_back({i, rows[i].measured.si(), {shape_of(rows[i].work)}});
    }
    return samples;
}

Problems impossible_table(const Device& device, const MeasuredTable& table) {
    std::size_t impossible = 0;
    for (const MeasuredAttention& row : table.attention) {
        const Seconds arithmetic = flop_of(row.work) / device.peak(row.work.type);
        if (row.measured < attention_faster_than_possible * arithmetic) ++impossible;
    }
    const double share = static_cast<double>(impossible) / static_cast<double>(table.attention.size());
    if (share <= impossible_share_max) return {};
    return {{table.name.file,
             std::to_string(impossible) + " of " + std::to_string(table.attention.size()) +
                 " rows are faster than the peak of " + device.name + " allows",
             "leave the table out: it was measured on other shapes than it says"}};
}

bool window_cuts(const Attention& work) { return work.window > 0 && work.window < work.keys; }

// Whether windowed rows took the time of their whole cache: then the kernel that was measured ignored the window.
bool window_ignored(const AttentionRows& rows, const std::vector<FitSample>& samples, const AttentionPrice& price,
                    const OperatorFitOptions& options) {
    std::vector<FitSample> whole;
    for (const FitSample& sample : samples) {
        if (!window_cuts(rows[sample.row].work)) whole.push_back(sample);
    }
    Rng rng = Rng::stream(options.seed, "window", 0);
    const AttentionFit fit = best_fit(rows, whole, price, group_max_choices, decode_bounds(), 3, rng);
    double honoured = 0.0;
    double ignored = 0.0;
    for (const FitSample& sample : samples) {
        Attention work = rows[sample.row].work;
        if (!window_cuts(work)) continue;
        honoured += std::abs(std::log(price(fit.parameters, fit.tile, work) / sample.seconds));
        work.window = 0;
        ignored += std::abs(std::log(price(fit.parameters, fit.tile, work) / sample.seconds));
    }
    return ignored < 0.5 * honoured;
}

}  // namespace

Result<std::vector<PrefillCalibration>> fit_prefill(const Device& device, const MeasuredTable& table,
                                                    const OperatorFitOptions& options) {
    if (Problems problems = impossible_table(device, table); !problems.empty()) return problems;
    std::vector<PrefillCalibration> fits;
    for (const DataType type : {DataType::bf16, DataType::fp16, DataType::fp8, DataType::fp32}) {
        AttentionRows rows;
        for (const MeasuredAttention& row : table.attention) {
            if (row.work.type == type) rows.push_back(row);
        }
        if (rows.empty()) continue;
        const Machine machine = machine_of(device, type);
        const AttentionPrice price = [&](const std::vector<double>& values, double tile, const Attention& work) {
            const PrefillParameters parameters = prefill_parameters_of(values, tile);
            return parameters.launch.si() + prefill_seconds(machine, parameters, work);
        };
        PrefillCalibration fit;
        fit.type = type;
        fit.library = table.name.library + " " + table.name.table;
        fit.quality.table = table.name.file;
        const AttentionFit best = fit_rows(rows, possible_samples(device, rows), options, price,
                                           query_rows_choices, prefill_bounds(),
                                           {prefill_features, machine.cores, options.residual_points}, fit);
        fit.parameters = prefill_parameters_of(best.parameters, best.tile);
        fits.push_back(std::move(fit));
    }
    return fits;
}

Result<DecodeCalibration> fit_decode(const Device& device, const MeasuredTable& table,
                                     const OperatorFitOptions& options) {
    if (Problems problems = impossible_table(device, table); !problems.empty()) return problems;
    const Machine machine = machine_of(device, DataType::bf16);
    const AttentionPrice price = [&](const std::vector<double>& values, double tile, const Attention& work) {
        const DecodeParameters parameters = decode_parameters_of(values, tile);
        return parameters.launch.si() + decode_seconds(machine, parameters, work);
    };
    const AttentionRows& rows = table.attention;
    DecodeCalibration fit;
    fit.library = table.name.library;
    fit.quality.table = table.name.file;
    std::vector<FitSample> samples = possible_samples(device, rows);
    if (window_ignored(rows, samples, price, options)) {
        std::erase_if(samples, [&](const FitSample& sample) { return window_cuts(rows[sample.row].work); });
        fit.quality.note = "rows with a window took the time of the whole cache and are left out";
    }
    const AttentionFit best =
        fit_rows(rows, std::move(samples), options, price, group_max_choices, decode_bounds(),
                 {decode_features, machine.cores, options.residual_points}, fit);
    fit.parameters = decode_parameters_of(best.parameters, best.tile);
    return fit;
}

}  // namespace orrery
