// Matrix products by oneDNN in fp32, bf16 and int8, beside the plain triple loop that judges them.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/onednn.hpp"
#include "kernels/reference/team.hpp"

#include <oneapi/dnnl/dnnl.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

namespace orrery {
namespace {

using Tag = dnnl::memory::format_tag;
using Form = dnnl::memory::data_type;

constexpr Index judged_rows = 12;   // of a large product; all of a small one

struct ProductShape {
    Index batch, m, n, k;
    [[nodiscard]] double flop() const {
        return 2.0 * static_cast<double>(batch) * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    }
};

// One product bound to memory that the caller keeps.
struct BoundProduct {
    OneDnn library;
    dnnl::matmul::primitive_desc plan;
    dnnl::matmul primitive;
    dnnl::memory a, b, c;
    OwnedMemory packed, scratch;
    void run() const {
        if (!primitive) return;
        library.run(primitive, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}, {DNNL_ARG_SCRATCHPAD, scratch.memory}});
    }
};

// `like`: of the same shape, whose plan is taken over; `shared`: of the same right side, whose packed form is taken; null: none.
BoundProduct bind_product(const ProductShape& s, DataType type, bool packed, const void* a, const void* b, void* c, const BoundProduct* like = nullptr,
                          const BoundProduct* shared = nullptr) {
    BoundProduct bound;
    if (s.batch * s.m * s.n * s.k == 0) return bound;
    const Form left = type == DataType::bf16 ? Form::bf16 : type == DataType::int8 ? Form::u8 : Form::f32;
    const Form right = type == DataType::int8 ? Form::s8 : left;
    const Form out = type == DataType::int8 ? Form::s32 : Form::f32;
    const dnnl::memory::desc a_shape({s.batch, s.m, s.k}, left, Tag::abc);
    const dnnl::memory::desc b_shape({s.batch, s.k, s.n}, right, Tag::abc);
    const dnnl::memory::desc c_shape({s.batch, s.m, s.n}, out, Tag::abc);
    // Packed blocks exist for plain products only: a batch of one is bound as a matrix.
    const dnnl::memory::desc a_flat({s.m, s.k}, left, Tag::ab);
    const dnnl::memory::desc b_any = shared != nullptr ? shared->plan.weights_desc() : dnnl::memory::desc({s.k, s.n}, right, Tag::any);
    const dnnl::memory::desc b_flat({s.k, s.n}, right, Tag::ab);
    const dnnl::memory::desc c_flat({s.m, s.n}, out, Tag::ab);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const bool flat = s.batch == 1;
    if (like != nullptr) {
        bound.library = like->library;
        bound.plan = like->plan;
        bound.primitive = like->primitive;
    } else {
        bound.plan = dnnl::matmul::primitive_desc(
            flat ? dnnl::matmul::desc(a_flat, packed ? b_any : b_flat, c_flat) : dnnl::matmul::desc(a_shape, b_shape, c_shape),
            attributes, bound.library.engine);
        bound.primitive = dnnl::matmul(bound.plan);
    }
    const dnnl::matmul::primitive_desc& plan = bound.plan;
    bound.a = bound.library.over(plan.src_desc(), a);
    bound.c = bound.library.over(plan.dst_desc(), c);
    bound.scratch = bound.library.own(plan.scratchpad_desc());
    if (shared != nullptr) {
        bound.packed = shared->packed;
        bound.b = bound.packed.memory;
    } else if (flat && packed) {
        bound.packed = bound.library.own(plan.weights_desc());
        bound.b = bound.packed.memory;
        const dnnl::memory plain = bound.library.over(b_flat, b);
        bound.library.run(dnnl::reorder(plain, bound.b), {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, bound.b}});
    } else {
        bound.b = bound.library.over(plan.weights_desc(), b);
    }
    return bound;
}

// Rows to judge: all, or some spread over the matrix with the last among them.
std::vector<Index> rows_judged(Index rows) {
    std::vector<Index> picks;
    for (Index i = 0; i < std::min(rows, judged_rows); ++i) {
        picks.push_back(rows <= judged_rows ? i : i * (rows - 1) / (judged_rows - 1));
    }
    return picks;
}

