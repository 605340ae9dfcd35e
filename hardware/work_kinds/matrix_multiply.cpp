// Prices matrix products: the cheapest tile and split of K under wave quantisation, feeds, memory and power.
//
// For a tile Tm x Tn and s slices of K on a device of S cores:
//   slice = 64 ceil(k / s / 64)                 elements of K that one block of threads walks
//   blocks = ceil(m/Tm) ceil(n/Tn) s            waves = ceil(blocks / S), active = min(blocks, S)
//   mma   = 2 Tm Tn slice / (peak e / S)        the matrix unit of one core
//   feed  = (min(Tm,m) a + min(Tn,n) b) slice / min(f1, F / active)      operands from the shared cache
//   comp  = waves (max(mma, feed) + o)
//   mem   = Q / (B beta) (1 - hit + hit / lx) [+ partial sums of a split and their reduction r]
//   t     = (comp^q + mem^q)^(1/q), least over tiles and splits, then the sustained-power derate d.
// Wave and tile quantisation: NVIDIA, "Matrix Multiplication Background User's Guide", DU-09799. Tile and split choices
// are those of the cuBLAS and CUTLASS kernels; the parameters are fitted (kernels/fit_matrix_multiply.cpp).
#include "hardware/work_kinds/matrix_multiply_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {
namespace {

struct Tile {
    double rows;
    double columns;
};
constexpr std::array<Tile, 7> gemm_tiles{{{256, 256}, {256, 128}, {128, 256}, {128, 128}, {128, 64}, {64, 128}, {64, 64}}};
constexpr std::array<double, 8> gemm_splits{1, 2, 3, 4, 6, 8, 12, 16};
constexpr double slice_grain = 64.0;             // elements of K per pipeline stage
constexpr double wide_core_peak = 12e12;         // FLOP/s per core from which 256 x 256 tiles exist (Blackwell bf16: 15e12)
constexpr double power_ramp_seconds = 300e-6;    // kernels shorter than this end before the power limit acts
constexpr double cache_share = 0.5;              // of the last level that operands of one kernel can hold

double ceil_div(double a, double b) { return std::ceil(a / b); }

// Bytes and element sizes of one (batched) product.
struct Product {
    double m, n, k, batch;
    double a_bytes, b_bytes, c_bytes;  // per element
};

double compulsory_bytes(const Product& p) {
    return p.batch * (p.a_bytes * p.m * p.k + p.b_bytes * p.n * p.k + p.c_bytes * p.m * p.n);
}

double memory_seconds(const Machine& machine, const GemmParameters& parameters, double bytes) {
    if (machine.bandwidth <= 0.0) return 0.0;
    const double hit = machine.cache > 0.0 ? std::clamp(1.0 - bytes / (machine.cache * cache_share), 0.0, 1.0) : 0.0;
    return bytes / (machine.bandwidth * parameters.memory_efficiency) * (1.0 - hit + hit / parameters.cache_speedup);
}

double join(double a, double b, double norm) {
    const double large = std::max(a, b);
    const double small = std::min(a, b);
    if (small <= 0.0 || norm >= 32.0) return large;
    return large * std::pow(1.0 + std::pow(small / large, norm), 1.0 / norm);
}

double power_derated(double seconds, double busy_share, double derate) {
    if (derate <= 0.0) return seconds;
    return seconds * (1.0 + derate * std::min(busy_share, 1.0) * seconds / (seconds + power_ramp_seconds));
}

// Systolic arrays: dimensions padded to 8 x edge x edge, no waves of tiles (TPU: Jouppi et al., ISCA 2017 and 2023).
double systolic_seconds(const Machine& machine, const GemmParameters& parameters, const Product& p, double bytes) {
    const double edge = machine.padding;
    const double padded = 2.0 * p.batch * (ceil_div(p.m, 8.0) * 8.0) * (ceil_div(p.n, edge) * edge) *
                          (ceil_div(p.k, edge) * edge);
    const double compute = padded / (machine.peak * parameters.matrix_efficiency) + parameters.tile_overhead.si();
    return join(compute, memory_seconds(machine, parameters, bytes), parameters.overlap_norm);
}

struct WaveCost {
    double seconds;  // all waves
    double matrix;   // of it, what the matrix units alone would take
};

WaveCost wave_cost(const Machine& machine, const GemmParameters& parameters, const Product& p, const Tile& tile,
                   double blocks, double slice) {
    const double waves = ceil_div(blocks, machine.cores);
    const double active = std::min(blocks, machine.cores);
    const double matrix =
        2.0 * tile.rows * tile.columns * slice * machine.cores / (machine.peak * parameters.matrix_efficiency);
    const double feed = (std::min(tile.rows, p.m) * p.a_bytes + std::min(tile.columns, p.n) * p.b_bytes) * slice /
                        std::min(parameters.core_feed.si(), parameters.cache_feed.si() / active);
    return {waves * (std::max(matrix, feed) + parameters.tile_overhead.si()), waves * matrix};
}

double tiled_seconds(const Machine& machine, const GemmParameters& parameters, const Product& p, double bytes) {
    const double memory = memory_seconds(machine, parameters, bytes);
    const bool wide = machine.peak * p.a_bytes / (2.0 * machine.cores) >= wide_core_peak;
    double best = std::numeric_limits<double>::infinity();
    double best_matrix = 0.0;
    double slice_before = 0.0;
    for (const double split : gemm_splits) {
        const double slice = slice_grain * ceil_div(p.k, split * slice_grain);
        if (slice == slice_before) continue;
        slice_before = slice;
        WaveCost least{std::numeric_limits<double>::infinity(), 0.0};
        for (std::size_t i = wide ? 0 : 1; i < gemm_tiles.size(); ++i) {
            const double blocks =
                p.batch * ceil_div(p.m, gemm_tiles[i].rows) * ceil_div(p.n, gemm_tiles[i].columns) * split;
            const WaveCost cost = wave_cost(machine, parameters, p, gemm_tiles[i], blocks, slice);
            if (cost.seconds < least.seconds) least = cost;
        }
        double traffic = memory;
        if (split > 1.0) {  // fp32 partial sums written and read back, a third of them beyond the cache
            const double partial = 8.0 * p.batch * p.m * p.n * split / 3.0;
            if (machine.bandwidth > 0.0) traffic += partial / (machine.bandwidth * parameters.memory_efficiency);
            traffic += parameters.split_reduce.si();
        }
        if (std::max(least.seconds, traffic) >= best) continue;
        const double seconds = join(least.seconds, traffic, parameters.overlap_norm);
        if (seconds < best) {
            best = seconds;
            best_matrix = least.matrix;
        }
    }
    return power_derated(best, best_matrix / best, parameters.power_derate);
}

Product product_of(const MatrixMultiply& work) {
    const double size = element_bytes(work.type);
    return {static_cast<double>(work.m), static_cast<double>(work.n), static_cast<double>(work.k),
            static_cast<double>(work.batch), size, size, work.output_element_bytes};
}

double product_seconds(const Machine& machine, const GemmParameters& parameters, const Product& p, double bytes) {
    return machine.padding > 0.0 ? systolic_seconds(machine, parameters, p, bytes)
                                 : tiled_seconds(machine, parameters, p, bytes);
}

}  // namespace

