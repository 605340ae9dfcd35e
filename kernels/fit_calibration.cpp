// Fits all tables of a device and orders the results.
#include "kernels/fit_calibration.hpp"

#include "hardware/work_kinds/matrix_multiply_model.hpp"
#include "kernels/expert_layer.hpp"
#include "kernels/fit_residuals.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace orrery {
namespace {

constexpr double row_faster_than_possible = 0.98;  // see kernels/fit_operators.hpp

// Variants of a format (block scales, static scales) and encoder tables stand behind the plain ones.
bool plain(const std::string& library) {
    for (const std::string_view variant : {"_block", "_static", "_min_latency", "encoder"}) {
        if (library.find(variant) != std::string::npos) return false;
    }
    return true;
}

template <class Table>
void best_first(std::vector<Table>& tables) {
    std::stable_sort(tables.begin(), tables.end(), [](const Table& a, const Table& b) {
        const auto rank = [](const Table& t) {
            return std::tuple{!plain(t.library), -t.quality.rows, t.quality.mean_error_with_residuals};
        };
        return rank(a) < rank(b);
    });
}

std::string words(const MeasuredProduct& row) {
    return row.format + " m " + std::to_string(row.work.m) + " n " + std::to_string(row.work.n) + " k " +
           std::to_string(row.work.k);
}

std::string words(const MeasuredAttention& row) {
    const Attention& w = row.work;
    return "batch " + std::to_string(w.batch) + " heads " + std::to_string(w.heads) + "/" + std::to_string(w.kv_heads) +
           " of " + std::to_string(w.head_size) + " queries " + std::to_string(w.queries) + " keys " +
           std::to_string(w.keys) + (w.window > 0 ? " window " + std::to_string(w.window) : "") + " " +
           std::string(name_of(w.type)) + "/" + std::string(name_of(w.kv_type));
}

// The calibration entry that was fitted to this format of this library, else the first of its type; null without.
const GemmCalibration* entry_of(const Device& device, const std::string& library, DataType type) {
    const GemmCalibration* first = nullptr;
    for (const GemmCalibration& entry : device.calibration->gemm) {
        if (entry.library == library) return &entry;
        if (first == nullptr && entry.type == type) first = &entry;
    }
    return first;
}

// The quantise kernel that rows of narrow formats contain, off by as much as the product beside it.
Seconds quantise_time(const Device& device, const MeasuredTable& table, const MeasuredProduct& row) {
    if (!table_format(row.format).quantises) return {};
    const GemmCalibration* entry = entry_of(device, table.name.library + " " + row.format, row.work.type);
    if (entry == nullptr) return {};
    const Machine machine = machine_of(device, row.work.type);
    const double moved = quantise_seconds(machine, entry->parameters, row.work);
    const double log_ratio = residual_at(entry->residuals, product_features(shape_of(row.work), machine.cores));
    return (entry->quantise_launch + Seconds::from_si(moved)) * std::exp(log_ratio);
}

// The entry that was fitted to this kind of layer, else the first of its type; null without.
const GroupedCalibration* layer_entry(const Device& device, const std::string& library, DataType type) {
    const GroupedCalibration* first = nullptr;
    for (const GroupedCalibration& entry : device.calibration->grouped) {
        if (entry.library == library) return &entry;
        if (first == nullptr && entry.type == type) first = &entry;
    }
    return first;
}

// Layers on devices without a table of them: usual starts and half the memory bandwidth around the products.
constexpr Seconds layer_launch_default = 20.0_us;
constexpr double row_efficiency_default = 0.5;

Seconds layer_time(const Device& device, const std::string& library, const MeasuredExperts& row,
                   const ExpertLayer& layer) {
    const GroupedCalibration* entry = layer_entry(device, library + " " + row.format, row.type);
    if (entry == nullptr) {
        return execution_time(device, layer.up) + execution_time(device, layer.down) + layer_launch_default +
               layer.moved / (device.memory_bandwidth * row_efficiency_default);
    }
    const Machine machine = machine_of(device, row.type);
    const LayerSeconds parts = layer_seconds(machine, *entry, layer);
    const ResidualSample sample{0.0, {shape_of(layer.up), shape_of(layer.down)}, product_shares(parts)};
    const double log_ratio = residual_of(entry->residuals, grouped_features, machine.cores, sample);
    return std::max(Seconds::from_si((parts.up + parts.down + parts.rest) * std::exp(log_ratio)),
                    layer_floor(device, layer));
}

}  // namespace

bool same_device(std::string_view system, std::string_view device) {
    std::string name(system);
    std::replace(name.begin(), name.end(), '_', '-');
    return device == name || device.substr(0, name.size() + 1) == name + "-";
}

CalibrationFit fit_calibration(const Device& device, const std::vector<MeasuredTable>& tables,
                               const OperatorFitOptions& options,
                               const std::function<void(const std::string&)>& progress) {
    CalibrationFit fit;
    fit.calibration.device = device.name;
    const auto refuse = [&](const Problems& problems) {
        fit.refused.insert(fit.refused.end(), problems.begin(), problems.end());
    };
    for (const MeasuredTable& table : tables) {
        progress(table.name.file);
        if (table.name.table == "gemm") {
            for (GemmCalibration& entry : fit_products(device, table, options)) {
                fit.calibration.gemm.push_back(std::move(entry));
            }
        } else if (table.name.table == "moe") {
            for (GroupedCalibration& entry : fit_experts(device, table, options)) {
                fit.calibration.grouped.push_back(std::move(entry));
            }
        } else if (table.name.table == "generation_attention") {
            Result<DecodeCalibration> entry = fit_decode(device, table, options);
            entry.ok() ? fit.calibration.decode.push_back(std::move(entry).value()) : refuse(entry.problems());
        } else {
            Result<std::vector<PrefillCalibration>> entries = fit_prefill(device, table, options);
            if (!entries.ok()) {
                refuse(entries.problems());
                continue;
            }
            for (PrefillCalibration& entry : *entries) fit.calibration.prefill.push_back(std::move(entry));
        }
    }
    best_first(fit.calibration.gemm);
    best_first(fit.calibration.grouped);
    best_first(fit.calibration.prefill);
    best_first(fit.calibration.decode);
    return fit;
}

std::vector<RowPrediction> predict_rows(const Device& device, const MeasuredTable& table) {
    std::vector<RowPrediction> predictions;
    for (const MeasuredProduct& row : table.products) {
        predictions.push_back({words(row), row.measured,
                               execution_time(device, row.work) + quantise_time(device, table, row),
                               row.measured >= row_faster_than_possible * physical_floor(device, row.work)});
    }
    for (const MeasuredAttention& row : table.attention) {
        predictions.push_back({words(row), row.measured, execution_time(device, row.work),
                               row.measured >= row_faster_than_possible * physical_floor(device, row.work)});
    }
    for (const MeasuredExperts& row : table.experts) {
        const ExpertLayer layer = expert_layer(row);
        predictions.push_back({row.row, row.measured, layer_time(device, table.name.library, row, layer),
                               row.measured >= row_faster_than_possible * layer_floor(device, layer)});
    }
    return predictions;
}

}  // namespace orrery
