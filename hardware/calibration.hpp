// What measuring taught us about one device: fitted parameters of the operator model, residual points, and their errors.
#pragma once

#include "hardware/data_type.hpp"
#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// Layer A of the matrix-multiply model; names and meaning in hardware/work_kinds/matrix_multiply.cpp.
struct GemmParameters {
    Seconds launch;                    // t0: start of a kernel as profiled
    double matrix_efficiency = 0.8;    // e: of the peak, inside a tile
    double memory_efficiency = 0.8;    // beta: of the memory bandwidth
    Seconds tile_overhead;             // o: prologue and epilogue per wave
    BytesPerSecond core_feed;          // f1: what one SM can take in from L2
    BytesPerSecond cache_feed;         // F: what L2 gives to all SMs together
    double overlap_norm = 4.0;         // q: p-norm between compute and memory; large: perfect overlap
    Seconds split_reduce;              // r: extra cost of a split-K reduction
    double power_derate = 0.0;         // d: slowdown of long, dense kernels by the power limit
    double cache_speedup = 1.0;        // lx: L2 over memory bandwidth for operands that stay resident
    bool operator==(const GemmParameters&) const = default;
    static constexpr auto fields() {
        using P = GemmParameters;
        return std::tuple{
            field("launch", &P::launch, non_negative, "Start of a kernel as profiled."),
            field("matrix_efficiency", &P::matrix_efficiency, fraction, "Share of the peak inside a tile."),
            field("memory_efficiency", &P::memory_efficiency, fraction, "Share of the memory bandwidth."),
            field("tile_overhead", &P::tile_overhead, non_negative, "Prologue and epilogue of a wave of tiles."),
            field("core_feed", &P::core_feed, positive, "What one core takes in from the shared cache."),
            field("cache_feed", &P::cache_feed, positive, "What the shared cache gives to all cores together."),
            field("overlap_norm", &P::overlap_norm, {1.0, 64.0}, "Norm that joins compute and memory time."),
            field("split_reduce", &P::split_reduce, non_negative, "Extra cost of a split-K reduction."),
            field("power_derate", &P::power_derate, fraction, "Slowdown of long dense kernels by the power limit."),
            field("cache_speedup", &P::cache_speedup, {1.0, 64.0}, "Cache over memory bandwidth for resident operands."),
        };
    }
};

/// Layer A of fused attention, prefill side; meaning in hardware/work_kinds/attention.cpp.
struct PrefillParameters {
    Seconds launch;
    double matrix_efficiency = 0.5;    // of the 16-bit peak at head size 128
    double memory_efficiency = 0.8;
    Seconds tile_overhead;
    double small_head_penalty = 0.2;   // relative cost growth as the head size shrinks from 128
    double overlap_norm = 4.0;
    double query_rows = 128.0;         // rows of a tile of the score matrix, and its columns
    double window_penalty = 0.0;       // extra share of the arithmetic under a window of 128 keys; falls as 1 / window
    double backward_work = 0.0;        // time of the backward kernel over the forward; 0: not measured
    bool operator==(const PrefillParameters&) const = default;
    static constexpr auto fields() {
        using P = PrefillParameters;
        return std::tuple{
            field("launch", &P::launch, non_negative, "Start of a kernel as profiled."),
            field("matrix_efficiency", &P::matrix_efficiency, fraction, "Share of the 16-bit peak at head size 128."),
            field("memory_efficiency", &P::memory_efficiency, fraction, "Share of the memory bandwidth."),
            field("tile_overhead", &P::tile_overhead, non_negative, "Prologue and epilogue of a wave of tiles."),
            field("small_head_penalty", &P::small_head_penalty, non_negative, "Growth of cost as heads shrink from 128."),
            field("overlap_norm", &P::overlap_norm, {1.0, 64.0}, "Norm that joins compute and memory time."),
            field("query_rows", &P::query_rows, {1.0, 1024.0}, "Rows and columns of a tile of the score matrix."),
            field("window_penalty", &P::window_penalty, non_negative, "Extra share of arithmetic under a window of 128."),
            field("backward_work", &P::backward_work, non_negative, "Backward over forward time; 0: not measured."),
        };
    }
};

