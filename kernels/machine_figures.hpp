// What the machine at hand is and can do at most: the head of a calibration made on it.
#pragma once

#include "hardware/device.hpp"
#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <cstdint>
#include <string>

namespace orrery {

struct MachineFigures {
    std::int64_t version = 1;          // of this form
    std::string processor;
    std::string device;                // of a GPU: its name in the catalogue, whose figures stay its own; empty: this machine
    std::string libraries;
    std::int64_t seed = 1;
    std::int64_t cores = 1;            // threads that ran, each pinned to a processor
    FlopPerSecond fp32_peak;           // register-only kernels, all cores
    FlopPerSecond bf16_peak;           // zero: no such instruction
    FlopPerSecond int8_peak;
    BytesPerSecond memory_bandwidth;   // best of a triad and of an addition in place, past the caches
    BytesPerSecond triad_bandwidth;    // STREAM triad past the caches, stores that go around them
    Seconds memory_latency;            // of a dependent read past the caches
    Seconds launch;                    // starting and ending work on all cores
    Bytes cache;                       // last level, as far as this machine feels it
    Bytes memory_capacity;
    bool operator==(const MachineFigures&) const = default;
    static constexpr auto fields() {
        using M = MachineFigures;
        return std::tuple{
            required_field("version", &M::version, count, "Version of this form."),
            required_field("processor", &M::processor, any_value, "Processor as the system names it."),
            field("device", &M::device, any_value, "Of a GPU: its device in the catalogue; absent: a processor."),
            field("libraries", &M::libraries, any_value, "Libraries that ran, with versions."),
            field("seed", &M::seed, non_negative, "Of shapes and data."),
            required_field("cores", &M::cores, count, "Threads that ran, each pinned to a processor."),
            required_field("fp32_peak", &M::fp32_peak, positive, "Register-only fp32 rate of all cores."),
            field("bf16_peak", &M::bf16_peak, non_negative, "The same in bf16; 0: no such instruction."),
            field("int8_peak", &M::int8_peak, non_negative, "The same in int8; 0: no such instruction."),
            required_field("memory_bandwidth", &M::memory_bandwidth, positive, "Best of triad and addition past the caches."),
            field("triad_bandwidth", &M::triad_bandwidth, non_negative, "STREAM triad past the caches."),
            field("memory_latency", &M::memory_latency, non_negative, "Of a dependent read past the caches."),
            field("launch", &M::launch, non_negative, "Starting and ending work on all cores."),
            field("cache", &M::cache, positive, "Last level of cache, as far as this machine feels it."),
            field("memory_capacity", &M::memory_capacity, positive, "Memory of the machine."),
        };
    }
};

constexpr std::int64_t machine_version = 1;   // the newest form that this program knows

/// Measures this machine on `threads` threads (which a PinnedTeam has pinned). Best of many short windows, so that
/// neighbours cost nothing but time.
MachineFigures measure_machine(int threads, std::uint64_t seed);

/// The device with these figures in place of its own; a GPU's figures are told, and its device stays the catalogue's.
Device with_figures(Device device, const MachineFigures& figures);

/// Memory that can be taken without swapping; zero where the system does not say.
Bytes available_memory();

}  // namespace orrery
