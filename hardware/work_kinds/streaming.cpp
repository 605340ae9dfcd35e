// Prices byte movers: launches plus bytes over the achievable bandwidth (Hockney's line, one per kernel).
#include "hardware/work_kinds/streaming_model.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

// Memory is fetched in sectors: 32 bytes on NVIDIA GPUs since Maxwell (CUDA C++ Best Practices Guide, "Coalesced
// access"), 64-byte lines on CPUs and AMD parts; two sectors cover both.
constexpr double sector_bytes = 64.0;

double seconds_of_bytes(const Machine& machine, const StreamingParameters& parameters, double bytes) {
    return machine.bandwidth > 0.0 ? bytes / (machine.bandwidth * parameters.memory_efficiency) : 0.0;
}

}  // namespace

double streaming_seconds(const Machine& machine, const StreamingParameters& parameters, const Streaming& work) {
    const double arithmetic = machine.peak > 0.0 ? work.flop.si() / (machine.peak * parameters.vector_efficiency) : 0.0;
    return static_cast<double>(work.kernels) * parameters.launch.si() +
           std::max(seconds_of_bytes(machine, parameters, work.bytes.si()), arithmetic);
}

double gather_bytes(const Gather& work) {
    return static_cast<double>(work.rows) * work.row_bytes.si() * (work.scatter_add ? 3.0 : 2.0);
}

double gather_seconds(const Machine& machine, const StreamingParameters& parameters, const Gather& work) {
    const double row = work.row_bytes.si();
    const double fetched = row > 0.0 ? std::ceil(row / sector_bytes) * sector_bytes / row : 1.0;
    return parameters.launch.si() + seconds_of_bytes(machine, parameters, gather_bytes(work) * fetched);
}

}  // namespace orrery
