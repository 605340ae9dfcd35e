// Counts of kernels on processors with vector or tile units: products packed into panels, attention by tiles in a core's
// own cache, direct convolutions, rows in order. How libraries block products for processors: Goto and van de Geijn,
// "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34, 2008; Georganas et al., arXiv 1808.05567 (direct
// convolutions) and Dao, arXiv 2307.08691 (attention).
#include "hardware/work_kinds/processor_model.hpp"

#include "hardware/residuals.hpp"
#include "hardware/work_kinds/attention_model.hpp"
#include "hardware/work_kinds/convolution_model.hpp"
#include "hardware/work_kinds/streaming_model.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace orrery {
namespace {

constexpr double unit_seconds = 1e-6;        // of terms that count events: factors are then microseconds
constexpr double vector_columns = 16.0;      // fp32 results of a 512-bit register or a tile's row
constexpr double vector_rows = 8.0;          // of a register block
constexpr double tile_rows = 16.0;           // of a tile unit (Intel AMX)
constexpr double tile_depth_bytes = 64.0;    // of its rows of operands
constexpr double packed_depth = 384.0;       // of K in a panel: results are read and written once each
constexpr double query_rows = 64.0;          // tiles of this project's attention kernel (kernels/reference/attention.cpp)
constexpr double key_columns = 128.0;
constexpr double exponential_flop = 16.0;
constexpr double page_keys = 16.0;           // of a paged cache
constexpr double around_bytes = 33554432.0;  // results from here on go around the caches (kernels/reference/stores.hpp)
constexpr double set_period = 4096.0;        // bytes from which on a first level's lines fall into the same set again (64 sets of 64)
constexpr double dealt_most = 4096.0;        // tasks up to which the fullest core is worked out

double grown_to(double value, double grain) { return std::ceil(value / grain) * grain; }

// Rows and columns dealt to cores as a grid: the fullest core's share over an even one.
double grid_unevenness(double rows, double columns, double row_grain, double cores) {
    double best = 1e300;
    for (double down = 1.0; down <= cores; ++down) {
        const double across = std::floor(cores / down);
        const double share = std::ceil(std::ceil(rows / row_grain) / down) * row_grain * grown_to(std::ceil(columns / across), vector_columns);
        best = std::min(best, share);
    }
    return std::max(best * cores / (grown_to(rows, row_grain) * grown_to(columns, vector_columns)), 1.0);
}

// One product of a kernel call.
struct ProductCounts {
    double flop = 0.0;
    double padded = 0.0;     // flop of what registers or tiles hold beyond the operands
    double uneven = 0.0;     // flop that other cores wait for the fullest
    double left = 0.0;       // bytes
    double right = 0.0;
    double panels = 0.0;     // of the right side, packed where enough rows meet it
    double results = 0.0;    // bytes, for each panel of K
    double aliased = 0.0;    // bytes of rows that a whole number of periods parts: they push each other out of the first level

