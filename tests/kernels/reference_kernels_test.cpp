// Every reference kernel against its oracle in float64: usual, odd, single and empty sizes, on one thread and on all.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/kernel.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/pinned_team.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/suite.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <set>

using namespace orrery;

namespace {

using SizeLists = std::vector<std::vector<std::int64_t>>;

// Sizes that are no multiple of a vector, a tile or a page, and empty ones where the kernel allows them.
SizeLists sizes_for(const std::string& kernel) {
    if (kernel.ends_with("multiply") && find_kernel(kernel)->sizes == "batch m n k") return {{1, 64, 96, 128}, {1, 1, 1, 1}, {3, 17, 33, 65}, {1, 131, 257, 77}, {1, 531, 130, 200}, {1, 272, 64, 176}, {1, 0, 8, 8}, {1, 5, 7, 0}};
    if (kernel == "training-multiply") return {{1, 64, 96, 128, 0}, {1, 1, 1, 1, 1}, {3, 17, 33, 65, 2}, {1, 131, 257, 77, 1}, {1, 0, 8, 8, 0}, {1, 5, 7, 0, 2}};
    if (kernel == "grouped-multiply") return {{4, 64, 32, 48}, {3, 17, 13, 29}, {8, 3, 16, 16}, {1, 5, 9, 7}, {2, 0, 4, 4}};
    if (kernel == "attention-prefill" || kernel == "attention-backward") {
        return {{1, 2, 2, 64, 130, 130, 0, 1}, {2, 4, 2, 32, 77, 77, 0, 1}, {1, 2, 1, 16, 65, 200, 0, 1}, {1, 2, 2, 40, 150, 150, 37, 1},
                {1, 3, 3, 24, 70, 131, 0, 0}, {1, 1, 1, 8, 1, 1, 0, 1}, {0, 2, 2, 16, 8, 8, 0, 1}};
    }
    if (kernel == "attention-decode") {
        return {{2, 4, 2, 64, 100, 0}, {1, 8, 1, 40, 333, 0}, {3, 3, 3, 32, 16, 0}, {2, 4, 4, 16, 129, 50}, {1, 1, 1, 8, 1, 0}, {0, 2, 2, 16, 8, 0}};
    }
    if (kernel == "rotary") return {{33, 3, 10}, {1, 1, 2}, {0, 2, 8}, {64, 4, 64}};
    if (kernel == "gather" || kernel == "scatter-add") return {{50, 33, 20}, {1, 1, 1}, {0, 8, 4}, {200, 130, 7}};
    if (kernel == "top-k") return {{33, 17, 3}, {100, 64, 8}, {1, 1, 1}, {0, 8, 2}, {5, 2, 4}};
    if (kernel == "convolution") return {{2, 3, 9, 7, 5, 3, 1}, {1, 16, 14, 14, 32, 3, 2}, {1, 4, 5, 5, 8, 1, 1}, {0, 4, 4, 4, 4, 3, 1}};
    if (kernel == "implicit-convolution") {   // groups, depthwise ones, even kernels, several panels
        return {{2, 3, 9, 7, 5, 3, 1, 1}, {1, 16, 14, 14, 32, 3, 2, 1}, {1, 4, 5, 5, 8, 1, 1, 1}, {0, 4, 4, 4, 4, 3, 1, 1}, {1, 1, 1, 1, 1, 3, 1, 1},
                {2, 8, 6, 7, 12, 3, 1, 4}, {1, 6, 9, 9, 6, 5, 2, 6}, {1, 8, 33, 31, 4, 1, 2, 2}, {1, 3, 8, 9, 4, 2, 1, 1}, {1, 40, 83, 81, 24, 7, 1, 1}};
    }
    if (kernel.starts_with("winograd")) {   // odd sides, lines of pixels, several rounds
        return {{2, 3, 9, 7, 5, 3, 1}, {1, 17, 14, 14, 33, 3, 1}, {1, 16, 5, 5, 8, 3, 1}, {0, 4, 4, 4, 4, 3, 1}, {1, 1, 1, 1, 1, 3, 1}, {3, 2, 1, 11, 3, 3, 1},
                {1, 8, 230, 231, 8, 3, 1}};
    }
    if (kernel == "sparse-multiply") return {{33, 50, 47, 20}, {1, 1, 1, 100}, {0, 4, 4, 50}, {16, 64, 64, 100}};
    if (kernel == "pointer-chase") return {{1 << 16, 1000}, {64, 10}};
    if (kernel == "launch") return {{1}, {100}};
    if (kernel == "file-read") return {{1 << 20, 0}, {5 << 20, 0}};
    const KernelEntry* entry = find_kernel(kernel);
    const bool one_size = entry->sizes.find(' ') == std::string_view::npos;
    if (one_size) return {{1000}, {1}, {0}, {70001}};
    // A single value has no direction left for a gradient of the RMS norm: 1e-5 of it is epsilon's, and all is rounding.
    // A single class has none under cross entropy: differences of nothing are rounding too.
    if (kernel == "rms-norm-backward" || kernel == "cross-entropy") return {{19, 67}, {1, 3}, {64, 512}, {0, 16}};
    return {{19, 67}, {1, 1}, {64, 512}, {3, 1000}, {0, 16}};
}

}  // namespace