// The naive product of the rows to judge, in float64, and the same rows of the result.
template <class A, class B, class C, class FromA, class FromB>
double product_error(const ProductShape& s, const A* a, const B* b, const C* c, FromA from_a, FromB from_b) {
    std::vector<float> got;
    std::vector<double> want;
    for (Index z = 0; z < s.batch; ++z) {
        for (const Index row : rows_judged(s.m)) {
            for (Index column = 0; column < s.n; ++column) {
                double sum = 0.0;
                for (Index i = 0; i < s.k; ++i) {
                    sum += from_a(a[(z * s.m + row) * s.k + i]) * from_b(b[(z * s.k + i) * s.n + column]);
                }
                want.push_back(sum);
                got.push_back(static_cast<float>(c[(z * s.m + row) * s.n + column]));
            }
        }
    }
    return relative_error(got, want);
}

template <class C>
bool poison_left(std::span<const C> values, C mark) {
    return std::find(values.begin(), values.end(), mark) != values.end();
}

template <class A, class B, class C>
struct ProductData {
    std::shared_ptr<Copies<A>> a;
    std::shared_ptr<Copies<B>> b;
    std::shared_ptr<Copies<C>> c;
};

// Rows by which a product is cut for tile units: the library's blocks divide the rows of one call, and where rows have
// few divisors (53 x 16) they get small, at up to six times the time.
constexpr Index tile_call_rows = 256;

// A product as the calls that it is done by: whole, or its last rows by themselves. They share the packed operand.
struct BoundCalls {
    BoundProduct most, rest;
    void run() const {
        most.run();
        rest.run();
    }
};

template <class A, class B, class C>
BoundCalls bind_calls(const ProductShape& s, DataType type, bool packed, const A* a, const B* b, C* c, const BoundCalls* like) {
    const Index last = s.m % tile_call_rows;
    const bool cuts = packed && s.batch == 1 && type != DataType::fp32 && s.m > tile_call_rows && last > 0;
    const Index most = cuts ? s.m - last : s.m;
    BoundCalls calls;
    calls.most = bind_product({s.batch, most, s.n, s.k}, type, packed, a, b, c, like != nullptr ? &like->most : nullptr);
    if (!cuts) return calls;
    const auto bind_rest = [&](const BoundProduct* shared) {
        return bind_product({1, last, s.n, s.k}, type, packed, a + most * s.k, b, c + most * s.n, like != nullptr ? &like->rest : nullptr, shared);
    };
    calls.rest = bind_rest(&calls.most);
    // For few rows the library may want another packed form, and has but plain loops for this one.
    if (std::string_view(calls.rest.plan.impl_info_str()).find("ref") != std::string_view::npos) calls.rest = bind_rest(nullptr);
    return calls;
}

template <class A, class B, class C>
PreparedKernel bound_products(const KernelCase& c, int copies, const ProductData<A, B, C>& data) {
    const ProductShape s{c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3]};
    const bool packed = c.kernel.rfind("packed", 0) == 0;
    auto bound = std::make_shared<std::vector<BoundCalls>>();
    bound->reserve(static_cast<std::size_t>(std::max(copies, 0)));
    for (int i = 0; i < copies; ++i) {
        bound->push_back(bind_calls(s, c.type, packed, (*data.a)[i], (*data.b)[i], (*data.c)[i], i > 0 ? &bound->front() : nullptr));
    }
    PreparedKernel kernel;
    kernel.work = MatrixMultiply{s.m, s.n, s.k, s.batch, c.type, 4.0};
    kernel.flop = Flop::from_si(s.flop());
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) {
        if (s.k == 0) {   // the empty sum
            std::fill_n((*data.c)[i], s.batch * s.m * s.n, C{});
        } else {
            (*bound)[static_cast<std::size_t>(i)].run();
        }
    };
    return kernel;
}

