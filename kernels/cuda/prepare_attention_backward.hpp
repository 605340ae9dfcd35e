// The gradients of attention as an entry of the table of a device, judged by the chain rule in float64.
#pragma once

#include "kernels/cuda/attention_backward.hpp"
#include "kernels/cuda/norm_backward.hpp"
#include "kernels/cuda/prepare_attention.hpp"

namespace orrery::cuda {

/// Arrays of one call: inputs, what the forward pass left, and gradients; `delta` and `dq_sums` are work space.
template <class T>
struct AttentionGradients {
    const T* q;
    const T* k;
    const T* v;
    const T* y;
    const T* dy;
    const float* sums;
    float* delta;      // [batch, heads, queries]
    float* dq_sums;    // as dq; in fp32 dq itself
    T* dq;
    T* dk;
    T* dv;
};

/// In bf16: dQ is added up in fp32 and narrowed at the end.
template <class Device>
void launch_attention_backward(const PrefillShape& s, const AttentionGradients<Bf16>& g) {
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    const Index elements = s.batch * s.queries * s.heads * s.head;
    const float factor = 1.0F / std::sqrt(static_cast<float>(s.head));
    launch(ClearValues{g.dq_sums, elements});
    launch(GradientDots<Bf16>{s, g.y, g.dy, g.delta});
    with_head_tile<64, 128>(s.head, [&](auto width) {
        launch(BackwardTiles<width()>{s, g.q, g.k, g.v, g.dy, g.sums, g.delta, g.dq_sums, g.dk, g.dv, score_scale(s.head), factor});
    });
    launch(NarrowScaled{g.dq_sums, g.dq, elements, factor});
}
template <class Device>
void launch_attention_backward(const PrefillShape& s, const AttentionGradients<float>& g) {
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    launch(ClearValues{g.dq, s.batch * s.queries * s.heads * s.head});
    launch(GradientDots<float>{s, g.y, g.dy, g.delta});
    with_head_tile<64, 128, 256>(s.head, [&](auto width) {
        launch(PlainBackward<width()>{s, g.q, g.k, g.v, g.dy, g.sums, g.delta, g.dq, g.dk, g.dv, score_scale(s.head), 1.0F / std::sqrt(static_cast<float>(s.head))});
    });
}
/// Heads above 128 in bf16 would take more registers for dK and dV than a thread has.
template <class Device, class T>
std::string attention_backward_refused(const KernelCase& c, Index head) {
    int shared = 0;
    if constexpr (std::is_same_v<T, float>) {
        with_head_tile<64, 128, 256>(head, [&](auto width) { shared = std::max(PlainBackward<width()>::shared_bytes, PlainPrefill<width()>::shared_bytes); });
        return head_refused(c, head, 256, shared, Device::shared_most());
    } else {
        with_head_tile<64, 128>(head, [&](auto width) { shared = std::max(BackwardTiles<width()>::shared_bytes, PrefillTiles<width()>::shared_bytes); });
        return head_refused(c, head, 128, shared, Device::shared_most());
    }
}

struct GradientsInFloat64 {
    std::vector<double> dq, dk, dv;
};

/// The chain rule through softmax(q k^T / sqrt(head)) v, row by row.
inline GradientsInFloat64 attention_gradients_in_float64(const PrefillShape& s, const std::vector<double>& q, const std::vector<double>& k,
                                                         const std::vector<double>& v, const std::vector<double>& dy) {
    GradientsInFloat64 out{std::vector<double>(q.size(), 0.0), std::vector<double>(k.size(), 0.0), std::vector<double>(v.size(), 0.0)};
    const auto head = static_cast<std::size_t>(s.head);
    const double factor = 1.0 / std::sqrt(static_cast<double>(s.head));
    for (Index row = 0; row < s.batch * s.queries * s.heads; ++row) {
        const Index batch = row / (s.heads * s.queries);
        const Index kv = row % s.heads / (s.heads / s.kv_heads);
        const SeenKeys seen = keys_seen(s, row / s.heads % s.queries);
        const double* query = q.data() + static_cast<std::size_t>(row) * head;
        const double* slope = dy.data() + static_cast<std::size_t>(row) * head;
        const auto at = [&](Index key) { return static_cast<std::size_t>((batch * s.keys + key) * s.kv_heads + kv) * head; };
        std::vector<double> weights;
        std::vector<double> slopes;
        double sum = 0.0;
        for (Index key = seen.first; key < seen.end; ++key) {
            double score = 0.0;
            double weight_slope = 0.0;
            for (std::size_t i = 0; i < head; ++i) {
                score += query[i] * k[at(key) + i];
                weight_slope += slope[i] * v[at(key) + i];
            }
            weights.push_back(std::exp(score * factor));   // inputs are small: no largest need be taken off
            slopes.push_back(weight_slope);
            sum += weights.back();
        }
        double mean = 0.0;
        for (std::size_t j = 0; j < weights.size(); ++j) mean += (weights[j] /= sum) * slopes[j];
        for (std::size_t j = 0; j < weights.size(); ++j) {
            const std::size_t place = at(seen.first + static_cast<Index>(j));
            const double score_slope = weights[j] * (slopes[j] - mean) * factor;
            for (std::size_t i = 0; i < head; ++i) {
                out.dv[place + i] += weights[j] * slope[i];
                out.dk[place + i] += score_slope * query[i];
                out.dq[static_cast<std::size_t>(row) * head + i] += score_slope * k[place + i];
            }
        }
    }
    return out;
}

template <class Device, class T>
PreparedKernel attention_backward_kernel(const KernelCase& c, int copies, Rng& rng) {
    const AttentionShape shape = attention_shape(c);
    const PrefillShape s = prefill_shape(shape);
    PreparedKernel refused;
    refused.refused = attention_backward_refused<Device, T>(c, s.head);
    if (!refused.refused.empty()) return refused;
    const Index query_count = s.batch * s.queries * s.heads * s.head;
    const auto query_values = random_values<T>(query_count, rng);
    const auto key_values = random_values<T>(s.batch * s.keys * s.kv_heads * s.head, rng);
    const auto value_values = random_values<T>(s.batch * s.keys * s.kv_heads * s.head, rng);
    const auto slope_values = random_values<T>(query_count, rng);
    const DeviceArray<Device, T> q(copies, query_values);
    const DeviceArray<Device, T> k(copies, key_values);
    const DeviceArray<Device, T> v(copies, value_values);
    const DeviceArray<Device, T> dy(copies, slope_values);
    const DeviceArray<Device, T> y(1, query_count);
    const DeviceArray<Device, float> sums(2, s.batch * s.heads * s.queries);   // and delta
    const DeviceArray<Device, float> dq_sums(1, query_count);
    const DeviceArray<Device, T> dq(copies, query_count);
    const DeviceArray<Device, T> dk(copies, k.extent());
    const DeviceArray<Device, T> dv(copies, v.extent());
    launch_prefill<Device>(s, q[0], k[0], v[0], y[0], sums[0]);
    Attention work = work_of(shape, c.type);
    work.backward = true;
    PreparedKernel kernel = attention_frame(work, copies);
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int i) {
        launch_attention_backward<Device>(s, AttentionGradients<T>{q[i], k[i], v[i], y[0], dy[i], sums[0], sums[1], dq_sums[0], dq[i], dk[i], dv[i]});
    };
    kernel.check = [=, run = kernel.run] {
        dq.poison();
        dk.poison();
        dv.poison();
        run(0);
        const GradientsInFloat64 want = attention_gradients_in_float64(s, doubles_of(query_values), doubles_of(key_values), doubles_of(value_values), doubles_of(slope_values));
        return std::max({relative_error(floats_of(dq.read()), want.dq), relative_error(floats_of(dk.read()), want.dk), relative_error(floats_of(dv.read()), want.dv)});
    };
    return kernel;
}

}  // namespace orrery::cuda
