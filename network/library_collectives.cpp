// Closed forms of libraries' own collectives.
#include "network/library_collectives.hpp"

#include "hardware/result.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

// custom_allreduce of H100 (TensorRT-LLM 1.3.0rc10): fitted together.
constexpr double one_shot_start = 2.594e-6;
constexpr double shot_peer = 0.1134e-6;
constexpr double one_shot_share = 0.5916;
constexpr double two_shot_start = 22.09e-6;
constexpr double two_shot_share = 0.91;
constexpr double two_shot_local_pass = 0.877;

// Tables trtllm_alltoall of GB200 (1.3.0rc10) and wideep_deepep of H100 (sglang 0.5.12).
constexpr std::array<ExpertKernel, 10> kernels{{
    {"NVLinkOneSided combine", "GB200, 5.7 %", 11.403_us, 3.258_us, {}, {}, {}, 0.737, 0.0, 0.0, 0.0, true, false},
    {"NVLinkTwoSided combine", "GB200, 6.5 %", 10.579_us, 1.078_us, {}, {}, 0.052845_us, 0.766, 0.0, 0.0, 0.0, true, false},
    {"NVLinkTwoSided combine_low_precision", "GB200, 7.6 %", 13.248_us, 0.799_us, {}, {}, 0.125194_us, 0.941, 0.0, 0.0, 0.0, true, false},
    {"NVLinkOneSided dispatch", "GB200, 5.3 %", 11.838_us, 1.788_us, {}, {}, 0.004365_us, 0.810, 0.0, 0.0, 0.0, true, false},
    {"NVLinkTwoSided dispatch", "GB200, 6.3 %", 10.0_us, 0.614_us, {}, {}, 0.024499_us, 0.766, 0.0, 0.0, 0.0, true, false},
    {"NVLinkTwoSided prepare", "GB200, 4.4 %", 10.382_us, 0.861_us, {}, {}, 0.007107_us, 1.0, 0.0, 0.0, 0.0, true, false},
    {"deepep low-latency dispatch", "H100, 6.2 %", 8.6231_us, {}, 1.9628_us, {}, {}, 0.8730, 0.0, 0.0, 1.1232, false, false},
    {"deepep low-latency combine", "H100, 4.8 %", 9.6498_us, {}, 1.1831_us, {}, {}, 0.5779, 0.0, 0.0, 0.0559, false, false},
    {"deepep dispatch", "H100, 7.8 %", 26.0035_us, {}, {}, {}, {}, 1.6322, 3.7858, 1.0983, 0.0, false, true},
    {"deepep combine", "H100, 7.1 %", 28.0288_us, {}, {}, 17.9484_us, {}, 1.0805, 2.2819, 2.1979, 0.0, false, true},
}};

/// Times that a token is sent.
double copies_of(const ExpertKernel& kernel, const ExpertExchange& e) {
    if (kernel.distinct_ranks) return std::min(e.top_k, e.ranks) * (e.ranks - 1.0) / e.ranks;
    if (!kernel.packed_once) return e.top_k;
    const double picks = std::min(e.top_k, e.experts);
    return e.ranks * (1.0 - std::pow(1.0 - 1.0 / e.ranks, picks));
}

}  // namespace

Seconds custom_all_reduce_time(int ranks, Bytes size, BytesPerSecond link) {
    ORRERY_CHECK(ranks >= 2);
    const double peers = ranks - 1.0;
    const double one = one_shot_start + shot_peer * peers + size.si() * peers / (one_shot_share * link.si());
    const double two = two_shot_start + shot_peer * peers +
                       size.si() * (2.0 * peers + two_shot_local_pass) / ranks / (two_shot_share * link.si());
    return Seconds::from_si(std::min(one, two));
}

std::span<const ExpertKernel> expert_kernels() { return kernels; }

const ExpertKernel* find_expert_kernel(std::string_view name) {
    const auto found = std::find_if(kernels.begin(), kernels.end(), [&](const ExpertKernel& k) { return k.name == name; });
    return found == kernels.end() ? nullptr : &*found;
}

Seconds expert_exchange_time(const ExpertKernel& kernel, const ExpertExchange& e, BytesPerSecond link) {
    ORRERY_CHECK(e.tokens >= 1.0 && e.ranks >= 2);
    ORRERY_CHECK(e.top_k >= 1 && e.experts >= 1);
    double rate = kernel.share * link.si();
    if (kernel.sms_half > 0.0 && e.sms > 0) {
        const double part = e.sms / 24.0;
        rate *= part * (1.0 + kernel.sms_half) / (part + kernel.sms_half);
    }
    const double crowded = 1.0 + kernel.crowd * 64.0 / e.experts;
    const double bytes = e.tokens * (copies_of(kernel, e) + kernel.own_pass) * e.hidden * e.value_bytes * crowded;
    return kernel.start + std::log2(static_cast<double>(e.ranks)) * kernel.per_doubling +
           e.experts / 128.0 * kernel.per_128_experts + e.hidden / 7168.0 * kernel.per_wide_token + e.tokens * kernel.per_token +
           Seconds::from_si(bytes / rate);
}

}  // namespace orrery