double matrix_multiply_seconds(const Machine& machine, const GemmParameters& parameters, const MatrixMultiply& work) {
    return product_seconds(machine, parameters, product_of(work), compulsory_bytes(product_of(work)));
}

double indexed_multiply_seconds(const Machine& machine, const GemmParameters& parameters, const MatrixMultiply& work,
                                double memory_bytes) {
    return product_seconds(machine, parameters, product_of(work), memory_bytes);
}

double grouped_multiply_seconds(const Machine& machine, const GemmParameters& parameters,
                                const GroupedMatrixMultiply& work) {
    const double size = element_bytes(work.type);
    const auto rows = static_cast<double>(work.rows);
    const double fullest = std::clamp(static_cast<double>(work.rows_max), 1.0, rows);
    const double groups = std::min(static_cast<double>(work.groups), rows);  // the others stay empty
    const double others = groups - 1.0;
    const double rows_other = others > 0.0 ? std::max((rows - fullest) / others, 0.0) : 0.0;
    const auto n = static_cast<double>(work.n);
    const auto k = static_cast<double>(work.k);
    const double busy = others > 0.0 ? 1.0 + others * std::min(rows_other, 1.0) : 1.0;
    const double bytes = size * rows * k + size * busy * n * k + work.output_element_bytes * rows * n;
    const double memory = memory_seconds(machine, parameters, bytes);
    if (machine.padding > 0.0) {
        const double padded_rows = ceil_div(fullest, 8.0) * 8.0 + (busy - 1.0) * ceil_div(rows_other, 8.0) * 8.0;
        const double flop = 2.0 * padded_rows * ceil_div(n, machine.padding) * ceil_div(k, machine.padding) *
                            machine.padding * machine.padding;
        return join(flop / (machine.peak * parameters.matrix_efficiency), memory, parameters.overlap_norm);
    }
    const bool wide = machine.peak * size / (2.0 * machine.cores) >= wide_core_peak;
    const double slice = slice_grain * ceil_div(k, slice_grain);
    const Product p{std::max(rows_other, 1.0), n, k, 1.0, size, size, work.output_element_bytes};
    WaveCost least{std::numeric_limits<double>::infinity(), 0.0};
    for (std::size_t i = wide ? 0 : 1; i < gemm_tiles.size(); ++i) {
        const Tile& tile = gemm_tiles[i];
        const double row_tiles = ceil_div(fullest, tile.rows) + (busy - 1.0) * ceil_div(rows_other, tile.rows);
        const double blocks = std::max(row_tiles, 1.0) * ceil_div(n, tile.columns);
        const WaveCost cost = wave_cost(machine, parameters, p, tile, blocks, slice);
        if (cost.seconds < least.seconds) least = cost;
    }
    const double seconds = join(least.seconds, memory, parameters.overlap_norm);
    return power_derated(seconds, least.matrix / seconds, parameters.power_derate);
}

double quantise_seconds(const Machine& machine, const GemmParameters& parameters, const MatrixMultiply& work) {
    const double size = element_bytes(work.type);
    if (size > 1.0 || machine.bandwidth <= 0.0) return 0.0;
    const double elements = static_cast<double>(work.batch) * static_cast<double>(work.m) * static_cast<double>(work.k);
    return (2.0 + size) * elements / (machine.bandwidth * parameters.memory_efficiency);
}

}  // namespace orrery
