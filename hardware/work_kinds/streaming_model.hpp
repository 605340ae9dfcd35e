// Layer A of work that only moves bytes: in order (streaming) or row by row (gather).
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/work_kinds/gather.hpp"
#include "hardware/work_kinds/machine.hpp"
#include "hardware/work_kinds/streaming.hpp"

namespace orrery {

/// Seconds of `work` with its launches; `machine` is the device at fp32, whose peak is that of the vector units.
double streaming_seconds(const Machine& machine, const StreamingParameters& parameters, const Streaming& work);

/// Seconds of one gather or scatter with its launch.
double gather_seconds(const Machine& machine, const StreamingParameters& parameters, const Gather& work);

/// Bytes that a gather moves: the row read and written out; a scatter also reads what it adds to.
double gather_bytes(const Gather& work);

}  // namespace orrery
