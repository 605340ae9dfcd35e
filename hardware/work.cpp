// How much arithmetic and traffic each kind of work cannot do without.
#include "hardware/work.hpp"

#include "hardware/work_kinds/attention_model.hpp"
#include "hardware/work_kinds/convolution_model.hpp"
#include "hardware/work_kinds/streaming_model.hpp"

#include <algorithm>

namespace orrery {
namespace {

struct FlopOf {
    double operator()(const MatrixMultiply& w) const {
        return 2.0 * static_cast<double>(w.batch) * static_cast<double>(w.m) * static_cast<double>(w.n) *
               static_cast<double>(w.k);
    }
    double operator()(const GroupedMatrixMultiply& w) const {
        return 2.0 * static_cast<double>(w.rows) * static_cast<double>(w.n) * static_cast<double>(w.k);
    }
    double operator()(const Attention& w) const {
        const double forward = 2.0 * static_cast<double>(w.batch) * static_cast<double>(w.heads) *
                               static_cast<double>(w.head_size + w.value_head_size) * visible_pairs(w);
        return w.backward ? 2.5 * forward : forward;  // five products instead of two (Dao, arXiv 2307.08691)
    }
    double operator()(const Streaming& w) const { return w.flop.si(); }
    double operator()(const Gather& w) const {
        return w.scatter_add ? static_cast<double>(w.rows) * w.row_bytes.si() / 4.0 : 0.0;  // one add per fp32 element
    }
    double operator()(const Convolution& w) const { return convolution_flop(w); }
};

struct BytesOf {
    double operator()(const MatrixMultiply& w) const {
        const auto m = static_cast<double>(w.m);
        const auto n = static_cast<double>(w.n);
        const auto k = static_cast<double>(w.k);
        return static_cast<double>(w.batch) * (element_bytes(w.type) * k * (m + n) + w.output_element_bytes * m * n);
    }
    double operator()(const GroupedMatrixMultiply& w) const {
        const auto rows = static_cast<double>(w.rows);
        const auto n = static_cast<double>(w.n);
        const auto k = static_cast<double>(w.k);
        // At the least one group holds rows; how many more do is between ceil(rows / rows_max) and groups.
        const double fullest = std::max(static_cast<double>(w.rows_max), 1.0);
        const double busy = std::min(static_cast<double>(w.groups), std::max(rows / fullest, 1.0));
        return element_bytes(w.type) * k * (rows + busy * n) + w.output_element_bytes * rows * n;
    }
    double operator()(const Attention& w) const {
        const double queries = static_cast<double>(w.batch) * static_cast<double>(w.heads) *
                               static_cast<double>(w.queries) * element_bytes(w.type);
        double keys_read = static_cast<double>(w.keys);
        if (w.window > 0) keys_read = std::min(keys_read, static_cast<double>(w.window + w.queries - 1));
        const double cached = static_cast<double>(w.batch) * static_cast<double>(w.kv_heads) * keys_read *
                              static_cast<double>(w.head_size + w.value_head_size) * element_bytes(w.kv_type);
        const double both = queries * static_cast<double>(w.head_size + w.value_head_size) + cached;
        // Backward also reads the output and its gradient and writes one gradient for each operand.
        return w.backward ? 2.0 * both + 2.0 * queries * static_cast<double>(w.value_head_size) : both;
    }
    double operator()(const Streaming& w) const { return w.bytes.si(); }
    double operator()(const Gather& w) const { return gather_bytes(w); }
    double operator()(const Convolution& w) const { return convolution_bytes(w); }
};

}  // namespace

Flop flop_of(const Work& work) { return Flop::from_si(std::visit(FlopOf{}, work)); }

Bytes bytes_of(const Work& work) { return Bytes::from_si(std::visit(BytesOf{}, work)); }

}  // namespace orrery
