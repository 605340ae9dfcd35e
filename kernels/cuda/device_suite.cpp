// Samples, judges and repeats the shapes of a GPU's suite within its time.
#include "kernels/cuda/device_suite.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <stdexcept>

namespace orrery {
namespace {

constexpr double device_memory_share = 0.4;     // of what is free, for one kernel's data
constexpr double device_past_cache = 2.0;       // of the last level, for all copies together
constexpr int device_copies_most = 64;
constexpr double device_prepared_most = 8e9;    // bytes for all copies: more would take longer to fill than to measure
constexpr double device_sample_least_s = 1e-3;     // the start of a sample costs some microseconds
constexpr int device_runs_most = 1000;          // of one sample: queues hold about a thousand launches
constexpr double device_possible = 1.05;        // clocks above those of the datasheet's peak
constexpr std::int64_t device_judged_sizes[] = {150, 256};   // of each dimension: several tiles with an odd rest, whole vectors

const KernelEntry* entry_of(const DeviceBench& bench, const std::string& name) {
    for (const KernelEntry& entry : *bench.kernels) {
        if (entry.name == name) return &entry;
    }
    return nullptr;
}

KernelCase shrunk_to_device(const KernelCase& wanted, double room) {
    KernelCase shape = wanted;
    while (footprint_of(shape).si() > room) {
        const auto largest = std::max_element(shape.sizes.begin(), shape.sizes.end());
        if (*largest <= 1) break;
        *largest /= 2;
    }
    return shape;
}

int copies_past_cache(const KernelCase& shape, double bytes, const DeviceBench& bench, double room) {
    const double each = std::max(footprint_of(shape).si(), 1.0);
    const double most = std::clamp(std::min(room, device_prepared_most) / each, 1.0, static_cast<double>(device_copies_most));
    return static_cast<int>(std::clamp(std::ceil(device_past_cache * bench.cache.si() / std::max(bytes, 1.0)), 1.0, most));
}

std::string impossible_on(const Device& device, const MeasuredCase& row) {
    const FlopPerSecond peak = row.work && std::holds_alternative<Streaming>(*row.work) ? device.vector_peak : device.peak(row.kernel_case.type);
    const double rate = peak.si() > 0.0 ? row.flop / row.time.seconds() / peak : 0.0;
    if (rate > device_possible) return "does " + std::to_string(rate) + " times the peak of the datasheet";
    const double moved = row.bytes / row.time.seconds() / device.memory_bandwidth;
    if (row.cold && moved > device_possible) return "moves " + std::to_string(moved) + " times what memory can";
    return {};
}

double device_suite_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void measure_on_device(const SuiteCase& wanted, const DeviceBench& bench, const Device& device, std::uint64_t seed, const MeasureOptions& options,
                       MeasuredCase& row) {
    const double room = device_memory_share * bench.memory_free().si();
    row.kernel_case = shrunk_to_device(wanted.kernel_case, room);
    if (row.kernel_case != wanted.kernel_case) row.shrunk_from = words_of(wanted.kernel_case);
    row.cold = wanted.cold;
    Rng rng = Rng::stream(seed, words_of(row.kernel_case), 0);
    // Operands that a step would not find in the caches are rotated past them; only warm streaming is left in place.
    const bool rotated = wanted.cold || !row.work || !std::holds_alternative<Streaming>(*row.work);
    const int copies = rotated ? copies_past_cache(row.kernel_case, footprint_of(row.kernel_case).si(), bench, room) : 1;
    const PreparedKernel kernel = entry_of(bench, row.kernel_case.kernel)->prepare(row.kernel_case, copies, rng);
    row.refused = kernel.refused;
    if (!kernel.refused.empty()) return;
    row.work = kernel.work;
    row.flop = kernel.flop;
    row.bytes = kernel.bytes;
    sample_on_device(bench, kernel, options, row.samples);
    row.time = measurement_of(row.samples, options);
    if (kernel.accuracy_loss && row.accuracy_loss < 0.0) row.accuracy_loss = kernel.accuracy_loss();
    row.refused = impossible_on(device, row);
}

KernelCase judged_case(const KernelCase& kernel_case, std::int64_t size_most) {
    KernelCase small = kernel_case;
    for (std::int64_t& size : small.sizes) size = std::min(size, size_most);
    if (small.kernel.rfind("attention", 0) == 0) {   // batch, heads and heads of keys: what the oracle walks in full
        const std::int64_t group = kernel_case.sizes[1] / kernel_case.sizes[2];
        small.sizes[0] = std::min<std::int64_t>(small.sizes[0], 2);
        small.sizes[2] = std::min<std::int64_t>(small.sizes[2], 2);
        small.sizes[1] = group * small.sizes[2];
    }
    return small;
}

std::string wrong_on_device(const KernelCase& kernel_case, const DeviceBench& bench, std::uint64_t seed) {
    for (const std::int64_t size_most : device_judged_sizes) {
        const KernelCase small = judged_case(kernel_case, size_most);
        Rng rng = Rng::stream(seed, words_of(small), 1);
        const PreparedKernel kernel = entry_of(bench, small.kernel)->prepare(small, 1, rng);
        if (!kernel.refused.empty()) continue;   // of its small shape; the large one answers for itself
        const double error = kernel.check();
        if (!(error <= kernel.error_max)) {
            return "is wrong on " + words_of(small) + ": error " + std::to_string(error) + ", allowed " + std::to_string(kernel.error_max);
        }
    }
    return {};
}

// Judges the kernel once, measures the shape; what the device answers instead is the refusal.
void judge_and_measure(const SuiteCase& one, const DeviceBench& bench, const Device& device, const SuiteOptions& options,
                       std::map<std::string, std::string>& verdicts, MeasuredCase& row) {
    row.kernel_case = one.kernel_case;
    if (entry_of(bench, one.kernel_case.kernel) == nullptr) {
        row.refused = "the device has no such kernel";
        return;
    }
    try {
        const auto [verdict, fresh] = verdicts.try_emplace(one.kernel_case.kernel + " " + std::string(name_of(one.kernel_case.type)));
        if (fresh) verdict->second = wrong_on_device(one.kernel_case, bench, options.seed);
        measure_on_device(one, bench, device, options.seed, {.budget = options.spell}, row);
        if (!verdict->second.empty() && row.refused.empty()) row.refused = verdict->second;
    } catch (const std::runtime_error& error) {
        row.refused = error.what();
    }
}

Seconds device_seconds(const DeviceBench& bench, const KernelCase& shape, int copies, double parts, std::uint64_t seed) {
    Rng rng(seed);
    const PreparedKernel kernel = entry_of(bench, shape.kernel)->prepare(shape, copies, rng);
    Samples samples;
    sample_on_device(bench, kernel, {.budget = 0.3_s}, samples);
    return measurement_of(samples).seconds() / parts;
}

}  // namespace

void sample_on_device(const DeviceBench& bench, const PreparedKernel& kernel, const MeasureOptions& options, Samples& samples) {
    int copy = 0;
    const auto run_some = [&](int runs) {
        for (int i = 0; i < runs; ++i) {
            kernel.run(copy);
            copy = (copy + 1) % std::max(kernel.copies, 1);
        }
    };
    run_some(2);   // code loaded, clocks up
    kernel.finish();
    const double once = std::max(bench.seconds_of([&] { run_some(1); }), 1e-7);
    const int together = std::clamp(static_cast<int>(std::ceil(device_sample_least_s / once)), 1, device_runs_most);
    const double start = device_suite_now();
    int repeats = 0;
    do {
        const double seconds = bench.seconds_of([&] { run_some(together); });
        (bench.held_back() ? samples.disturbed : samples.calm).push_back(seconds / together);
        ++repeats;
        if (device_suite_now() - start > 4.0 * options.budget.si()) break;
        if (repeats % options.repeats_least != 0 || repeats < 3 * options.repeats_least || samples.calm.empty()) continue;
        if (measurement_of(samples, options).steady) break;
    } while (repeats < options.repeats_least || device_suite_now() - start < options.budget.si());
}

std::vector<MeasuredCase> measure_device_suite(const std::vector<SuiteCase>& cases, const DeviceBench& bench, const Device& device,
                                               const SuiteOptions& options, const std::function<void(const SuiteProgress&)>& tell) {
    std::vector<MeasuredCase> rows(cases.size());
    std::map<std::string, std::string> verdicts;
    const double start = device_suite_now();
    for (int round = 0; round < options.rounds; ++round) {
        std::vector<std::size_t> todo;
        for (std::size_t i = 0; i < cases.size(); ++i) {
            if (round == 0 || (rows[i].refused.empty() && !rows[i].time.steady)) todo.push_back(i);
        }
        for (std::size_t j = 0; j < todo.size(); ++j) {
            const SuiteCase& one = cases[todo[j]];
            const double left = options.limit.si() - (device_suite_now() - start);
            if (left < 0.0) {
                if (round > 0) return rows;
                rows[todo[j]].kernel_case = one.kernel_case;
                rows[todo[j]].cold = one.cold;
                rows[todo[j]].refused = "the suite's time was over before it was measured";
                continue;
            }
            tell({words_of(one.kernel_case) + (round > 0 ? ", again" : ""), j, todo.size(), Seconds::from_si(left)});
            judge_and_measure(one, bench, device, options, verdicts, rows[todo[j]]);
        }
    }
    return rows;
}

Result<MachineFigures> measure_device_figures(const DeviceBench& bench, const GpuDescription& gpu, const Device& device, std::uint64_t seed) {
    MachineFigures figures;
    figures.processor = gpu.name;
    figures.libraries = gpu.libraries;
    figures.seed = static_cast<std::int64_t>(seed);
    figures.cores = gpu.processors;
    figures.cache = gpu.cache;
    figures.memory_capacity = gpu.memory;
    figures.fp32_peak = device.peak(DataType::fp32);
    figures.bf16_peak = device.peak(DataType::bf16);
    figures.int8_peak = device.peak(DataType::int8);
    try {
        const double free = device_memory_share * bench.memory_free().si();
        const auto elements = static_cast<std::int64_t>(std::min(free / 12.0, 3.0 * device_past_cache * bench.cache.si()) / 4.0);
        const Bytes moved = Bytes::from_si(4.0 * static_cast<double>(elements));
        figures.triad_bandwidth = 3.0 * moved / device_seconds(bench, {"triad", {elements}, DataType::fp32}, 1, 1.0, seed);
        figures.memory_bandwidth = std::max(figures.triad_bandwidth, 2.0 * moved / device_seconds(bench, {"copy", {elements}, DataType::fp32}, 1, 1.0, seed));
        constexpr double hops = 5000.0;
        const auto chased = static_cast<std::int64_t>(std::min(free, 4.0 * bench.cache.si()));
        figures.memory_latency = device_seconds(bench, {"pointer-chase", {chased, static_cast<std::int64_t>(hops)}, DataType::fp32}, 1, hops, seed);
        figures.launch = device_seconds(bench, {"launch", {100}, DataType::fp32}, 1, 100.0, seed);
    } catch (const std::runtime_error& error) {
        return Problem{gpu.name, std::string("cannot be measured: ") + error.what(), "see what nvidia-smi says, and whether another program holds its memory"};
    }
    return figures;
}

}  // namespace orrery
