// Fits grouped products to tables of whole expert layers, one number format at a time.
#include "kernels/fit_operators.hpp"

#include "hardware/work_kinds/matrix_multiply_model.hpp"
#include "kernels/expert_layer.hpp"
#include "kernels/fit_samples.hpp"
#include "kernels/least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

constexpr double layer_faster_than_possible = 0.98;  // see kernels/fit_matrix_multiply.cpp
// Start of one grouped kernel at most; what layers show beyond belongs to their other kernels.
constexpr Seconds grouped_launch_max = 3.0_us;

const std::vector<FitParameter>& layer_bounds() {
    static const std::vector<FitParameter> bounds{
        {3e-5, 3e-6, 3e-4, true},      // starts of all kernels of the layer
        {0.6, 0.1, 1.0, false},        // matrix_efficiency
        {0.7, 0.1, 1.0, false},        // memory_efficiency
        {1e-6, 1e-9, 5e-5, true},      // tile_overhead
        {1.4e11, 1e10, 1e12, true},    // core_feed
        {1.2e13, 5e11, 1e14, true},    // cache_feed
        {4.0, 1.0, 16.0, true},        // overlap_norm
        {0.05, 0.0, 0.5, false},       // power_derate
        {1.2, 1.0, 8.0, true},         // cache_speedup
        {0.5, 0.02, 1.0, true},        // row_efficiency
    };
    return bounds;
}

void set_parameters(const std::vector<double>& v, GroupedCalibration& fit) {
    const Seconds starts = Seconds::from_si(v[0]);
    const Seconds launch = std::min(0.25 * starts, grouped_launch_max);
    fit.layer_launch = starts - 2.0 * launch;
    fit.row_efficiency = v[9];
    fit.parameters = {launch, v[1], v[2], Seconds::from_si(v[3]), BytesPerSecond::from_si(v[4]),
                      BytesPerSecond::from_si(v[5]), v[6], Seconds{}, v[7], v[8]};
}

GroupedCalibration fit_experts_of(const Device& device, const TableName& name,
                                  const std::vector<const MeasuredExperts*>& rows, const OperatorFitOptions& options) {
    GroupedCalibration fit;
    fit.type = rows.front()->type;
    fit.library = name.library + " " + rows.front()->format;
    fit.quality.table = name.file;
    fit.quality.rows = static_cast<std::int64_t>(rows.size());
    const Machine machine = machine_of(device, fit.type);
    std::vector<ExpertLayer> layers;
    std::vector<FitSample> samples;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        layers.push_back(expert_layer(*rows[i]));
        const ExpertLayer& layer = layers.back();
        if (rows[i]->measured < layer_faster_than_possible * layer_floor(device, layer)) continue;
        samples.push_back({i, rows[i]->measured.si(), {shape_of(layer.up), shape_of(layer.down)}});
    }
    fit.quality.rows_left_out = fit.quality.rows - static_cast<std::int64_t>(samples.size());
    Rng rng = Rng::stream(options.seed, name.file + rows.front()->format, 0);
    FitSplit split = split_samples(std::move(samples), options.rows_fitted, rng);
    const auto price = [&](const GroupedCalibration& entry, const FitSample& sample) {
        const LayerSeconds parts = layer_seconds(machine, entry, layers[sample.row]);
        return parts.up + parts.down + parts.rest;
    };
    const Residuals residuals = [&](const std::vector<double>& values, std::vector<double>& out) {
        GroupedCalibration trial;
        set_parameters(values, trial);
        out.resize(split.fitted.size());
        for (std::size_t i = 0; i < out.size(); ++i) {
            out[i] = std::log(price(trial, split.fitted[i]) / split.fitted[i].seconds);
        }
    };
    set_parameters(fit_least_squares(residuals, layer_bounds(), {.starts = options.starts}, rng).parameters, fit);
    const SampleModel model = [&](const FitSample& sample) { return price(fit, sample); };
    for (std::vector<FitSample>* part : {&split.fitted, &split.judged}) {
        for (FitSample& sample : *part) sample.shares = product_shares(layer_seconds(machine, fit, layers[sample.row]));
    }
    const ResidualFit how{grouped_features, machine.cores, options.residual_points};
    fit.residuals = residual_field(split.fitted, model, how, rng);
    fit.quality.rows_fitted = static_cast<std::int64_t>(split.fitted.size());
    judge(split.judged, model, fit.residuals, how, fit.quality);
    fit.quality.note = "rows are whole layers; the kernels around the products are kept out of the parameters";
    return fit;
}

}  // namespace

Seconds layer_floor(const Device& device, const ExpertLayer& layer) {
    return physical_floor(device, layer.up) + physical_floor(device, layer.down);
}

LayerSeconds layer_seconds(const Machine& machine, const GroupedCalibration& entry, const ExpertLayer& layer) {
    const double launch = entry.parameters.launch.si();
    const double rate = machine.bandwidth * entry.row_efficiency;
    return {launch + grouped_multiply_seconds(machine, entry.parameters, layer.up),
            launch + grouped_multiply_seconds(machine, entry.parameters, layer.down),
            entry.layer_launch.si() + (rate > 0.0 ? layer.moved.si() / rate : 0.0)};
}

std::array<double, 2> product_shares(const LayerSeconds& parts) {
    return {parts.up / (parts.up + parts.down), parts.down / (parts.up + parts.down)};
}

std::vector<GroupedCalibration> fit_experts(const Device& device, const MeasuredTable& table,
                                            const OperatorFitOptions& options) {
    std::vector<std::string> formats;
    for (const MeasuredExperts& row : table.experts) {
        if (std::find(formats.begin(), formats.end(), row.format) == formats.end()) formats.push_back(row.format);
    }
    std::vector<GroupedCalibration> fits;
    for (const std::string& format : formats) {
        std::vector<const MeasuredExperts*> rows;
        for (const MeasuredExperts& row : table.experts) {
            if (row.format == format) rows.push_back(&row);
        }
        fits.push_back(fit_experts_of(device, table.name, rows, options));
    }
    return fits;
}

}  // namespace orrery
