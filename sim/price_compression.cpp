// What compressed gradients cost: fewer bytes on the wire, more passes over the gradients on the device.
#include "sim/pricer.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Exchanges of one compressed reduction: kind, bytes, format; and what the device streams and multiplies for them.
struct CompressedReduction {
    std::vector<Collective> exchanges;
    double streamed = 0.0;  // bytes
    Flop products;
};

constexpr double fp32_bytes = 4.0;

/// Two factors of each matrix, one all-reduce each; what is no matrix goes whole. The gradient plus its error is read
/// for either product, the rank-r product written and the error with it (arXiv 1905.13727, algorithm 1).
CompressedReduction power_sgd(const std::vector<MatrixShape>& matrices, bool experts, double parameters, double rank) {
    CompressedReduction reduction;
    double left = 0.0;
    double right = 0.0;
    double in_matrices = 0.0;
    for (const MatrixShape& one : matrices) {
        if (one.is_expert != experts) continue;
        const double r = std::min({rank, one.rows, one.columns});
        left += one.count * r * one.rows;
        right += one.count * r * one.columns;
        in_matrices += one.elements();
        // M Q, M^T P, P Q^T, and the factor made orthogonal.
        reduction.products += Flop::from_si(6.0 * one.elements() * r + 2.0 * one.count * one.rows * r * r);
    }
    const double others = std::max(parameters - in_matrices, 0.0);
    reduction.exchanges = {{CollectiveKind::all_reduce, Bytes::from_si(fp32_bytes * (left + others)), DataType::fp32},
                           {CollectiveKind::all_reduce, Bytes::from_si(fp32_bytes * right), DataType::fp32}};
    reduction.streamed = 5.0 * fp32_bytes * in_matrices;
    return reduction;
}

/// Values and places of the largest entries, gathered: places differ from rank to rank (arXiv 1712.01887). Gradient and
/// error are read and written once, and read twice more to find the threshold.
CompressedReduction top_k(double parameters, double density, int replicas) {
    const double one_rank = 2.0 * fp32_bytes * density * parameters;
    return {{{CollectiveKind::all_gather, Bytes::from_si(one_rank * replicas), DataType::fp32}},
            5.0 * fp32_bytes * parameters + 2.0 * one_rank * replicas,
            {}};
}

/// Signs scattered, summed, and gathered again (arXiv 2102.02888, section 5): one bit an entry each way. Gradient and
/// error are read and written, on both sides.
CompressedReduction one_bit(double parameters) {
    const Bytes bits = Bytes::from_si(parameters / 8.0);
    return {{{CollectiveKind::all_to_all, bits, DataType::int8}, {CollectiveKind::all_gather, bits, DataType::int8}},
            5.0 * fp32_bytes * parameters,
            {}};
}

/// One byte an entry; cast before and after, with the maximum of each tensor (arXiv 2310.18313, section 2.1).
CompressedReduction eight_bit(double parameters, bool sharded) {
    return {{{sharded ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, Bytes::from_si(parameters),
              DataType::fp8}},
            (3.0 * fp32_bytes + 2.0) * parameters,
            {}};
}

CompressedReduction compressed(const TrainingSpec& spec, const std::vector<MatrixShape>& matrices, bool experts,
                               double parameters, int replicas) {
    const GradientCompression& settings = spec.gradient_compression;
    switch (settings.kind) {
        case Compression::none:
            break;
        case Compression::power_sgd:
            return power_sgd(matrices, experts, parameters, settings.rank);
        case Compression::top_k:
            return top_k(parameters, settings.density, replicas);
        case Compression::one_bit:
            return one_bit(parameters);
        case Compression::fp8:
            return eight_bit(parameters, spec.parallelism.zero >= 1);
    }
    return {};
}

}  // namespace

void Pricer::add_compressed_reduction(const StageGraph& stage, double parameters, bool experts, int replicas,
                                      OnceCode& epilogue) {
    const CompressedReduction reduction =
        compressed(spec_, stage_matrices(graph_, stage), experts, parameters, replicas);
    append_compute(epilogue, stream_time(reduction.streamed), TimePart::optimizer);
    if (reduction.products > Flop{}) {
        // Factors of a few columns: bound by reading the gradient, which `streamed` holds, or by the vector units.
        append_compute(epilogue, reduction.products / cluster_.device.peak(DataType::fp32), TimePart::optimizer);
    }
    for (const Collective& one : reduction.exchanges) {
        const Exchange exchange = data_exchange(one.kind, one.size, one.type, experts);
        append_exchange(epilogue, exchange);
    }
}

}  // namespace orrery
