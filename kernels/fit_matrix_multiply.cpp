// Fits the parameters of matrix products to gemm tables, one number format at a time.
#include "kernels/fit_operators.hpp"

#include "hardware/work_kinds/matrix_multiply_model.hpp"
#include "kernels/fit_samples.hpp"
#include "kernels/least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

// A clock or a latency may be a little better than the datasheet; more than this is a defect of the row.
constexpr double faster_than_possible = 0.98;
// Start of a product's own kernel: 16-bit tables fit 0.8 to 2.7 us; what 8-bit tables show beyond is quantising.
constexpr Seconds product_launch_max = 3.0_us;

const std::vector<FitParameter>& gemm_bounds() {
    static const std::vector<FitParameter> bounds{
        {2e-6, 3e-7, 2.5e-5, true},    // launch
        {0.8, 0.3, 1.0, false},        // matrix_efficiency
        {0.8, 0.3, 1.0, false},        // memory_efficiency
        {3e-7, 1e-9, 2e-5, true},      // tile_overhead
        {1.4e11, 1e10, 1e12, true},    // core_feed
        {1.2e13, 5e11, 1e14, true},    // cache_feed
        {4.0, 1.0, 16.0, true},        // overlap_norm
        {3e-6, 1e-7, 2e-5, true},      // split_reduce
        {0.05, 0.0, 0.5, false},       // power_derate
        {1.2, 1.0, 8.0, true},         // cache_speedup
    };
    return bounds;
}

GemmParameters gemm_parameters_of(const std::vector<double>& v) {
    return {Seconds::from_si(v[0]), v[1], v[2], Seconds::from_si(v[3]), BytesPerSecond::from_si(v[4]),
            BytesPerSecond::from_si(v[5]), v[6], Seconds::from_si(v[7]), v[8], v[9]};
}

// The whole row: launch, product and, where the table has it, the quantise kernel.
double row_seconds(const Machine& machine, const GemmParameters& parameters, const MatrixMultiply& work, bool quantises) {
    const double quantise = quantises ? quantise_seconds(machine, parameters, work) : 0.0;
    return parameters.launch.si() + matrix_multiply_seconds(machine, parameters, work) + quantise;
}

GemmCalibration fit_format(const Device& device, const TableName& name, const std::string& format,
                           const std::vector<MeasuredProduct>& rows, const OperatorFitOptions& options) {
    const TableFormat type = table_format(format);
    GemmCalibration fit;
    fit.type = type.type;
    fit.library = name.library + " " + format;
    fit.quality.table = name.file;
    fit.quality.rows = static_cast<std::int64_t>(rows.size());
    std::vector<FitSample> samples;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].measured < faster_than_possible * physical_floor(device, rows[i].work)) continue;
        samples.push_back({i, rows[i].measured.si(), {shape_of(rows[i].work)}});
    }
    fit.quality.rows_left_out = fit.quality.rows - static_cast<std::int64_t>(samples.size());
    Rng rng = Rng::stream(options.seed, name.file + format, 0);
    const FitSplit split = split_samples(std::move(samples), options.rows_fitted, rng);
    const Machine machine = machine_of(device, fit.type);
    const Residuals residuals = [&](const std::vector<double>& values, std::vector<double>& out) {
        const GemmParameters parameters = gemm_parameters_of(values);
        out.resize(split.fitted.size());
        for (std::size_t i = 0; i < out.size(); ++i) {
            const FitSample& sample = split.fitted[i];
            out[i] = std::log(row_seconds(machine, parameters, rows[sample.row].work, type.quantises) / sample.seconds);
        }
    };
    const FitResult best = fit_least_squares(residuals, gemm_bounds(), {.starts = options.starts}, rng);
    const GemmParameters whole = gemm_parameters_of(best.parameters);
    const SampleModel model = [&](const FitSample& sample) {
        return row_seconds(machine, whole, rows[sample.row].work, type.quantises);
    };
    const ResidualFit how{product_features, machine.cores, options.residual_points};
    fit.residuals = residual_field(split.fitted, model, how, rng);
    fit.quality.rows_fitted = static_cast<std::int64_t>(split.fitted.size());
    judge(split.judged, model, fit.residuals, how, fit.quality);
    fit.parameters = whole;
    if (type.quantises) {
        fit.parameters.launch = std::min(whole.launch, product_launch_max);
        fit.quantise_launch = whole.launch - fit.parameters.launch;
        fit.quality.note = "rows contain the quantise kernel; it is judged with them and kept out of the parameters";
    }
    return fit;
}

}  // namespace

std::vector<GemmCalibration> fit_products(const Device& device, const MeasuredTable& table,
                                          const OperatorFitOptions& options) {
    std::vector<std::string> formats;
    for (const MeasuredProduct& product : table.products) {
        if (std::find(formats.begin(), formats.end(), product.format) == formats.end()) formats.push_back(product.format);
    }
    std::vector<GemmCalibration> fits;
    for (const std::string& format : formats) {
        std::vector<MeasuredProduct> rows;
        for (const MeasuredProduct& product : table.products) {
            if (product.format == format) rows.push_back(product);
        }
        fits.push_back(fit_format(device, table.name, format, rows, options));
    }
    return fits;
}

}  // namespace orrery
