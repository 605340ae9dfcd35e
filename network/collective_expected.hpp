// How far a measured collective may lie from its prediction: by what the prediction rests on.
#pragma once

#include "network/fabric.hpp"

namespace orrery {

/// Nine of ten measurements over the prediction lie in [low, high].
struct CollectiveExpected {
    double low = 1.0;
    double high = 1.0;
};

/// Calibrated tables predict sizes they lack within 12 % for nine of ten rows; parameters without a table of the kind
/// within a quarter. A generation never measured: up to 1.9 times as slow or as fast below 64 KiB, 25 % from 16 MiB. Between
/// domains from stated rates alone: from 512 MiB within a tenth; below, real fabrics of published sweeps were 0.8 to 6 times
/// as slow as hop latencies and rates say (p5, p4de, A100 and B200 clusters), which narrows from 64 MiB on.
CollectiveExpected expected_collective(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

}  // namespace orrery
