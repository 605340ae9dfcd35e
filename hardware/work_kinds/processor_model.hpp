// Layer A on processors: what a kernel counts (arithmetic, tiles, operands packed, bytes), each at the machine's own limit,
// times fitted factors.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/work.hpp"
#include "hardware/work_kinds/machine.hpp"

#include <array>
#include <cstddef>

namespace orrery {

/// Seconds that each count would take at the limit: the start first, then what cores do one after another, then what
/// memory does meanwhile.
struct ProcessorTerms {
    std::array<double, processor_factors> seconds{};
    std::size_t memory_from = 0;   // index of the first term of memory
    std::size_t terms = 0;
};

/// `machine` is the device at the format of the work's arithmetic; `vectors` at fp32.
ProcessorTerms processor_terms(const Machine& machine, const Machine& vectors, const Work& work);

/// start + (cores^q + memory^q)^(1/q), each a sum of terms times their factors.
double processor_seconds(const ProcessorTerms& terms, const ProcessorCost& cost);

/// Which of a calibration's costs is for this work.
ProcessorKind processor_kind(const Work& work);
/// The format that its arithmetic is done in.
DataType arithmetic_of(const Work& work);

/// Null where this kind was not measured in this format.
const ProcessorCost* find_processor_cost(const Calibration& calibration, const Work& work);

/// What layer B compares works of this kind by; null: nothing.
using ProcessorFeatures = std::array<float, 16> (*)(const Shape& shape, double cores);
ProcessorFeatures processor_features(ProcessorKind kind);
/// The shape of a work for layer B.
Shape processor_shape(const Work& work);

}  // namespace orrery