TEST_CASE("every reference kernel agrees with its oracle in float64", "[kernels][reference]") {
    // Method: outputs poisoned, fresh random input for each case; bound of the number format (1e-5, 1e-2, exact).
    std::uint64_t seed = 0;
    for (const int threads : {1, 0}) {
        const PinnedTeam team(threads);
        for (const KernelEntry& entry : reference_kernels()) {
            for (const DataType type : entry.types) {
                for (const auto& sizes : sizes_for(std::string(entry.name))) {
                    const KernelCase kernel_case{std::string(entry.name), sizes, type};
                    Rng rng(++seed);
                    const PreparedKernel kernel = entry.prepare(kernel_case, 1, rng);
                    const double error = kernel.check();
                    INFO(words_of(kernel_case) << " on " << team.threads() << " threads: " << error);
                    CHECK(error <= kernel.error_max);
                }
            }
        }
    }
}

TEST_CASE("the table of reference kernels is complete and says each kernel once", "[kernels][reference]") {
    // Method: names counted; each entry's sizes match the number that its cases here carry.
    std::set<std::string_view> seen;
    for (const KernelEntry& entry : reference_kernels()) {
        INFO(entry.name);
        CHECK(seen.insert(entry.name).second);
        CHECK(!entry.doc.empty());
        CHECK(!entry.types.empty());
        const auto spaces = static_cast<std::size_t>(std::count(entry.sizes.begin(), entry.sizes.end(), ' '));
        CHECK(sizes_for(std::string(entry.name)).front().size() == spaces + 1);
    }
    CHECK(find_kernel("no such kernel") == nullptr);
}

TEST_CASE("an error is infinite where an output was left unwritten", "[kernels][reference]") {
    // Method: poisoned values, values of another length, and the definition by hand: sqrt(1 / 5) for (1, 1) against (1, 2).
    std::vector<float> values{1.0F, 1.0F};
    CHECK(relative_error(values, std::vector<double>{1.0, 2.0}) == Approx(std::sqrt(0.2)));
    CHECK(std::isinf(relative_error(values, std::vector<double>{1.0})));
    poison({values.data() + 1, 1});
    CHECK(std::isinf(relative_error(values, std::vector<double>{1.0, 2.0})));
    CHECK(relative_error(std::vector<float>{}, std::vector<double>{}) == 0.0);
}

