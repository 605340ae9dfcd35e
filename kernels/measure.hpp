// Measuring a prepared kernel: warm-up, repeats until the spread is small, median; and what this machine can do at most.
#pragma once

#include "hardware/device.hpp"
#include "hardware/fields.hpp"
#include "hardware/units.hpp"
#include "kernels/reference/kernel.hpp"

#include <cstdint>
#include <string>

namespace orrery {

struct MeasureOptions {
    double spread_max = 0.05;          // interquartile range over the median
    Seconds budget = 0.35_s;           // of repeats, once the least number is done
    int repeats_least = 7;
};

/// Neighbours on a shared machine only ever add time: where the spread of all repeats stays above its bound, the fastest
/// eighth still tells the kernel's own time.
struct Measurement {
    Seconds median;
    Seconds quiet;                     // below which an eighth of the repeats lie
    double spread = 0.0;               // interquartile range over the median
    int repeats = 0;
    bool steady = false;               // the spread came under its bound
    /// The median of a steady measurement, the quiet time of another.
    [[nodiscard]] Seconds seconds() const { return steady ? median : quiet; }
};

/// Takes the kernel's copies in turn. Runs shorter than 100 us are timed several together.
Measurement measure(const PreparedKernel& kernel, const MeasureOptions& options = {});

/// What a machine is and can do at most; the head of a calibration file made here.
struct MachineFigures {
    std::int64_t version = 1;          // of this form
    std::string processor;
    std::string libraries;
    std::int64_t seed = 1;
    std::int64_t cores = 1;            // threads that ran, each pinned to a processor
    FlopPerSecond fp32_peak;           // register-only kernels, all cores
    FlopPerSecond bf16_peak;           // zero: no such instruction
    FlopPerSecond int8_peak;
    BytesPerSecond memory_bandwidth;   // best STREAM triad past the caches
    Bytes cache;                       // last level
    Bytes memory_capacity;
    bool operator==(const MachineFigures&) const = default;
    static constexpr auto fields() {
        using M = MachineFigures;
        return std::tuple{
            required_field("version", &M::version, count, "Version of this form."),
            required_field("processor", &M::processor, any_value, "Processor as the system names it."),
            field("libraries", &M::libraries, any_value, "Libraries that ran, with versions."),
            field("seed", &M::seed, non_negative, "Of shapes and data."),
            required_field("cores", &M::cores, count, "Threads that ran, each pinned to a processor."),
            required_field("fp32_peak", &M::fp32_peak, positive, "Register-only fp32 rate of all cores."),
            field("bf16_peak", &M::bf16_peak, non_negative, "The same in bf16; 0: no such instruction."),
            field("int8_peak", &M::int8_peak, non_negative, "The same in int8; 0: no such instruction."),
            required_field("memory_bandwidth", &M::memory_bandwidth, positive, "Best STREAM triad past the caches."),
            field("cache", &M::cache, positive, "Last level of cache."),
            field("memory_capacity", &M::memory_capacity, positive, "Memory of the machine."),
        };
    }
};

constexpr std::int64_t machine_version = 1;   // the newest form that this program knows

/// Measures this machine on `threads` threads (which a PinnedTeam has pinned). Best of many short windows, so that
/// neighbours cost nothing but time.
MachineFigures measure_machine(int threads, std::uint64_t seed);

/// The device with these figures in place of its own.
Device with_figures(Device device, const MachineFigures& figures);

/// Memory that can be taken without swapping; zero where the system does not say.
Bytes available_memory();

}  // namespace orrery
