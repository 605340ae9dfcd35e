// Prefill attention as a reference kernel, judged by the textbook formula in float64.
#include "kernels/reference/attention_oracle.hpp"
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"

namespace orrery {

PreparedKernel prepare_attention_prefill(const KernelCase& c, int copies, Rng& rng) {
    AttentionShape s{c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3], c.sizes[4], c.sizes[5], c.sizes[6], c.sizes[7] != 0};
    const Index query_count = s.batch * s.queries * s.heads * s.head;
    const Index key_count = s.batch * s.keys * s.kv_heads * s.head;
    const auto q = random_floats(copies, query_count, rng);
    const auto k = random_floats(copies, key_count, rng);
    const auto v = random_floats(copies, key_count, rng);
    const auto y = zeros<float>(copies, query_count);
    PreparedKernel kernel;
    kernel.work = work_of(s, DataType::fp32);
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) { flash_attention(s, (*q)[i], (*k)[i], (*v)[i], (*y)[i], nullptr); };
    kernel.check = [=, run = kernel.run] {
        poison(y->values());
        run(0);
        std::vector<float> got;
        std::vector<double> want;
        const Index lanes = s.batch * s.heads;
        for (Index lane = 0; lane < lanes; lane += std::max<Index>(lanes / 3, 1)) {
            for (Index row = 0; row < s.queries; row += std::max<Index>(s.queries / 24, 1)) {
                const auto at = [&](const Shared<float>& x) { return [p = (*x)[0]](Index i) { return static_cast<double>(p[i]); }; };
                const auto values = attention_row(s, lane / s.heads, lane % s.heads, row, (*q)[0], at(k), at(v));
                want.insert(want.end(), values.begin(), values.end());
                const float* out = (*y)[0] + ((lane / s.heads) * s.queries + row) * s.heads * s.head + (lane % s.heads) * s.head;
                got.insert(got.end(), out, out + s.head);
            }
        }
        return relative_error(got, want);
    };
    return kernel;
}

}  // namespace orrery
