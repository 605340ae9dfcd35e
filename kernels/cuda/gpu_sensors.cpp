// The few functions of NVML that are read, by their names and types of its API reference (version 12).
#include "kernels/cuda/gpu_sensors.hpp"

#include <cstdio>

#include <dlfcn.h>

namespace orrery {
namespace {

constexpr int nvml_success = 0;
constexpr unsigned nvml_clock_sm = 1;
constexpr unsigned nvml_clock_memory = 2;
constexpr unsigned nvml_temperature_gpu = 0;
// nvmlClocksEventReasons: slowdown by hardware, by software for heat, by hardware for heat, power brake.
constexpr std::uint64_t nvml_held_back = 0x8 | 0x20 | 0x40 | 0x80;

}  // namespace

struct GpuSensors::Library {
    void* file = nullptr;
    int (*init)() = nullptr;
    int (*by_address)(const char*, void**) = nullptr;
    int (*clock)(void*, unsigned, unsigned*) = nullptr;
    int (*temperature)(void*, unsigned, unsigned*) = nullptr;
    int (*power)(void*, unsigned*) = nullptr;                // milliwatts
    int (*reasons)(void*, unsigned long long*) = nullptr;
    int (*driver)(char*, unsigned) = nullptr;

    template <class Function>
    bool find(const char* name, Function& function) {
        function = reinterpret_cast<Function>(dlsym(file, name));
        return function != nullptr;
    }
    bool open() {
        file = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
        return file != nullptr && find("nvmlInit_v2", init) && find("nvmlDeviceGetHandleByPciBusId_v2", by_address) && find("nvmlDeviceGetClockInfo", clock) &&
               find("nvmlDeviceGetTemperature", temperature) && find("nvmlDeviceGetPowerUsage", power) &&
               find("nvmlDeviceGetCurrentClocksThrottleReasons", reasons) && find("nvmlSystemGetDriverVersion", driver) && init() == nvml_success;
    }
};

bool GpuReading::held_back() const { return (reasons & nvml_held_back) != 0; }

std::string words_of(const GpuReading& reading) {
    char text[120];
    std::snprintf(text, sizeof text, "%.0f MHz, memory %.0f MHz, %.0f C, %.0f W%s", reading.clock_hz / 1e6, reading.memory_clock_hz / 1e6, reading.celsius,
                  reading.power.si(), reading.held_back() ? ", held back by heat or the power brake" : "");
    return text;
}

GpuSensors::GpuSensors(const std::string& pci) {
    auto library = std::make_shared<Library>();
    if (library->open() && library->by_address(pci.c_str(), &gpu_) == nvml_success) library_ = library;
}

std::optional<GpuReading> GpuSensors::read() const {
    if (!library_) return std::nullopt;
    unsigned clock = 0, memory = 0, celsius = 0, milliwatts = 0;
    unsigned long long reasons = 0;
    const bool read = library_->clock(gpu_, nvml_clock_sm, &clock) == nvml_success && library_->clock(gpu_, nvml_clock_memory, &memory) == nvml_success &&
                      library_->temperature(gpu_, nvml_temperature_gpu, &celsius) == nvml_success;
    if (!read) return std::nullopt;
    library_->power(gpu_, &milliwatts);   // boards that cannot tell say nothing
    library_->reasons(gpu_, &reasons);
    return GpuReading{1e6 * clock, 1e6 * memory, static_cast<double>(celsius), Watts::from_si(1e-3 * milliwatts), reasons};
}

std::string GpuSensors::driver() const {
    char text[80] = {};   // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE
    return library_ && library_->driver(text, sizeof text) == nvml_success ? std::string(text) : std::string();
}

}  // namespace orrery