TEST_CASE("int8 and int4 lose what uniform rounding must lose", "[kernels][reference]") {
    // Method: uniform values in [-t, t] with s steps: rounding error t / (s sqrt(12)) over t / sqrt(3) is 1 / (2 s).
    Rng rng(5);
    const auto int8 = find_kernel("quantise-int8")->prepare({"quantise-int8", {64, 512}, DataType::fp32}, 1, rng);
    const auto int4 = find_kernel("quantise-int4")->prepare({"quantise-int4", {64, 512}, DataType::fp32}, 1, rng);
    CHECK(int8.accuracy_loss() == Approx(1.0 / 254.0).epsilon(0.05));
    CHECK(int4.accuracy_loss() == Approx(1.0 / 14.0).epsilon(0.1));   // groups of 32 fall a little short of their bound
}

TEST_CASE("Winograd's larger tiles lose about a digit, and keep the rest", "[kernels][reference]") {
    // Method: values and filters uniform on [-1, 1), 128 channels. Rounding of a direct sum is some 1e-7; tiles of 4 x 4 for
    // 2 x 2 pixels are about as good, tiles of 6 x 6 for 4 x 4 some ten times worse (Lavin and Gray, arXiv 1509.09308, table 4).
    const PinnedTeam team;
    const auto error_of = [](const char* name) {
        Rng rng(8);
        const KernelCase one{name, {2, 128, 28, 28, 64, 3, 1}, DataType::fp32};
        return find_kernel(name)->prepare(one, 1, rng).check();
    };
    const double direct = error_of("convolution");
    CHECK(direct < 1e-6);
    CHECK(error_of("winograd-2-convolution") < 1e-6);
    const double four = error_of("winograd-4-convolution");
    INFO(direct << " directly, " << four << " by 6 x 6");
    CHECK(four < 1e-5);
    CHECK(four > 2.0 * direct);
}

TEST_CASE("Winograd's kernels refuse by name what they cannot transform", "[kernels][reference]") {
    // Method: another kernel, another stride; the suite says so of the row, and measures nothing.
    Rng rng(9);
    for (const char* name : {"winograd-2-convolution", "winograd-4-convolution"}) {
        CHECK(find_kernel(name)->prepare({name, {1, 4, 8, 8, 4, 5, 1}, DataType::fp32}, 1, rng).refused ==
              std::string(name) + " fp32 1 x 4 x 8 x 8 x 4 x 5 x 1: transforms are of 3 x 3 kernels at stride 1, not of 5 x 5 at stride 1");
        MeasuredCase row;
        measure_case({{name, {1, 4, 8, 8, 4, 3, 2}, DataType::fp32}, true}, {}, 1, {}, row);
        CHECK_THAT(row.refused, Catch::Contains("at stride 2"));
        CHECK(row.time.repeats == 0);
        CHECK(wrong_results({name, {1, 4, 8, 8, 4, 3, 2}, DataType::fp32}, 1).empty());
    }
}

TEST_CASE("pruning small values loses their share of the norm", "[kernels][reference]") {
    // Method: of uniform values the smallest half holds 1/8 of the squares; a product with random rows keeps the ratio.
    Rng rng(6);
    const KernelCase kernel_case{"sparse-multiply", {64, 128, 256, 50}, DataType::fp32};
    const auto kernel = find_kernel(kernel_case.kernel)->prepare(kernel_case, 1, rng);
    CHECK(kernel.accuracy_loss() == Approx(std::sqrt(0.125)).epsilon(0.05));
    CHECK(kernel.flop.si() == Approx(2.0 * 64 * 128 * 256 * 0.5).epsilon(0.01));
}

