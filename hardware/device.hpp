// One accelerator or processor: what its datasheet says and what was measured on it.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/data_type.hpp"
#include "hardware/units.hpp"
#include "hardware/work.hpp"

#include <memory>
#include <string>

namespace orrery {

enum class DeviceKind : std::uint8_t { gpu, tpu, npu, cpu, edge };

template <>
struct EnumTable<DeviceKind> {
    static constexpr std::array<EnumName<DeviceKind>, 5> names{{
        {DeviceKind::gpu, "gpu", "graphics processor used for computing"},
        {DeviceKind::tpu, "tpu", "systolic-array accelerator of Google"},
        {DeviceKind::npu, "npu", "other data-centre accelerator (Gaudi, Trainium, ...)"},
        {DeviceKind::cpu, "cpu", "general-purpose processor"},
        {DeviceKind::edge, "edge", "phone, Jetson, laptop or microcontroller part"},
    }};
};

/// Peaks are dense (no structured sparsity), per whole device; a zero means: the datasheet does not say.
struct Device {
    std::string name;
    std::string title;                       // as people write it
    DeviceKind kind = DeviceKind::gpu;
    int year = 0;
    PerDataType<FlopPerSecond> matrix_peak;  // of the matrix units, or of the vector units where it has no others
    FlopPerSecond vector_peak;               // fp32 outside the matrix units
    Bytes memory_capacity;
    BytesPerSecond memory_bandwidth;
    Bytes cache;                             // last level on chip
    int cores = 0;                           // SMs, CUs, tensor cores or CPU cores: what a wave of tiles fills
    BytesPerSecond scale_up_bandwidth;       // NVLink, xGMI, ICI: one direction, all links together
    int scale_up_domain = 1;                 // devices that reach each other at that rate
    BytesPerSecond host_bandwidth;           // PCIe or C2C, one direction
    Watts power_limit;                       // board or package limit
    Watts power_idle;
    /// Shared because fits carry thousands of residual points and a Device is copied freely; never null.
    std::shared_ptr<const Calibration> calibration = std::make_shared<const Calibration>();

    /// Dense peak for a type; falls back to the widest type that can hold it (fp8 on a device without: bf16).
    /// Zero if the device cannot do it at all.
    [[nodiscard]] FlopPerSecond peak(DataType type) const;

    /// What a catalogue file says, but for `matrix_peak` (one entry per number format).
    static constexpr auto fields() {
        using D = Device;
        return std::tuple{
            required_field("title", &D::title, any_value, "Name as people write it."),
            required_field("kind", &D::kind, any_value, "What sort of processor it is."),
            field("year", &D::year, {1950.0, 2100.0}, "Year of its introduction."),
            field("vector_peak", &D::vector_peak, positive, "Dense fp32 rate outside the matrix units."),
            field("memory_capacity", &D::memory_capacity, positive, "Memory of one device."),
            field("memory_bandwidth", &D::memory_bandwidth, positive, "Rate of that memory."),
            field("cache", &D::cache, positive, "Last level of cache on the chip."),
            field("cores", &D::cores, count, "SMs, CUs, matrix engines or CPU cores."),
            field("scale_up_bandwidth", &D::scale_up_bandwidth, positive,
                  "All scale-up links of one device together, one direction."),
            field("scale_up_domain", &D::scale_up_domain, count, "Devices that reach each other at that rate."),
            field("host_bandwidth", &D::host_bandwidth, positive, "To the host, one direction."),
            field("power_limit", &D::power_limit, positive, "Board or package limit."),
            field("power_idle", &D::power_idle, positive, "Power without work."),
        };
    }
};

/// How a software stack uses the device, as deviations from an isolated, well-written kernel.
struct SoftwareFactors {
    double matrix_slowdown = 1.0;       // on matrix multiplies
    double attention_slowdown = 1.0;    // on fused attention
    double streaming_efficiency = 0.0;  // share of memory bandwidth; 0: the device's own
    bool graph_launch = false;          // kernels follow each other in a stream: their profiled start is hidden
    bool operator==(const SoftwareFactors&) const = default;
};

/// Time of `work` on an otherwise idle device. Layer A (physics with fitted parameters) times layer B (residuals near
/// calibration points); where the device has no calibration of its kind, layer C: the parameters of the nearest
/// calibrated generation scaled by the datasheet. Never below the physical floor. Pure; 0.1 us a call by the
/// datasheet, 1 to 3 us with residual points: hot loops keep a PriceCache.
Seconds execution_time(const Device& device, const Work& work, const SoftwareFactors& software = {});

/// Lower bound that no implementation can beat: max(flop / peak, bytes / bandwidth).
Seconds physical_floor(const Device& device, const Work& work);

/// Which of the layers answered, for the provenance of a result: "measured on h100-sxm", "datasheet, as a100".
std::string price_basis(const Device& device, const Work& work);

}  // namespace orrery