    void add(double times, double m, double n, double k, double bytes, double result_bytes, double cores, Transposed transposed = Transposed::none) {
        if (m <= 0.0) return;
        const bool tiles = bytes < 4.0;
        const double rows = grown_to(m, tiles ? tile_rows : vector_rows);
        const double depth = tiles ? grown_to(k, tile_depth_bytes / bytes) : k;
        const double own = 2.0 * m * n * k;
        flop += times * own;
        padded += times * (2.0 * rows * grown_to(n, vector_columns) * depth - own);
        uneven += times * own * (grid_unevenness(m, n, tiles ? tile_rows : vector_rows, cores) - 1.0);
        left += times * m * k * bytes;
        right += times * n * k * bytes;
        if (m >= vector_rows) panels += times * n * k * bytes;   // fewer rows are multiplied without
        results += times * m * n * result_bytes * std::ceil(k / packed_depth);
        const auto falls_together = [](double row_bytes) { return std::fmod(row_bytes, set_period) == 0.0; };
        if (falls_together((transposed == Transposed::left ? m : k) * bytes)) aliased += times * m * k * bytes;
        if (falls_together(n * result_bytes)) aliased += times * m * n * result_bytes * std::ceil(k / packed_depth);
        if (!tiles && falls_together((transposed == Transposed::right ? k : n) * bytes)) aliased += times * n * k * bytes;
    }
    [[nodiscard]] ProcessorTerms terms(const Machine& machine, double starts) const {
        const double bandwidth = std::max(machine.bandwidth, 1.0);
        return {{starts * unit_seconds, flop / machine.peak, padded / machine.peak, uneven / machine.peak, left / bandwidth, right / bandwidth, results / bandwidth, panels / bandwidth, aliased / bandwidth}, 9, 9};
    }
};

ProcessorTerms product_terms(const Machine& machine, const MatrixMultiply& work) {
    ProductCounts counts;
    const auto batch = static_cast<double>(work.batch);
    counts.add(batch, static_cast<double>(work.m), static_cast<double>(work.n), static_cast<double>(work.k), element_bytes(work.type),
               work.output_element_bytes, machine.cores, work.transposed);
    return counts.terms(machine, batch);
}

ProcessorTerms grouped_terms(const Machine& machine, const GroupedMatrixMultiply& work) {
    const auto rows = static_cast<double>(work.rows);
    const double fullest = std::clamp(static_cast<double>(work.rows_max), 1.0, std::max(rows, 1.0));
    const double others = std::max(std::min(static_cast<double>(work.groups), rows) - 1.0, 0.0);
    ProductCounts counts;
    const auto add = [&](double times, double m) {
        counts.add(times, m, static_cast<double>(work.n), static_cast<double>(work.k), element_bytes(work.type), work.output_element_bytes, machine.cores);
    };
    add(1.0, fullest);
    if (others > 0.0) add(others, std::max((rows - fullest) / others, 1.0));
    return counts.terms(machine, others + 1.0);
}

ProcessorTerms convolution_terms(const Machine& machine, const Convolution& work) {
    const double flop = convolution_flop(work);
    const double own = static_cast<double>(work.channels) / static_cast<double>(work.groups);
    const double filters = static_cast<double>(work.filters) / static_cast<double>(work.groups);
    const double padded = flop * (grown_to(own, vector_columns) / own * grown_to(filters, vector_columns) / filters - 1.0);
    const double bandwidth = std::max(machine.bandwidth, 1.0);
    const double values = static_cast<double>(work.input_pixels()) * static_cast<double>(work.channels) +
                          static_cast<double>(work.output_pixels()) * static_cast<double>(work.filters);
    const double size = element_bytes(work.type);
    return {{unit_seconds, flop / machine.peak, padded / machine.peak, size * values / bandwidth, size * static_cast<double>(work.weights()) / bandwidth}, 5, 5};
}

// What one head's tiles of queries walk: pairs and tiles in all, and the fullest core's over an even share.
struct Walk {
    double pairs = 0.0;
    double tiles = 0.0;
    double rows = 0.0;        // of queries, for each tile of keys
    double columns = 0.0;     // of keys, for each tile of queries
    double unevenness = 1.0;
};

// Work of all tiles of queries, dealt one by one to the core that is free first, the longest first.
Walk walk_of(const Attention& work, double cores, double lanes) {
    Walk walk;
    const auto queries = static_cast<double>(work.queries);
    const auto keys = static_cast<double>(work.keys);
    const double offset = std::max(keys - queries, 0.0);
    std::vector<double> loads(static_cast<std::size_t>(std::max(cores, 1.0)), 0.0);
    const double count = std::ceil(queries / query_rows);
    const bool deal = count * lanes <= dealt_most;
    for (double tile = count - 1.0; tile >= 0.0; --tile) {
        const double first = tile * query_rows;
        const double rows = std::min(query_rows, queries - first);
        const double end = work.causal ? std::min(offset + first + rows, keys) : keys;
        const double begin = work.window > 0 ? std::floor(std::max(offset + first - static_cast<double>(work.window) + 1.0, 0.0) / key_columns) * key_columns : 0.0;
        const double columns = std::max(end - std::min(begin, end), 0.0);
        const double tiles = std::ceil(columns / key_columns);
        walk.pairs += rows * columns;
        walk.tiles += tiles;
        walk.rows += rows * tiles;
        walk.columns += columns;
        for (double lane = 0.0; deal && lane < lanes; ++lane) *std::min_element(loads.begin(), loads.end()) += rows * columns;
    }
    if (deal && walk.pairs > 0.0) walk.unevenness = std::max(*std::max_element(loads.begin(), loads.end()) * cores / (walk.pairs * lanes), 1.0);
    return walk;
}

ProcessorTerms prefill_terms(const Machine& machine, const Attention& work) {
    const double head = 0.5 * static_cast<double>(work.head_size + work.value_head_size);
    const double lanes = static_cast<double>(work.batch) * static_cast<double>(work.heads);
    Walk walk = walk_of(work, machine.cores, lanes);
    if (work.backward) {   // the lanes of one head of keys go to one core
        const double dealt = static_cast<double>(work.batch) * static_cast<double>(work.kv_heads);
        walk.unevenness = std::ceil(dealt / machine.cores) * machine.cores / dealt;
    }
    const double all = lanes * walk.unevenness * work.causal_imbalance;
    const double products = work.backward ? 5.0 : 2.0;
    const double core_peak = machine.peak / machine.cores;
    const double bandwidth = std::max(machine.bandwidth, 1.0);
    const double io = element_bytes(work.type) * head * static_cast<double>(work.batch) *
                      (2.0 * static_cast<double>(work.heads * work.queries) + 2.0 * static_cast<double>(work.kv_heads * work.keys)) * (work.backward ? 2.0 : 1.0);
    return {{unit_seconds, products * 2.0 * all * walk.pairs * head / machine.peak, exponential_flop * all * walk.pairs / machine.peak,
             all * walk.tiles * unit_seconds / machine.cores, exponential_flop * all * walk.columns * head / (core_peak * machine.cores),
             exponential_flop * all * walk.rows * head / (core_peak * machine.cores), io / bandwidth},
            6, 7};
}

ProcessorTerms decode_terms(const Machine& vectors, const Attention& work) {
    const auto batch = static_cast<double>(work.batch);
    const auto heads = static_cast<double>(work.heads) * static_cast<double>(work.queries);
    const auto kv_heads = static_cast<double>(work.kv_heads);
    const double keys = work.window > 0 ? std::min<double>(static_cast<double>(work.keys), static_cast<double>(work.window + work.queries - 1)) : static_cast<double>(work.keys);
    const double head = 0.5 * static_cast<double>(work.head_size + work.value_head_size);
    const double lanes = batch * kv_heads;
    // As the kernel deals them: whole lanes where there are twice as many as cores, else a share of the keys each.
    const bool whole = lanes >= 2.0 * vectors.cores;
    const double uneven = whole ? std::ceil(lanes / vectors.cores) * vectors.cores / lanes : 1.0;
    const double pairs = batch * heads * keys * uneven;
    const double bandwidth = std::max(vectors.bandwidth, 1.0);
    const double bytes = 2.0 * lanes * keys * head * element_bytes(work.kv_type);
    const double splits = whole ? 1.0 : vectors.cores;
    const double pages = lanes * keys / page_keys * uneven;
    return {{unit_seconds, 4.0 * pairs * head / vectors.peak, exponential_flop * pairs / vectors.peak, pairs / page_keys / vectors.cores * unit_seconds,
             batch * heads * head * splits * exponential_flop / vectors.peak, pages / vectors.cores * unit_seconds, bytes / bandwidth},
            6, 7};
}

// Bytes of results that caches fetch before they are written; large results go around the caches.
double fetched_first(double fresh) { return fresh < around_bytes ? fresh : 0.0; }

ProcessorTerms streaming_terms(const Machine& vectors, const Streaming& work) {
    const double bandwidth = std::max(vectors.bandwidth, 1.0);
    const double fresh = work.bytes.si() * work.fresh_share;
    return {{static_cast<double>(work.kernels) * unit_seconds, work.flop.si() / vectors.peak, (work.bytes.si() + fetched_first(fresh)) / bandwidth}, 2, 3};
}

ProcessorTerms gather_terms(const Machine& vectors, const Gather& work) {
    const double bandwidth = std::max(vectors.bandwidth, 1.0);
    const double picked = static_cast<double>(work.rows) * work.row_bytes.si();
    const double fresh = work.scatter_add ? 0.0 : picked;
    // What the caches keep of a table, beside what else goes through them, need not be read from memory.
    const double kept = work.table_bytes.si() > 0.0 ? std::min(0.5 * vectors.cache / work.table_bytes.si(), 1.0) : 0.0;
    const double bytes = gather_bytes(work) + fetched_first(fresh) - kept * picked;
    return {{unit_seconds, static_cast<double>(work.rows) / vectors.cores * unit_seconds, bytes / bandwidth}, 2, 3};
}

double joined_sum(double a, double b, double norm) {
    const double large = std::max(a, b);
    const double small = std::min(a, b);
    if (small <= 0.0) return large;
    return large * std::pow(1.0 + std::pow(small / large, norm), 1.0 / norm);
}

}  // namespace