/// Layer A of fused attention, decode side (one query against a long cache).
struct DecodeParameters {
    Seconds launch;
    double memory_efficiency = 0.8;
    BytesPerSecond core_feed;          // what one SM can take in from memory
    Seconds split_overhead;            // per wave of key splits
    double chunk = 512.0;              // keys per split at least
    double cache_speedup = 1.0;
    FlopPerSecond core_rate = FlopPerSecond::from_si(1e13);    // arithmetic of one SM on the rows of a query group
    double group_max = 1024.0;         // larger groups of query heads are not grouped: each head reads the keys itself
    FlopPerSecond single_rate = FlopPerSecond::from_si(1e13);  // arithmetic of one SM on such a single row
    double conversion_cost = 1.0;      // factor on arithmetic where keys are stored in another format than queries
    bool operator==(const DecodeParameters&) const = default;
    static constexpr auto fields() {
        using P = DecodeParameters;
        return std::tuple{
            field("launch", &P::launch, non_negative, "Start of a kernel as profiled."),
            field("memory_efficiency", &P::memory_efficiency, fraction, "Share of the memory bandwidth."),
            field("core_feed", &P::core_feed, positive, "What one core takes in from memory."),
            field("split_overhead", &P::split_overhead, non_negative, "Cost of one wave of key splits."),
            field("chunk", &P::chunk, {1.0, 65536.0}, "Keys per split at least."),
            field("cache_speedup", &P::cache_speedup, {1.0, 64.0}, "Cache over memory bandwidth for resident keys."),
            field("core_rate", &P::core_rate, positive, "Arithmetic of one core on the rows of a query group."),
            field("group_max", &P::group_max, {1.0, 1024.0}, "Query heads of a group that can share one reading of keys."),
            field("single_rate", &P::single_rate, positive, "Arithmetic of one core on a single query row."),
            field("conversion_cost", &P::conversion_cost, {1.0, 64.0}, "Factor on arithmetic where keys are converted."),
        };
    }
};

/// Bytes in order: launch + bytes / (bandwidth * efficiency), or arithmetic where that takes longer.
struct StreamingParameters {
    Seconds launch = Seconds::from_si(1.5e-6);
    double memory_efficiency = 0.8;
    double vector_efficiency = 1.0;    // of the vector peak
    bool operator==(const StreamingParameters&) const = default;
    static constexpr auto fields() {
        using P = StreamingParameters;
        return std::tuple{
            field("launch", &P::launch, non_negative, "Start of a kernel inside a stream of kernels."),
            field("memory_efficiency", &P::memory_efficiency, fraction, "Share of the memory bandwidth."),
            field("vector_efficiency", &P::vector_efficiency, fraction, "Share of the vector peak."),
        };
    }
};

/// The sizes of one measured piece of work, whole numbers as its kind lists them (hardware/residuals.hpp); 0: not used.
using Shape = std::array<std::int32_t, 8>;

/// One measured shape that layer B leans on, and how much.
struct ResidualPoint {
    Shape shape{};
    float weight = 0.0F;
    bool operator==(const ResidualPoint&) const = default;
};

/// Layer B: ln(measured / layer A) as a weighted sum of bumps around measured shapes (hardware/residuals.hpp).
struct ResidualField {
    double cores = 1.0;                 // of the device that was measured: what its shapes filled
    std::vector<float> lengths;         // per feature: the difference at which two shapes grow apart; 0: does not matter
    std::vector<ResidualPoint> points;
    std::vector<float> table;           // made from the others by prepare_residuals
    bool operator==(const ResidualField&) const = default;
};

