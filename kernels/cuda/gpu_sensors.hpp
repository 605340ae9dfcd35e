// Clocks, temperature and power of a GPU by NVML, which is looked for at run time. Needs no CUDA at build time.
#pragma once

#include "hardware/units.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace orrery {

struct GpuReading {
    double clock_hz = 0.0;           // of the multiprocessors
    double memory_clock_hz = 0.0;
    double celsius = 0.0;
    Watts power;
    std::uint64_t reasons = 0;       // why the clock is not higher, NVML's bits
    /// Heat or the board's power brake hold the clock down; its usual power limit does not count.
    [[nodiscard]] bool held_back() const;
};

/// "1980 MHz, memory 2619 MHz, 41 C, 118 W".
std::string words_of(const GpuReading& reading);

/// Reads one GPU, known by its address on the bus. Nothing to read where NVML is missing.
class GpuSensors {
  public:
    explicit GpuSensors(const std::string& pci);
    [[nodiscard]] std::optional<GpuReading> read() const;
    /// Release of the driver, "580.65.06"; empty where it does not say.
    [[nodiscard]] std::string driver() const;

  private:
    struct Library;
    std::shared_ptr<const Library> library_;
    void* gpu_ = nullptr;
};

}  // namespace orrery
