// Times kernels by the steady clock.
#include "kernels/measure.hpp"

#include "kernels/reference/peaks.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <vector>

#include <unistd.h>

namespace orrery {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double sample_least_s = 100e-6;   // shorter samples would measure the clock
constexpr int sample_runs_most = 4096;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Value of a "NAME : VALUE" line of a file of /proc; empty if there is none.
std::string proc_value(const char* file, const std::string& name) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        if (line.rfind(name, 0) != 0) continue;
        const std::size_t colon = line.find(':');
        const std::size_t start = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
        if (start != std::string::npos) return line.substr(start);
    }
    return {};
}

double quantile(const std::vector<double>& sorted, double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

Measurement measure(const PreparedKernel& kernel, const MeasureOptions& options) {
    int copy = 0;
    const auto run_once = [&] {
        kernel.run(copy);
        copy = (copy + 1) % std::max(kernel.copies, 1);
    };
    for (int i = 0; i < 2; ++i) run_once();   // pages touched, code generated, clocks up
    const Clock::time_point trial = Clock::now();
    run_once();
    const double once = std::max(seconds_since(trial), 1e-8);
    const int together = std::clamp(static_cast<int>(std::ceil(sample_least_s / once)), 1, sample_runs_most);
    std::vector<double> samples;
    Measurement result;
    const Clock::time_point start = Clock::now();
    do {
        const Clock::time_point begin = Clock::now();
        for (int i = 0; i < together; ++i) run_once();
        samples.push_back(seconds_since(begin) / together);
        result.repeats = static_cast<int>(samples.size());
        if (result.repeats < options.repeats_least) continue;
        std::vector<double> sorted = samples;
        std::sort(sorted.begin(), sorted.end());
        result.quiet = Seconds::from_si(quantile(sorted, 0.125));
        result.median = Seconds::from_si(quantile(sorted, 0.5));
        result.spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / quantile(sorted, 0.5);
        result.steady = result.spread <= options.spread_max;
    } while (result.repeats < options.repeats_least ||
             (seconds_since(start) < options.budget.si() && !(result.steady && result.repeats >= 3 * options.repeats_least)));
    return result;
}

Bytes available_memory() {
    const std::string text = proc_value("/proc/meminfo", "MemAvailable");
    return Bytes::from_si(text.empty() ? 0.0 : 1024.0 * std::strtod(text.c_str(), nullptr));
}

MachineFigures measure_machine(int threads, std::uint64_t seed) {
    MachineFigures figures;
    figures.processor = proc_value("/proc/cpuinfo", "model name");
    if (figures.processor.empty()) figures.processor = "unknown processor";
    figures.libraries = reference_libraries();
    figures.seed = static_cast<std::int64_t>(seed);
    figures.cores = threads;
    figures.cache = Bytes::from_si(std::max(0.0, static_cast<double>(sysconf(_SC_LEVEL3_CACHE_SIZE))));
    if (figures.cache.si() <= 0.0) figures.cache = 8.0_MiB;   // of a small part; the system does not say
    figures.memory_capacity = Bytes::from_si(static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    figures.fp32_peak = register_peak(DataType::fp32);
    figures.bf16_peak = register_peak(DataType::bf16);
    figures.int8_peak = register_peak(DataType::int8);
    // Many sets of arrays, which together are past the last level, within a quarter of the memory at hand: one run is a
    // short window, and the best decile of them is free of neighbours without being a lucky one.
    constexpr double set_bytes = 12.0 * (1 << 20);
    const double past = std::min(1.5 * figures.cache.si(), 0.25 * available_memory().si());
    const int sets = std::max(static_cast<int>(past / set_bytes), 1);
    Rng rng(seed);
    const PreparedKernel triad = find_kernel("triad")->prepare({"triad", {1 << 20}, DataType::fp32}, sets, rng);
    std::vector<double> windows;
    for (int round = 0; round < 6; ++round) {
        for (int set = 0; set < sets; ++set) {
            const Clock::time_point begin = Clock::now();
            triad.run(set);
            windows.push_back(seconds_since(begin));
        }
    }
    std::sort(windows.begin(), windows.end());
    const double least = quantile(windows, 0.1);
    figures.memory_bandwidth = triad.bytes / Seconds::from_si(least);
    return figures;
}

Device with_figures(Device device, const MachineFigures& figures) {
    device.kind = DeviceKind::cpu;
    device.matrix_peak[DataType::fp32] = figures.fp32_peak;
    device.matrix_peak[DataType::bf16] = figures.bf16_peak;
    device.matrix_peak[DataType::int8] = figures.int8_peak;
    device.vector_peak = figures.fp32_peak;
    device.memory_bandwidth = figures.memory_bandwidth;
    if (figures.cache.si() > 0.0) device.cache = figures.cache;
    if (figures.memory_capacity.si() > 0.0) device.memory_capacity = figures.memory_capacity;
    device.cores = static_cast<int>(figures.cores);
    return device;
}

}  // namespace orrery
