// Decode attention: one query per sequence against cached keys and values in pages, in fp32 or bf16.
#include "kernels/reference/attention_oracle.hpp"
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/team.hpp"

#include <numeric>

namespace orrery {
namespace {

constexpr Index page_tokens = 16;   // of vLLM (Kwon et al., arXiv 2309.06180)

template <class T>
struct PagedCache {
    const T* keys;               // [page, kv_head, token of the page, head]
    const T* values;
    const std::int32_t* pages;   // [batch, page of the sequence]
    Index pages_per_sequence;
};

inline float widened(float value) { return value; }
inline float widened(std::uint16_t value) { return from_bf16(value); }

// Partial results of one split: largest score, sum and weighted values of each head of the group.
struct SplitSpace {
    std::vector<float> tops, sums, values;
};

#define ORRERY_DECODE_LEAVES(T)                                                                                       \
    ORRERY_CLONES float key_dot(const float* q, const T* key, Index head) {                                           \
        float sum = 0.0F;                                                                                             \
        for (Index i = 0; i < head; ++i) sum += q[i] * widened(key[i]);                                               \
        return sum;                                                                                                   \
    }                                                                                                                 \
    ORRERY_CLONES void add_value(float* y, const T* value, float weight, Index head) {                                \
        for (Index i = 0; i < head; ++i) y[i] += weight * widened(value[i]);                                          \
    }
ORRERY_DECODE_LEAVES(float)
ORRERY_DECODE_LEAVES(std::uint16_t)
#undef ORRERY_DECODE_LEAVES

ORRERY_CLONES void shrink_row(float* y, Index extent, float factor) {
    for (Index i = 0; i < extent; ++i) y[i] *= factor;
}

// Keys [begin, end) of one sequence and head of keys, for the whole group of query heads.
template <class T>
void walk_keys(const AttentionShape& s, const PagedCache<T>& cache, Index batch, Index kv, Index begin, Index end,
               const float* q, float* tops, float* sums, float* y) {
    const Index group = s.heads / s.kv_heads;
    const float scale = 1.0F / std::sqrt(static_cast<float>(s.head));
    std::fill_n(tops, group, -3e38F);
    std::fill_n(sums, group, 0.0F);
    std::fill_n(y, group * s.head, 0.0F);
    float scores[page_tokens];
    for (Index t = begin; t < end;) {
        const Index page = cache.pages[batch * cache.pages_per_sequence + t / page_tokens];
        const Index from = t % page_tokens;
        const Index to = std::min(page_tokens, from + end - t);
        const Index at = (page * s.kv_heads + kv) * page_tokens * s.head;
        if (t + to - from < end) {   // pages lie anywhere: no processor guesses the next
            const Index next = cache.pages[batch * cache.pages_per_sequence + t / page_tokens + 1];
            const Index place = (next * s.kv_heads + kv) * page_tokens * s.head;
            fetch_now(cache.keys + place, page_tokens * s.head);
            fetch_now(cache.values + place, page_tokens * s.head);
        }
        for (Index g = 0; g < group; ++g) {
            float top = tops[g];
            for (Index j = from; j < to; ++j) {
                scores[j] = key_dot(q + g * s.head, cache.keys + at + j * s.head, s.head) * scale;
                top = std::max(top, scores[j]);
            }
            if (top > tops[g]) {
                const float factor = sums[g] > 0.0F ? std::exp(tops[g] - top) : 0.0F;
                sums[g] *= factor;
                shrink_row(y + g * s.head, s.head, factor);
                tops[g] = top;
            }
            for (Index j = from; j < to; ++j) {
                const float weight = std::exp(scores[j] - top);
                sums[g] += weight;
                add_value(y + g * s.head, cache.values + at + j * s.head, weight, s.head);
            }
        }
        t += to - from;
    }
}

template <class T>
void decode_paged(const AttentionShape& s, const PagedCache<T>& cache, const float* q, float* y) {
    const Index group = s.heads / s.kv_heads;
    const Index lanes = s.batch * s.kv_heads;
    const Index first = s.window > 0 ? std::max<Index>(s.keys - s.window, 0) : 0;
    const Index threads = omp_get_max_threads();
    const Index pages = (s.keys - first + page_tokens - 1) / page_tokens;
    const Index splits = std::clamp<Index>(lanes >= 2 * threads ? 1 : threads, 1, std::max<Index>(pages, 1));
    const Index share = (pages + splits - 1) / splits * page_tokens;
    SplitSpace space;
    space.tops.resize(static_cast<std::size_t>(lanes * splits * group));
    space.sums.resize(space.tops.size());
    space.values.resize(space.tops.size() * static_cast<std::size_t>(s.head));
#pragma omp parallel for schedule(static)
    for (Index i = 0; i < lanes * splits; ++i) {
        const Index lane = i / splits;
        const Index begin = std::min(s.keys, first + i % splits * share);
        walk_keys(s, cache, lane / s.kv_heads, lane % s.kv_heads, begin, std::min(s.keys, begin + share),
                  q + (lane / s.kv_heads * s.heads + lane % s.kv_heads * group) * s.head, space.tops.data() + i * group,
                  space.sums.data() + i * group, space.values.data() + i * group * s.head);
    }
    for (Index lane = 0; lane < lanes; ++lane) {
        for (Index g = 0; g < group; ++g) {
            float top = -3e38F;
            for (Index i = lane * splits; i < (lane + 1) * splits; ++i) {
                top = std::max(top, space.tops[static_cast<std::size_t>(i * group + g)]);
            }
            float* out = y + (lane / s.kv_heads * s.heads + lane % s.kv_heads * group + g) * s.head;
            std::fill_n(out, s.head, 0.0F);
            float sum = 0.0F;
            for (Index i = lane * splits; i < (lane + 1) * splits; ++i) {
                const auto at = static_cast<std::size_t>(i * group + g);
                if (space.sums[at] <= 0.0F) continue;
                const float factor = std::exp(space.tops[at] - top);
                sum += space.sums[at] * factor;
                add_value(out, space.values.data() + at * static_cast<std::size_t>(s.head), factor, s.head);
            }
            if (sum > 0.0F) shrink_row(out, s.head, 1.0F / sum);
        }
    }
}

template <class T>
PreparedKernel decode_kernel(const KernelCase& c, const AttentionShape& s, int copies, Rng& rng,
                             const std::shared_ptr<Copies<T>>& keys, const std::shared_ptr<Copies<T>>& values) {
    const Index pages = (s.keys + page_tokens - 1) / page_tokens;
    const auto q = random_floats(copies, s.batch * s.heads * s.head, rng);
    const auto y = zeros<float>(copies, s.batch * s.heads * s.head);
    const auto table = zeros<std::int32_t>(1, s.batch * pages);
    std::iota(table->values().begin(), table->values().end(), 0);
    for (Index i = table->extent(); i > 1; --i) {   // pages come as they fell free
        std::swap((*table)[0][i - 1], (*table)[0][rng.below(static_cast<std::uint64_t>(i))]);
    }
    Attention work;
    work.batch = s.batch;
    work.heads = s.heads;
    work.kv_heads = s.kv_heads;
    work.head_size = work.value_head_size = s.head;
    work.queries = 1;
    work.keys = s.keys;
    work.window = s.window;
    work.type = work.kv_type = c.type;
    PreparedKernel kernel;
    kernel.work = work;
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) {
        decode_paged<T>(s, {(*keys)[i], (*values)[i], (*table)[0], pages}, (*q)[i], (*y)[i]);
    };
    kernel.check = [=, run = kernel.run] {
        poison(y->values());
        run(0);
        std::vector<double> want;
        const auto element = [&](const std::shared_ptr<Copies<T>>& array) {
            return [&s, table, pages, array](Index i) {   // from [batch, key, kv_head, head] to the page
                const Index at = i % s.head;
                const Index kv = i / s.head % s.kv_heads;
                const Index key = i / (s.head * s.kv_heads) % s.keys;
                const Index batch = i / (s.head * s.kv_heads * s.keys);
                const Index page = (*table)[0][batch * pages + key / page_tokens];
                return static_cast<double>(
                    widened((*array)[0][((page * s.kv_heads + kv) * page_tokens + key % page_tokens) * s.head + at]));
            };
        };
        for (Index b = 0; b < s.batch; ++b) {
            for (Index h = 0; h < s.heads; ++h) {
                const auto row = attention_row(s, b, h, 0, (*q)[0], element(keys), element(values));
                want.insert(want.end(), row.begin(), row.end());
            }
        }
        return relative_error(y->values(), want);
    };
    return kernel;
}

}  // namespace

PreparedKernel prepare_attention_decode(const KernelCase& c, int copies, Rng& rng) {
    const AttentionShape s{c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3], 1, c.sizes[4], c.sizes[5], true};
    const Index extent = s.batch * ((s.keys + page_tokens - 1) / page_tokens) * page_tokens * s.kv_heads * s.head;
    if (c.type == DataType::bf16) {
        PreparedKernel kernel = decode_kernel<std::uint16_t>(c, s, copies, rng, random_bf16(copies, extent, rng),
                                                             random_bf16(copies, extent, rng));
        kernel.error_max = 1e-2;
        return kernel;
    }
    return decode_kernel<float>(c, s, copies, rng, random_floats(copies, extent, rng), random_floats(copies, extent, rng));
}

}  // namespace orrery
