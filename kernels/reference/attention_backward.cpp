// Backward of prefill attention as a reference kernel, judged by the textbook's gradients in float64.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"

#include <cmath>

namespace orrery {
namespace {

struct AttentionData {
    Shared<float> q, k, v, y, sums, dy, dq, dk, dv;
};

// Probabilities and gradients of one query row of one head, added into the sums of all rows.
void add_row_gradients(const AttentionShape& s, const AttentionData& d, Index b, Index h, Index row, std::vector<double>& dq,
                       std::vector<double>& dk, std::vector<double>& dv) {
    const Index kv = h / (s.heads / s.kv_heads);
    const double scale = 1.0 / std::sqrt(static_cast<double>(s.head));
    const Index at = ((b * s.queries + row) * s.heads + h) * s.head;
    const auto key_at = [&](Index j) { return ((b * s.keys + j) * s.kv_heads + kv) * s.head; };
    const auto dot = [&](const float* x, const float* z) {
        double sum = 0.0;
        for (Index i = 0; i < s.head; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(z[i]);
        return sum;
    };
    const Index position = row + s.keys - s.queries;
    const Index end = s.causal ? std::clamp<Index>(position + 1, 0, s.keys) : s.keys;
    const Index begin = s.window > 0 ? std::clamp<Index>(position - s.window + 1, 0, end) : 0;
    std::vector<double> p;
    double total = 0.0;
    for (Index j = begin; j < end; ++j) {
        p.push_back(std::exp(scale * dot((*d.q)[0] + at, (*d.k)[0] + key_at(j))));
        total += p.back();
    }
    double mean = 0.0;   // of dp under p
    for (Index j = begin; j < end; ++j) {
        double& share = p[static_cast<std::size_t>(j - begin)];
        share /= total;
        mean += share * dot((*d.dy)[0] + at, (*d.v)[0] + key_at(j));
    }
    for (Index j = begin; j < end; ++j) {
        const double share = p[static_cast<std::size_t>(j - begin)];
        const double ds = share * (dot((*d.dy)[0] + at, (*d.v)[0] + key_at(j)) - mean) * scale;
        for (Index i = 0; i < s.head; ++i) {
            dv[static_cast<std::size_t>(key_at(j) + i)] += share * static_cast<double>((*d.dy)[0][at + i]);
            dk[static_cast<std::size_t>(key_at(j) + i)] += ds * static_cast<double>((*d.q)[0][at + i]);
            dq[static_cast<std::size_t>(at + i)] += ds * static_cast<double>((*d.k)[0][key_at(j) + i]);
        }
    }
}

double gradients_error(const AttentionShape& s, const AttentionData& d) {
    std::vector<double> dq(static_cast<std::size_t>(d.dq->extent()), 0.0);
    std::vector<double> dk(static_cast<std::size_t>(d.dk->extent()), 0.0);
    std::vector<double> dv(dk.size(), 0.0);
    for (Index b = 0; b < s.batch; ++b) {
        for (Index h = 0; h < s.heads; ++h) {
            for (Index row = 0; row < s.queries; ++row) add_row_gradients(s, d, b, h, row, dq, dk, dv);
        }
    }
    return std::max({relative_error(d.dq->values(), dq), relative_error(d.dk->values(), dk), relative_error(d.dv->values(), dv)});
}

}  // namespace

PreparedKernel prepare_attention_backward(const KernelCase& c, int copies, Rng& rng) {
    const AttentionShape s{c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3], c.sizes[4], c.sizes[5], c.sizes[6], c.sizes[7] != 0};
    const Index query_count = s.batch * s.queries * s.heads * s.head;
    const Index key_count = s.batch * s.keys * s.kv_heads * s.head;
    AttentionData d;
    d.q = random_floats(copies, query_count, rng);
    d.k = random_floats(copies, key_count, rng);
    d.v = random_floats(copies, key_count, rng);
    d.dy = random_floats(copies, query_count, rng);
    for (Shared<float>* one : {&d.y, &d.dq}) *one = zeros<float>(copies, query_count);
    for (Shared<float>* one : {&d.dk, &d.dv}) *one = zeros<float>(copies, key_count);
    d.sums = zeros<float>(copies, s.batch * s.heads * s.queries);
    for (int i = 0; i < copies; ++i) flash_attention(s, (*d.q)[i], (*d.k)[i], (*d.v)[i], (*d.y)[i], (*d.sums)[i]);
    Attention work = work_of(s, DataType::fp32);
    work.backward = true;
    PreparedKernel kernel;
    kernel.work = work;
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) {
        flash_attention_backward(s, (*d.q)[i], (*d.k)[i], (*d.v)[i], (*d.y)[i], (*d.sums)[i], (*d.dy)[i], (*d.dq)[i], (*d.dk)[i],
                                 (*d.dv)[i]);
    };
    kernel.check = [=, run = kernel.run] {
        for (const Shared<float>* one : {&d.dq, &d.dk, &d.dv}) poison((*one)->values());
        run(0);
        return gradients_error(s, d);
    };
    return kernel;
}

}  // namespace orrery