/// How good one fit is, on rows that it did not see. Errors are |predicted / measured - 1|.
struct FitQuality {
    std::string table;          // file name of the measurements
    std::string note;
    std::int64_t rows = 0;      // in the table
    std::int64_t rows_left_out = 0;   // faster than memory or arithmetic allow
    std::int64_t rows_fitted = 0;
    double mean_error = 0.0;    // layer A alone, on rows not fitted
    double mean_error_with_residuals = 0.0;  // layers A and B, on rows not fitted
    double median_error = 0.0;  // layers A and B
    double p90_error = 0.0;     // layers A and B
    bool operator==(const FitQuality&) const = default;
    static constexpr auto fields() {
        using Q = FitQuality;
        return std::tuple{
            field("table", &Q::table, any_value, "File name of the measurements."),
            field("note", &Q::note, any_value, "What a reader of the errors must know."),
            field("rows", &Q::rows, non_negative, "Rows of the table."),
            field("rows_left_out", &Q::rows_left_out, non_negative, "Rows that cannot be what they say."),
            field("rows_fitted", &Q::rows_fitted, non_negative, "Rows that the fit saw; the others judge it."),
            field("mean_error", &Q::mean_error, non_negative, "Of the parameters alone."),
            field("mean_error_with_residuals", &Q::mean_error_with_residuals, non_negative, "Of both layers."),
            field("median_error", &Q::median_error, non_negative, "Of both layers."),
            field("p90_error", &Q::p90_error, non_negative, "Of both layers."),
        };
    }
};

struct GemmCalibration {
    DataType type = DataType::bf16;
    std::string library;
    GemmParameters parameters;
    /// What the table's rows hold beyond `parameters.launch`: the start of the kernel that quantises the activations
    /// (8- and 4-bit tables). Never priced with the product, whose user charges casts apart; needed to compare with rows.
    Seconds quantise_launch;
    ResidualField residuals;
    FitQuality quality;
    bool operator==(const GemmCalibration&) const = default;
    /// All but the residual points, which a file writes in its own way.
    static constexpr auto fields() {
        using G = GemmCalibration;
        return std::tuple{
            required_field("type", &G::type, any_value, "Number format of the operands."),
            field("library", &G::library, any_value, "Library, version and format that were measured."),
            required_field("parameters", &G::parameters, any_value, "Of the tile model."),
            field("quantise_launch", &G::quantise_launch, non_negative, "Launch of the quantise kernel in the rows."),
            field("quality", &G::quality, any_value, "Errors on rows that the fit did not see."),
        };
    }
};

/// Grouped products of experts, fitted to tables of whole expert layers.
struct GroupedCalibration {
    DataType type = DataType::bf16;
    std::string library;
    GemmParameters parameters;
    /// What a layer takes beyond its two grouped products: starts of the kernels that sort rows by expert, activate,
    /// quantise and sum, and the share of the memory bandwidth at which they move rows. Never priced with a product.
    Seconds layer_launch;
    double row_efficiency = 0.5;
    ResidualField residuals;
    FitQuality quality;
    bool operator==(const GroupedCalibration&) const = default;
    /// All but the residual points, which a file writes in its own way.
    static constexpr auto fields() {
        using G = GroupedCalibration;
        return std::tuple{
            required_field("type", &G::type, any_value, "Number format of the operands."),
            field("library", &G::library, any_value, "Library, version and format that were measured."),
            required_field("parameters", &G::parameters, any_value, "Of the tile model."),
            field("layer_launch", &G::layer_launch, non_negative, "Starts of the layer's other kernels in the rows."),
            field("row_efficiency", &G::row_efficiency, fraction, "Share of memory bandwidth of the layer's other kernels."),
            field("quality", &G::quality, any_value, "Errors on rows that the fit did not see."),
        };
    }
};

struct PrefillCalibration {
    DataType type = DataType::bf16;    // of queries; peaks are this type's
    std::string library;
    PrefillParameters parameters;
    ResidualField residuals;
    FitQuality quality;
    bool operator==(const PrefillCalibration&) const = default;
    /// All but the residual points, which a file writes in its own way.
    static constexpr auto fields() {
        using C = PrefillCalibration;
        return std::tuple{
            field("type", &C::type, any_value, "Number format of the queries."),
            field("library", &C::library, any_value, "Library, version and table that were measured."),
            required_field("parameters", &C::parameters, any_value, "Of the prefill model."),
            field("quality", &C::quality, any_value, "Errors on rows that the fit did not see."),
        };
    }
};