PreparedKernel float_product(const KernelCase& c, int copies, Rng& rng, const ProductShape& s) {
    const ProductData<float, float, float> data{random_floats(copies, s.batch * s.m * s.k, rng),
                                                random_floats(copies, s.batch * s.k * s.n, rng),
                                                zeros<float>(copies, s.batch * s.m * s.n)};
    PreparedKernel kernel = bound_products(c, copies, data);
    if (c.kernel == "matrix-multiply") {   // the library's BLAS call, which takes operands as they lie
        kernel.run = [=](int i) {
            for (Index z = 0; z < s.batch; ++z) {
                sgemm(false, false, s.m, s.n, s.k, (*data.a)[i] + z * s.m * s.k, s.k, (*data.b)[i] + z * s.k * s.n, s.n, 0.0F,
                      (*data.c)[i] + z * s.m * s.n, s.n);
            }
        };
    }
    kernel.check = [=, run = kernel.run] {
        poison(data.c->values());
        run(0);
        const auto wide = [](float value) { return static_cast<double>(value); };
        return product_error(s, (*data.a)[0], (*data.b)[0], (*data.c)[0], wide, wide);
    };
    return kernel;
}

PreparedKernel bf16_product(const KernelCase& c, int copies, Rng& rng, const ProductShape& s) {
    const ProductData<std::uint16_t, std::uint16_t, float> data{random_bf16(copies, s.batch * s.m * s.k, rng),
                                                                random_bf16(copies, s.batch * s.k * s.n, rng),
                                                                zeros<float>(copies, s.batch * s.m * s.n)};
    PreparedKernel kernel = bound_products(c, copies, data);
    kernel.error_max = 1e-2;
    kernel.check = [=, run = kernel.run] {
        poison(data.c->values());
        run(0);
        const auto wide = [](std::uint16_t value) { return static_cast<double>(from_bf16(value)); };
        return product_error(s, (*data.a)[0], (*data.b)[0], (*data.c)[0], wide, wide);
    };
    return kernel;
}

PreparedKernel int8_product(const KernelCase& c, int copies, Rng& rng, const ProductShape& s) {
    const ProductData<std::uint8_t, std::int8_t, std::int32_t> data{zeros<std::uint8_t>(copies, s.batch * s.m * s.k),
                                                                    zeros<std::int8_t>(copies, s.batch * s.k * s.n),
                                                                    zeros<std::int32_t>(copies, s.batch * s.m * s.n)};
    for (int i = 0; i < copies; ++i) {
        for (std::uint8_t& value : data.a->values(i)) value = static_cast<std::uint8_t>(rng.next() >> 56);
        for (std::int8_t& value : data.b->values(i)) value = static_cast<std::int8_t>(static_cast<int>(rng.next() >> 56) - 128);
    }
    PreparedKernel kernel = bound_products(c, copies, data);
    kernel.error_max = 0.0;   // int32 sums are exact
    kernel.check = [=, run = kernel.run]() -> double {
        constexpr std::int32_t mark = std::numeric_limits<std::int32_t>::min();   // out of reach for k < 60,000
        for (std::int32_t& value : data.c->values()) value = mark;
        run(0);
        if (poison_left<std::int32_t>(data.c->values(), mark)) return std::numeric_limits<double>::infinity();
        std::int64_t wrong = 0;
        for (Index z = 0; z < s.batch; ++z) {
            for (const Index row : rows_judged(s.m)) {
                for (Index column = 0; column < s.n; ++column) {
                    std::int64_t sum = 0;
                    for (Index i = 0; i < s.k; ++i) {
                        sum += static_cast<std::int64_t>((*data.a)[0][(z * s.m + row) * s.k + i]) *
                               static_cast<std::int64_t>((*data.b)[0][(z * s.k + i) * s.n + column]);
                    }
                    if (sum != (*data.c)[0][(z * s.m + row) * s.n + column]) ++wrong;
                }
            }
        }
        return static_cast<double>(wrong);
    };
    return kernel;
}

}  // namespace

void sgemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const float* a, Index lda, const float* b,
           Index ldb, float beta, float* c, Index ldc) {
    if (m <= 0 || n <= 0) return;
    if (k <= 0) {   // the empty sum
        for (Index i = 0; i < m && beta == 0.0F; ++i) std::fill_n(c + i * ldc, n, 0.0F);
        return;
    }
    dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc);
}

PreparedKernel prepare_matrix_multiply(const KernelCase& c, int copies, Rng& rng) {
    const ProductShape s{c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3]};
    switch (c.type) {
        case DataType::bf16: return bf16_product(c, copies, rng, s);
        case DataType::int8: return int8_product(c, copies, rng, s);
        default: return float_product(c, copies, rng, s);
    }
}

// Rows of expert g: the first takes a double share, the others split the rest evenly.
std::vector<Index> rows_of_groups(Index groups, Index rows) {
    std::vector<Index> shares(static_cast<std::size_t>(groups), 0);
    if (groups == 0) return shares;
    shares[0] = groups == 1 ? rows : std::min(rows, 2 * rows / groups);
    for (Index g = 1, left = rows - shares[0]; g < groups; ++g) {
        shares[static_cast<std::size_t>(g)] = left / (groups - g);
        left -= shares[static_cast<std::size_t>(g)];
    }
    return shares;
}

PreparedKernel prepare_grouped_multiply(const KernelCase& c, int copies, Rng& rng) {
    const Index groups = c.sizes[0];
    const Index rows = groups > 0 ? c.sizes[1] : 0;
    const Index n = c.sizes[2];
    const Index k = c.sizes[3];
    const std::vector<Index> shares = rows_of_groups(groups, rows);
    const bool half = c.type == DataType::bf16;
    const auto a = half ? nullptr : random_floats(copies, rows * k, rng);
    const auto b = half ? nullptr : random_floats(copies, groups * k * n, rng);
    const auto a_half = half ? random_bf16(copies, rows * k, rng) : nullptr;
    const auto b_half = half ? random_bf16(copies, groups * k * n, rng) : nullptr;
    const auto y = zeros<float>(copies, rows * n);
    auto bound = std::make_shared<std::vector<std::vector<BoundProduct>>>(static_cast<std::size_t>(copies));
    for (int i = 0; i < copies; ++i) {
        for (Index g = 0, first = 0; g < groups; ++g) {
            const Index m = shares[static_cast<std::size_t>(g)];
            const void* left = half ? static_cast<const void*>((*a_half)[i] + first * k) : (*a)[i] + first * k;
            const void* right = half ? static_cast<const void*>((*b_half)[i] + g * k * n) : (*b)[i] + g * k * n;
            (*bound)[static_cast<std::size_t>(i)].push_back(
                bind_product({1, m, n, k}, c.type, false, left, right, (*y)[i] + first * n));
            first += m;
        }
    }
    PreparedKernel kernel;
    kernel.work = GroupedMatrixMultiply{rows, shares.empty() ? 0 : shares[0], groups, n, k, c.type, 4.0};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.error_max = half ? 1e-2 : 1e-5;
    kernel.run = [=](int i) {
        for (const BoundProduct& product : (*bound)[static_cast<std::size_t>(i)]) product.run();
    };
    kernel.check = [=, run = kernel.run] {
        poison(y->values());
        run(0);
        double worst = 0.0;
        for (Index g = 0, first = 0; g < groups; ++g) {
            const ProductShape s{1, shares[static_cast<std::size_t>(g)], n, k};
            const auto wide = [](float value) { return static_cast<double>(value); };
            const auto wide_half = [](std::uint16_t value) { return static_cast<double>(from_bf16(value)); };
            worst = std::max(worst, half ? product_error(s, (*a_half)[0] + first * k, (*b_half)[0] + g * k * n,
                                                         (*y)[0] + first * n, wide_half, wide_half)
                                         : product_error(s, (*a)[0] + first * k, (*b)[0] + g * k * n, (*y)[0] + first * n,
                                                         wide, wide));
            first += s.m;
        }
        return worst;
    };
    return kernel;
}

}  // namespace orrery