TEST_CASE("the backward pass of flash attention is the gradient of the textbook formula", "[kernels][reference]") {
    // Method: central differences in float64 of sum(dy * softmax(q k^T / sqrt(d)) v), by plain loops written here.
    const AttentionShape s{1, 4, 2, 6, 70, 150, 90, true};
    const auto queries = static_cast<std::size_t>(s.batch * s.queries * s.heads * s.head);
    const auto keys = static_cast<std::size_t>(s.batch * s.keys * s.kv_heads * s.head);
    Rng rng(7);
    const auto random = [&](std::size_t size) {
        std::vector<float> values(size);
        for (float& value : values) value = static_cast<float>(rng.normal());
        return values;
    };
    const auto q = random(queries), k = random(keys), v = random(keys), dy = random(queries);
    std::vector<float> y(queries), sums(static_cast<std::size_t>(s.heads * s.queries)), dq(queries), dk(keys), dv(keys);
    poison(dq);
    poison(dk);
    poison(dv);
    const PinnedTeam team;
    flash_attention(s, q.data(), k.data(), v.data(), y.data(), sums.data());
    flash_attention_backward(s, q.data(), k.data(), v.data(), y.data(), sums.data(), dy.data(), dq.data(), dk.data(), dv.data());
    const auto loss = [&](const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& c) {
        double total = 0.0;
        for (Index h = 0; h < s.heads; ++h) {
            for (Index i = 0; i < s.queries; ++i) {
                const Index position = i + s.keys - s.queries;
                const Index kv = h / 2;
                std::vector<double> weight(static_cast<std::size_t>(s.keys), 0.0);
                double sum = 0.0;
                for (Index j = std::max<Index>(position - s.window + 1, 0); j <= position; ++j) {
                    double score = 0.0;
                    for (Index d = 0; d < s.head; ++d) {
                        score += a[static_cast<std::size_t>((i * s.heads + h) * s.head + d)] *
                                 b[static_cast<std::size_t>((j * s.kv_heads + kv) * s.head + d)];
                    }
                    sum += weight[static_cast<std::size_t>(j)] = std::exp(score / std::sqrt(static_cast<double>(s.head)));
                }
                for (Index j = 0; j < s.keys; ++j) {
                    for (Index d = 0; d < s.head; ++d) {
                        total += weight[static_cast<std::size_t>(j)] / sum * c[static_cast<std::size_t>((j * s.kv_heads + kv) * s.head + d)] *
                                 static_cast<double>(dy[static_cast<std::size_t>((i * s.heads + h) * s.head + d)]);
                    }
                }
            }
        }
        return total;
    };
    const std::vector<double> wide_q(q.begin(), q.end()), wide_k(k.begin(), k.end()), wide_v(v.begin(), v.end());
    const auto difference = [&](int which, std::size_t at) {
        std::vector<double> values[3] = {wide_q, wide_k, wide_v};
        values[which][at] += 1e-5;
        const double above = loss(values[0], values[1], values[2]);
        values[which][at] -= 2e-5;
        return (above - loss(values[0], values[1], values[2])) / 2e-5;
    };
    for (std::size_t at = 5; at < queries; at += queries / 9) CHECK(static_cast<double>(dq[at]) == Approx(difference(0, at)).margin(1e-4));
    for (std::size_t at = 5; at < keys; at += keys / 9) {
        CHECK(static_cast<double>(dk[at]) == Approx(difference(1, at)).margin(1e-4));
        CHECK(static_cast<double>(dv[at]) == Approx(difference(2, at)).margin(1e-4));
    }
}

TEST_CASE("a softmax of rows whose beginning is masked out is that of what is left", "[kernels][reference]") {
    // Method: the textbook formula in float64 over the values that no mask covers; whole strips are masked, at values that
    // programs use for minus infinity.
    constexpr Index columns = 333;
    for (const float mask : {-1e4F, -1e9F, -3e38F}) {
        for (const Index masked : {64, 130, 332}) {
            std::vector<float> x(columns, mask);
            std::vector<float> y(columns, -1.0F);
            double sum = 0.0;
            for (Index i = masked; i < columns; ++i) {
                x[static_cast<std::size_t>(i)] = 0.01F * static_cast<float>(i % 37) - 3.0F;
                sum += std::exp(static_cast<double>(x[static_cast<std::size_t>(i)]));
            }
            softmax(x.data(), y.data(), 1, columns);
            for (Index i = 0; i < columns; ++i) {
                const double want = i < masked ? 0.0 : std::exp(static_cast<double>(x[static_cast<std::size_t>(i)])) / sum;
                CHECK(static_cast<double>(y[static_cast<std::size_t>(i)]) == Approx(want).margin(1e-7));
            }
        }
    }
}

