// A real training step of a small decoder on this machine, operator by operator.
#pragma once

#include "hardware/units.hpp"
#include "hardware/work.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace orrery {

/// A decoder with RMS norms, rotary positions, grouped-query attention and SwiGLU, all in fp32.
struct StepShape {
    std::int64_t layers = 2;
    std::int64_t hidden = 512;
    std::int64_t heads = 8;
    std::int64_t kv_heads = 4;
    std::int64_t inner = 1408;
    std::int64_t vocabulary = 8192;
    std::int64_t sequence = 256;
    std::int64_t batch = 4;
};

/// One operator of the step: what Orrery would be asked for, and its measured time.
struct StepOperator {
    std::string kind;      // product, attention, streaming, gather, optimizer
    std::string words;     // the work, for a reader
    Work work;
    Seconds measured;
};

struct MeasuredStep {
    std::vector<StepOperator> operators;   // in the order of the step
    Seconds total;                         // of whole steps, gaps between operators included
    FlopPerSecond register_rate;           // median of what registers did in fp32 just before each step: the clock
    std::vector<double> losses;            // of the steps on one batch of tokens, by cross entropy
    double gradient_norm = 0.0;            // of the last step, over all parameters
};

/// "product 1 x 2 x 3", "streaming of 4 kB, 5 kflop", ...
std::string words_of_step(const Work& work);

/// `fresh` bytes are written where none were read; all in SI.
Work streaming_of(double bytes, double flop, double fresh);

/// Forward, backward and AdamW, `steps` times (at least 2; the first warms up and is not measured). Equal seeds give
/// equal losses.
MeasuredStep run_training_step(const StepShape& shape, int steps, std::uint64_t seed);

}  // namespace orrery