ProcessorTerms processor_terms(const Machine& machine, const Machine& vectors, const Work& work) {
    return std::visit(
        [&](const auto& one) -> ProcessorTerms {
            using T = std::decay_t<decltype(one)>;
            if constexpr (std::is_same_v<T, MatrixMultiply>) return product_terms(machine, one);
            else if constexpr (std::is_same_v<T, GroupedMatrixMultiply>) return grouped_terms(machine, one);
            else if constexpr (std::is_same_v<T, Convolution>) return convolution_terms(machine, one);
            else if constexpr (std::is_same_v<T, Attention>) return is_decode(one) ? decode_terms(vectors, one) : prefill_terms(machine, one);
            else if constexpr (std::is_same_v<T, Streaming>) return streaming_terms(vectors, one);
            else return gather_terms(vectors, one);
        },
        work);
}

double processor_seconds(const ProcessorTerms& terms, const ProcessorCost& cost) {
    const auto sum = [&](std::size_t from, std::size_t to) {
        double seconds = 0.0;
        for (std::size_t i = from; i < std::min(to, cost.factors.size()); ++i) seconds += cost.factors[i] * terms.seconds[i];
        return seconds;
    };
    return sum(0, 1) + joined_sum(sum(1, terms.memory_from), sum(terms.memory_from, terms.terms), cost.norm);
}