TEST_CASE("results too large for the caches are those of small ones", "[kernels][reference]") {
    // Method: the same rows once in an array that goes around the caches and once one by one, which stays inside; columns
    // of all alignments, heads and tails of strips included. Sums are taken in the same order; products may round otherwise in the tail of a loop.
    const PinnedTeam team;
    Rng rng(11);
    for (const Index columns : {1024, 1021}) {
        const Index rows = around_least / columns + 1;
        const auto x = random_floats(1, rows * columns, rng, 4.0F);
        const auto up = random_floats(1, rows * columns, rng);
        const auto gain = random_floats(1, columns, rng);
        const auto all = zeros<float>(1, rows * columns);
        const auto other = zeros<float>(1, rows * columns);
        const auto one = zeros<float>(1, columns);
        const auto second = zeros<float>(1, columns);
        const auto differing = [&](const auto& whole, const auto& row_by_row) {
            poison(all->values());
            whole();
            Index wrong = 0;
            for (Index r = 0; r < rows; r += r < 3 || r + 40 > rows ? 1 : 97) {
                row_by_row(r);
                for (Index i = 0; i < columns; ++i) wrong += std::abs((*all)[0][r * columns + i] - (*one)[0][i]) <= 1e-6F * (1.0F + std::abs((*one)[0][i])) ? 0 : 1;
            }
            return wrong;
        };
        INFO(columns << " columns");
        CHECK(differing([&] { softmax((*x)[0], (*all)[0], rows, columns); }, [&](Index r) { softmax((*x)[0] + r * columns, (*one)[0], 1, columns); }) == 0);
        CHECK(differing([&] { rms_norm((*x)[0], (*gain)[0], (*all)[0], rows, columns); },
                        [&](Index r) { rms_norm((*x)[0] + r * columns, (*gain)[0], (*one)[0], 1, columns); }) == 0);
        CHECK(differing([&] { swiglu((*x)[0], (*up)[0], (*all)[0], rows * columns); },
                        [&](Index r) { swiglu((*x)[0] + r * columns, (*up)[0] + r * columns, (*one)[0], columns); }) == 0);
        CHECK(differing([&] { swiglu_backward((*x)[0], (*up)[0], (*x)[0], (*other)[0], (*all)[0], rows * columns); },
                        [&](Index r) {
                            const Index at = r * columns;
                            swiglu_backward((*x)[0] + at, (*up)[0] + at, (*x)[0] + at, (*second)[0], (*one)[0], columns);
                        }) == 0);
        CHECK(differing([&] { softmax_backward((*x)[0], (*up)[0], (*all)[0], rows, columns); },
                        [&](Index r) { softmax_backward((*x)[0] + r * columns, (*up)[0] + r * columns, (*one)[0], 1, columns); }) == 0);
    }
}

TEST_CASE("kernels' memory lies on separate lines of a page and is taken again once all of it is free", "[kernels][reference]") {
    // Method: arrays of one size are not congruent modulo a page; after their end the first address comes back.
    [[maybe_unused]] const void* before = nullptr;   // under a sanitizer memory is the system's
    for (int round = 0; round < 2; ++round) {
        const auto a = zeros<float>(1, 4096);
        const auto b = zeros<float>(1, 4096);
        const auto place = [](const float* at) { return reinterpret_cast<std::uintptr_t>(at) % 4096; };
        CHECK(place((*a)[0]) % 64 == 0);
        CHECK(place((*b)[0]) % 64 == 0);
        CHECK(std::all_of(a->values().begin(), a->values().end(), [](float value) { return value == 0.0F; }));
#if !defined(__SANITIZE_ADDRESS__)
        CHECK(place((*a)[0]) != place((*b)[0]));
        if (round > 0) CHECK((*a)[0] == before);
#endif
        before = (*a)[0];
        a->values()[0] = 1.0F;
    }
}
