// Work that is bound by moving bytes in order: norms, activations, rotary, residuals, optimizer steps, casts.
#pragma once

#include "hardware/units.hpp"

#include <cstdint>

namespace orrery {

/// `kernels` launches that together read and write `bytes` once each, with `flop` of arithmetic in the vector units.
struct Streaming {
    Bytes bytes;
    std::int64_t kernels = 1;
    Flop flop{};
    /// Of the bytes, those of results that lie where nothing was read: caches of processors fetch such lines before they
    /// are written. A third where nobody says: two arrays in, one out.
    double fresh_share = 1.0 / 3.0;
    bool operator==(const Streaming&) const = default;
};

}  // namespace orrery
