// What one byte of a transfer's progress puts on a link.
#pragma once

#include "network/collective.hpp"

namespace orrery {

/// Load on a link while one byte of a transfer's progress is made.
struct LinkLoad {
    LinkId link;
    double bytes_per_byte;
    bool operator==(const LinkLoad&) const = default;
};

}  // namespace orrery