ProcessorKind processor_kind(const Work& work) {
    if (const auto* attention = std::get_if<Attention>(&work)) {
        if (is_decode(*attention)) return ProcessorKind::decode;
        return attention->backward ? ProcessorKind::backward : ProcessorKind::prefill;
    }
    if (const auto* gather = std::get_if<Gather>(&work)) return gather->scatter_add ? ProcessorKind::scatter : ProcessorKind::gather;
    if (std::holds_alternative<GroupedMatrixMultiply>(work)) return ProcessorKind::grouped;
    if (std::holds_alternative<Convolution>(work)) return ProcessorKind::convolution;
    if (std::holds_alternative<Streaming>(work)) return ProcessorKind::streaming;
    const auto* product = std::get_if<MatrixMultiply>(&work);
    if (product == nullptr || product->transposed == Transposed::none) return ProcessorKind::product;
    return product->transposed == Transposed::left ? ProcessorKind::product_left : ProcessorKind::product_right;
}

DataType arithmetic_of(const Work& work) {
    if (const auto* product = std::get_if<MatrixMultiply>(&work)) return product->type;
    if (const auto* grouped = std::get_if<GroupedMatrixMultiply>(&work)) return grouped->type;
    if (const auto* convolution = std::get_if<Convolution>(&work)) return convolution->type;
    if (const auto* attention = std::get_if<Attention>(&work)) return is_decode(*attention) ? attention->kv_type : attention->type;
    return DataType::fp32;
}

const ProcessorCost* find_processor_cost(const Calibration& calibration, const Work& work) {
    if (calibration.processor.empty()) return nullptr;
    const DataType type = arithmetic_of(work);
    const auto find = [&](ProcessorKind kind) -> const ProcessorCost* {
        for (const ProcessorCost& cost : calibration.processor) {
            if (cost.kind == kind && cost.type == type) return &cost;
        }
        return nullptr;
    };
    const ProcessorCost* own = find(processor_kind(work));
    return own == nullptr && std::holds_alternative<MatrixMultiply>(work) ? find(ProcessorKind::product) : own;
}

ProcessorFeatures processor_features(ProcessorKind kind) {
    switch (kind) {
        case ProcessorKind::product:
        case ProcessorKind::product_left:
        case ProcessorKind::product_right: return product_features;
        case ProcessorKind::grouped: return grouped_features;
        case ProcessorKind::prefill:
        case ProcessorKind::backward: return prefill_features;
        case ProcessorKind::decode: return decode_features;
        case ProcessorKind::streaming: return streaming_features;
        default: return nullptr;
    }
}

Shape processor_shape(const Work& work) {
    if (const auto* product = std::get_if<MatrixMultiply>(&work)) return shape_of(*product);
    if (const auto* grouped = std::get_if<GroupedMatrixMultiply>(&work)) return shape_of(*grouped);
    if (const auto* attention = std::get_if<Attention>(&work)) return shape_of(*attention);
    const auto* streaming = std::get_if<Streaming>(&work);
    return streaming != nullptr ? shape_of(*streaming) : Shape{};
}

}  // namespace orrery
