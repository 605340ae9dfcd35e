// Work that moves rows picked by index: embedding look-up and its gradient, token permutation for experts.
#pragma once

#include "hardware/units.hpp"

#include <cstdint>

namespace orrery {

/// Reads (or, as scatter, reads, adds and writes) `rows` rows of `row_bytes` out of a table of `table_bytes`.
struct Gather {
    std::int64_t rows = 1;
    Bytes row_bytes;
    Bytes table_bytes;
    bool scatter_add = false;
    bool operator==(const Gather&) const = default;
};

}  // namespace orrery
