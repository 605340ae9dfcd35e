// Measures the limits of the machine at hand, and reads the rest from the system.
#include "kernels/machine_figures.hpp"

#include "kernels/measure.hpp"
#include "kernels/reference/peaks.hpp"
#include "kernels/reference/pinned_team.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <vector>

#include <unistd.h>

namespace orrery {
namespace {

constexpr double past_cache_figures = 8.0;   // times the last level

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

FlopPerSecond urgent_peak(DataType type) {
    const UrgentSpell urgent;
    return register_peak(type);
}

// A kernel that moves a million elements of fp32 in a run, on as many sets of arrays as are together past the last level
// of cache (within a quarter of the memory at hand).
BytesPerSecond bandwidth_past(Bytes cache, const char* kernel, std::uint64_t seed) {
    constexpr std::int64_t elements = 1 << 20;
    const KernelCase shape{kernel, {elements}, DataType::fp32};
    const double past = std::min(past_cache_figures * cache.si(), 0.25 * available_memory().si());
    const int sets = std::max(static_cast<int>(past / (8.0 * elements)), 1);
    Rng rng(seed);
    const PreparedKernel prepared = find_kernel(kernel)->prepare(shape, sets, rng);
    return prepared.bytes / measure(prepared, {.budget = 0.6_s, .repeats_least = 2 * sets}).seconds();
}

// Guests see the whole last level of their host, but have a share of it: sums in place over growing arrays, until they run
// no faster than over the largest. Between two sizes that double, the geometric mean.
Bytes felt_cache(Bytes told, std::uint64_t seed) {
    constexpr std::int64_t elements = 1 << 16;
    constexpr double bytes_a_set = 8.0 * elements;
    constexpr double in_cache = 1.3;   // times the rate past it: a third of the way from memory's to a cache's twice as fast
    const double most = std::min(2.0 * std::max(told.si(), 64e6), 0.25 * available_memory().si());
    std::vector<double> rates;
    std::vector<double> sizes;
    for (double size = 4e6; size < 2.0 * most; size *= 2.0) {
        Rng rng(seed);
        const int sets = std::max(static_cast<int>(std::min(size, most) / bytes_a_set), 1);
        const PreparedKernel prepared = find_kernel("add")->prepare({"add", {elements}, DataType::fp32}, sets, rng);
        sizes.push_back(sets * bytes_a_set);
        rates.push_back((prepared.bytes / measure(prepared, {.budget = 0.1_s, .repeats_least = 2 * sets}).seconds()).si());
    }
    std::size_t slow = 0;
    while (slow + 1 < sizes.size() && rates[slow] > in_cache * rates.back()) ++slow;
    return Bytes::from_si(slow == 0 ? sizes.front() : std::sqrt(sizes[slow - 1] * sizes[slow]));
}

Seconds seconds_of(const KernelCase& shape, double parts, std::uint64_t seed) {
    Rng rng(seed);
    return measure(find_kernel(shape.kernel)->prepare(shape, 1, rng)).seconds() / parts;
}

}  // namespace

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
    figures.cache = felt_cache(Bytes::from_si(std::max(0.0, static_cast<double>(sysconf(_SC_LEVEL3_CACHE_SIZE)))), seed);
    figures.memory_capacity = Bytes::from_si(static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    figures.fp32_peak = urgent_peak(DataType::fp32);
    figures.bf16_peak = urgent_peak(DataType::bf16);
    figures.int8_peak = urgent_peak(DataType::int8);
    figures.triad_bandwidth = bandwidth_past(figures.cache, "triad", seed);
    figures.memory_bandwidth = std::max(figures.triad_bandwidth, bandwidth_past(figures.cache, "add", seed));
    constexpr double hops = 20000.0;
    const auto chased = static_cast<std::int64_t>(std::min(2.0 * past_cache_figures * figures.cache.si(), 0.25 * available_memory().si()));
    figures.memory_latency = seconds_of({"pointer-chase", {chased, static_cast<std::int64_t>(hops)}, DataType::fp32}, hops, seed);
    figures.launch = seconds_of({"launch", {100}, DataType::fp32}, 100.0, seed);
    return figures;
}

Device with_figures(Device device, const MachineFigures& figures) {
    if (!figures.device.empty()) return device;
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