struct DecodeCalibration {
    std::string library;
    DecodeParameters parameters;
    ResidualField residuals;
    FitQuality quality;
    bool operator==(const DecodeCalibration&) const = default;
    /// All but the residual points, which a file writes in its own way.
    static constexpr auto fields() {
        using C = DecodeCalibration;
        return std::tuple{
            field("library", &C::library, any_value, "Library and version that were measured."),
            required_field("parameters", &C::parameters, any_value, "Of the decode model."),
            field("quality", &C::quality, any_value, "Errors on rows that the fit did not see."),
        };
    }
};

/// Kinds of kernels that a processor's calibration tells apart.
enum class ProcessorKind : std::uint8_t { product, product_left, product_right, grouped, convolution, prefill, backward, decode, streaming, gather, scatter };
template <>
struct EnumTable<ProcessorKind> {
    static constexpr std::array<EnumName<ProcessorKind>, 11> names{{
        {ProcessorKind::product, "product", "matrix product"},
        {ProcessorKind::product_left, "product, left transposed", "matrix product whose left side lies the other way round"},
        {ProcessorKind::product_right, "product, right transposed", "matrix product whose right side does"},
        {ProcessorKind::grouped, "grouped", "products of experts"},
        {ProcessorKind::convolution, "convolution", "convolution"},
        {ProcessorKind::prefill, "prefill", "attention of many queries"},
        {ProcessorKind::backward, "backward", "its gradient"},
        {ProcessorKind::decode, "decode", "attention of few queries to a cache"},
        {ProcessorKind::streaming, "streaming", "arrays in order"},
        {ProcessorKind::gather, "gather", "rows of a table"},
        {ProcessorKind::scatter, "scatter", "rows added to a table"},
    }};
};

constexpr std::size_t processor_factors = 9;   // at most

/// Layer A of one kind of kernels on a processor: a factor on each count (hardware/work_kinds/processor_model.hpp).
struct ProcessorCost {
    ProcessorKind kind = ProcessorKind::product;
    DataType type = DataType::fp32;    // of the arithmetic; of keys in decode
    std::string library;
    std::vector<double> factors;       // the start in microseconds, the others times the machine's limit
    double norm = 1.0;                 // that joins cores and memory; 1: one after the other
    ResidualField residuals;
    FitQuality quality;
    bool operator==(const ProcessorCost&) const = default;
    /// All but the factors and the residual points, which a file writes in its own way.
    static constexpr auto fields() {
        using C = ProcessorCost;
        return std::tuple{
            required_field("kind", &C::kind, any_value, "Kind of kernel."),
            required_field("type", &C::type, any_value, "Number format of the arithmetic; of keys in decode."),
            field("library", &C::library, any_value, "Libraries that were measured."),
            field("norm", &C::norm, {1.0, 64.0}, "Joins cores and memory; 1: one after the other."),
            field("quality", &C::quality, any_value, "Errors on rows that the fit did not see."),
        };
    }
};

/// Everything measured about one device. Empty parts fall back to the datasheet (layer C).
struct Calibration {
    std::string device;                       // catalogue name it belongs to, or was derived from
    std::string date;                         // ISO 8601, of the fit
    std::vector<GemmCalibration> gemm;        // the first entry of a type is the one used
    std::vector<GroupedCalibration> grouped;  // the first entry of a type is the one used
    std::vector<PrefillCalibration> prefill;  // the first entry of a type is the one used
    std::vector<DecodeCalibration> decode;
    std::optional<StreamingParameters> streaming;
    ResidualField streaming_residuals;
    std::optional<StreamingParameters> gather;   // absent: as streaming
    std::vector<GemmCalibration> convolution;    // the first entry of a type is the one used; absent: as products
    std::vector<ProcessorCost> processor;        // of a processor: these come before all others
    /// Time of a matrix multiply inside a long training over its time alone (sustained clocks, cold caches); fitted on
    /// published training runs of this device, one per number format; absent: never compared with a training.
    PerDataType<std::optional<double>> training_slowdown;
    /// The same of convolutions; absent: as products.
    PerDataType<std::optional<double>> convolution_slowdown;
    std::optional<double> attention_training_efficiency;  // of the 16-bit peak, forward, head size 128, long sequences
    std::string training_source;
    std::string convolution_source;            // of the factors on convolutions
    bool operator==(const Calibration&) const = default;
};

}  // namespace orrery
