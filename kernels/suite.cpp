// Measures the shapes of a suite round after round, within its time.
#include "kernels/suite.hpp"

#include "kernels/reference/peaks.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace orrery {
namespace {

constexpr double memory_share = 0.4;             // of what is free, for one kernel's data
constexpr double clock_least = 0.25;             // of the calibration: a range that turbo and thermal limits stay in
constexpr double clock_most = 1.5;
constexpr int copies_most = 512;
constexpr double past_cache = 2.0;               // times the last level, for all copies together
constexpr double prepared_most = 2e9;            // bytes for all copies: more would take longer to fill than to measure
constexpr double touched_share = 0.6;            // of the bytes moved: arrays read and written count twice
constexpr double faster_than_possible_here = 1.02;   // clocks of a guest differ by this between two windows
constexpr double faster_than_memory = 1.5;       // reads alone are that much faster than a triad

FlopPerSecond peak_of(const MachineFigures& machine, DataType type) {
    if (type == DataType::bf16) return machine.bf16_peak;
    return type == DataType::int8 ? machine.int8_peak : machine.fp32_peak;
}

// Halves the largest size until the data fits what is free.
KernelCase shrunk_to(const KernelCase& wanted, double room) {
    KernelCase shape = wanted;
    while (room > 0.0 && footprint_of(shape).si() > room) {
        auto largest = std::max_element(shape.sizes.begin(), shape.sizes.end());
        if (*largest <= 1) break;
        *largest /= 2;
    }
    return shape;
}

int cold_copies(const PreparedKernel& kernel, const MachineFigures& machine, double room) {
    const double touched = touched_share * kernel.bytes.si();
    if (touched <= 0.0) return 1;
    const double most = std::min(room, prepared_most) / std::max(kernel.bytes.si(), 1.0);
    return static_cast<int>(std::clamp(std::ceil(past_cache * machine.cache.si() / touched), 1.0,
                                       std::clamp(most, 1.0, static_cast<double>(copies_most))));
}

std::string impossible_rate(const MeasuredCase& measured, const MachineFigures& machine) {
    const double rate = measured.flop / measured.time.seconds() / peak_of(at_clock(machine, std::max(measured.clock, 1.0)), measured.kernel_case.type);
    // Kernels without work are fitted to nothing, and Winograd's do less than the arithmetic that their rates count.
    if (measured.work && rate > faster_than_possible_here) return "does " + std::to_string(rate) + " times the peak of the registers";
    const double moved = measured.bytes / measured.time.seconds() / machine.memory_bandwidth;
    if (measured.cold && moved > faster_than_memory) return "moves " + std::to_string(moved) + " times what memory can";
    return {};
}

double now_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

MachineFigures at_clock(MachineFigures machine, double clock) {
    for (FlopPerSecond* peak : {&machine.fp32_peak, &machine.bf16_peak, &machine.int8_peak}) *peak = *peak * clock;
    return machine;
}

double clock_now(const MachineFigures& machine) {
    return machine.fp32_peak.si() > 0.0 ? std::clamp(register_rate_now() / machine.fp32_peak, clock_least, clock_most) : 1.0;
}

void measure_case(const SuiteCase& wanted, const MachineFigures& machine, std::uint64_t seed, const MeasureOptions& options,
                  MeasuredCase& measured) {
    const double room = memory_share * available_memory().si();
    measured.kernel_case = shrunk_to(wanted.kernel_case, room);
    if (measured.kernel_case != wanted.kernel_case) measured.shrunk_from = words_of(wanted.kernel_case);
    measured.cold = wanted.cold;
    const KernelEntry* entry = find_kernel(measured.kernel_case.kernel);
    Rng rng = Rng::stream(seed, words_of(measured.kernel_case), 0);
    PreparedKernel kernel = entry->prepare(measured.kernel_case, 1, rng);
    measured.refused = kernel.refused;
    if (!kernel.refused.empty()) return;
    const int copies = wanted.cold ? cold_copies(kernel, machine, room) : 1;
    if (copies > 1) {
        kernel = {};   // its memory is taken again
        kernel = entry->prepare(measured.kernel_case, copies, rng);
    }
    measured.work = kernel.work;
    measured.flop = kernel.flop;
    measured.bytes = kernel.bytes;
    MeasureOptions own = options;
    own.waits = !kernel.work;
    const double before = clock_now(machine);
    sample(kernel, own, measured.samples);
    const double clock = 0.5 * (before + clock_now(machine));
    // Of several spells the fastest count most: their clock is the highest.
    measured.clock = measured.time.repeats > 0 ? std::max(measured.clock, clock) : clock;
    measured.time = measurement_of(measured.samples, options);
    if (kernel.accuracy_loss && measured.accuracy_loss < 0.0) measured.accuracy_loss = kernel.accuracy_loss();
    measured.refused = impossible_rate(measured, machine);
}

std::string wrong_results(const KernelCase& kernel_case, std::uint64_t seed) {
    KernelCase small = kernel_case;
    constexpr std::int64_t judged_size = 40;   // of each dimension: odd tiles, and oracles that take no time
    for (std::int64_t& size : small.sizes) size = std::min(size, judged_size);
    if (kernel_case.kernel == "file-read") small.sizes[0] = std::min<std::int64_t>(kernel_case.sizes[0], 1 << 20);
    Rng rng = Rng::stream(seed, words_of(small), 1);
    const PreparedKernel kernel = find_kernel(small.kernel)->prepare(small, 1, rng);
    if (!kernel.refused.empty()) return {};   // of its small shape; the large one answers for itself
    const double error = kernel.check();
    if (error <= kernel.error_max) return {};
    return "is wrong on " + words_of(small) + ": error " + std::to_string(error) + ", allowed " + std::to_string(kernel.error_max);
}

std::vector<MeasuredCase> measure_suite(const std::vector<SuiteCase>& cases, const MachineFigures& machine,
                                        const SuiteOptions& options, const std::function<void(const SuiteProgress&)>& tell) {
    std::vector<MeasuredCase> rows(cases.size());
    std::map<std::string, std::string> judged;
    const double start = now_seconds();
    for (int round = 0; round < options.rounds; ++round) {
        std::vector<std::size_t> todo;
        for (std::size_t i = 0; i < cases.size(); ++i) {
            if (round == 0 || (rows[i].refused.empty() && !rows[i].time.steady)) todo.push_back(i);
        }
        const double round_start = now_seconds();
        for (std::size_t j = 0; j < todo.size(); ++j) {
            const KernelCase& shape = cases[todo[j]].kernel_case;
            MeasuredCase& row = rows[todo[j]];
            const double now = now_seconds();
            if (now - start > options.limit.si()) {
                if (round > 0) return rows;
                row.kernel_case = shape;
                row.cold = cases[todo[j]].cold;
                row.refused = "the suite's time was over before it was measured";
                continue;
            }
            const double each = j == 0 ? 0.0 : (now - round_start) / static_cast<double>(j);
            tell({words_of(shape) + (round > 0 ? ", again" : ""), j, todo.size(),
                  Seconds::from_si(std::min(each * static_cast<double>(todo.size() - j), options.limit.si() - (now - start)))});
            const std::string kernel = shape.kernel + " " + std::string(name_of(shape.type));
            const auto [verdict, fresh] = judged.try_emplace(kernel);
            if (fresh) verdict->second = wrong_results(shape, options.seed);
            measure_case(cases[todo[j]], machine, options.seed, {.budget = options.spell}, row);
            if (!verdict->second.empty()) row.refused = verdict->second;
        }
    }
    return rows;
}

std::string class_of(const MeasuredCase& measured) {
    const auto& work = measured.work;
    if (!work) return measured.kernel_case.kernel;
    if (std::holds_alternative<MatrixMultiply>(*work)) return "product " + std::string(name_of(measured.kernel_case.type));
    if (std::holds_alternative<GroupedMatrixMultiply>(*work)) return "grouped product";
    if (const auto* attention = std::get_if<Attention>(&*work)) {
        if (attention->backward) return "attention backward";
        return measured.kernel_case.kernel == "attention-decode" ? "decode " + std::string(name_of(measured.kernel_case.type)) : "prefill";
    }
    if (const auto* gather = std::get_if<Gather>(&*work)) return gather->scatter_add ? "scatter" : "gather";
    if (std::holds_alternative<Convolution>(*work)) return "convolution";
    return measured.cold ? "streaming cold" : "streaming warm";
}

}  // namespace orrery
