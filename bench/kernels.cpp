// Rates of the reference kernels on this machine, as CSV: row kernels past the caches beside STREAM triad of the same minute,
// products of square matrices on one thread and on all, and the ways to do a 3 x 3 convolution (rows: pixels of 16 images;
// columns: channels and filters; GFLOP/s by the multiplications of the definition).
//   bench_kernels [SECONDS]   of samples a line, by default 0.4
#include "kernels/measure.hpp"
#include "kernels/reference/kernel.hpp"
#include "kernels/reference/pinned_team.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace orrery;

// Four copies, 0.5 GB in all, lie past the last level that a guest has.
constexpr int bench_copies = 4;

double seconds_of(const KernelCase& shape, int copies, double budget) {
    Rng rng(1);
    return measure(find_kernel(shape.kernel)->prepare(shape, copies, rng), {.budget = Seconds::from_si(budget)}).seconds().si();
}

double rate_of(const KernelCase& shape, double budget) {
    Rng rng(1);
    const PreparedKernel kernel = find_kernel(shape.kernel)->prepare(shape, bench_copies, rng);
    return kernel.bytes.si() / measure(kernel, {.budget = Seconds::from_si(budget)}).seconds().si() / 1e9;
}

std::vector<KernelCase> row_kernels(std::int64_t rows, std::int64_t columns) {
    std::vector<KernelCase> cases;
    for (const char* name : {"copy", "add", "dropout", "sgd", "adam", "lamb"}) cases.push_back({name, {rows * columns}, DataType::fp32});
    for (const char* name : {"rms-norm", "rms-norm-backward", "layer-norm", "layer-norm-backward", "softmax", "library-softmax", "softmax-backward",
                             "swiglu", "swiglu-backward", "cross-entropy", "adafactor", "quantise-int8", "dequantise-int8", "quantise-int4", "dequantise-int4"}) {
        cases.push_back({name, {rows, columns}, DataType::fp32});
    }
    cases.push_back({"rotary", {rows, columns / 64, 64}, DataType::fp32});
    return cases;
}

}  // namespace

int main(int argc, char** argv) {
    const double budget = argc > 1 ? std::strtod(argv[1], nullptr) : 0.4;
    fmt::print("kernel,type,rows,columns,threads,gb_per_s,of_triad,gflop_per_s,times_one_thread\n");
    {
        const PinnedTeam team;
        for (const auto& [rows, columns] : {std::pair<std::int64_t, std::int64_t>{16384, 1024}, {4096, 4096}}) {
            const double triad = rate_of({"triad", {rows * columns}, DataType::fp32}, budget);
            fmt::print("triad,fp32,{},{},{},{:.2f},1.000,,\n", rows, columns, team.threads(), triad);
            for (const KernelCase& shape : row_kernels(rows, columns)) {
                const double rate = rate_of(shape, budget);
                fmt::print("{},fp32,{},{},{},{:.2f},{:.3f},,\n", shape.kernel, rows, columns, team.threads(), rate, rate / triad);
            }
        }
    }
    for (const DataType type : {DataType::fp32, DataType::bf16, DataType::int8}) {
        for (const std::int64_t n : {512, 1024, 2048}) {
            const KernelCase shape{"packed-matrix-multiply", {1, n, n, n}, type};
            double alone = 0.0;
            for (const int threads : {1, 0}) {
                const PinnedTeam team(threads);
                const double rate = 2.0 * static_cast<double>(n * n * n) / seconds_of(shape, 1, budget) / 1e9;
                if (threads == 1) alone = rate;
                fmt::print("{},{},{},{},{},,,{:.1f},{:.2f}\n", shape.kernel, name_of(type), n, n, team.threads(), rate, rate / alone);
            }
        }
    }
    const PinnedTeam team;
    for (const std::int64_t side : {56, 28, 14, 7}) {   // of ResNet-50's four stages (He et al., arXiv 1512.03385)
        const std::int64_t channels = 3584 / side;
        for (const char* name : {"convolution", "implicit-convolution", "winograd-2-convolution", "winograd-4-convolution"}) {
            KernelCase shape{name, {16, channels, side, side, channels, 3, 1}, DataType::fp32};
            if (shape.kernel == "implicit-convolution") shape.sizes.push_back(1);
            const double flop = 2.0 * 9.0 * static_cast<double>(16 * side * side * channels * channels);
            fmt::print("{},fp32,{},{},{},,,{:.1f},\n", name, 16 * side * side, channels, team.threads(), flop / seconds_of(shape, 2, budget) / 1e9);
        }
    }
}
