// One measured layer of experts as the most loaded rank sees it: its grouped products and the rows moved around them.
#pragma once

#include "hardware/work.hpp"
#include "kernels/measured_table.hpp"

namespace orrery {

/// What the most loaded rank has to do.
struct ExpertLayer {
    GroupedMatrixMultiply up;      // gate and up-projection in one
    GroupedMatrixMultiply down;
    Bytes moved;                   // rows sorted by expert, activation, sum over a token's experts; 16-bit values
};

/// Tokens are spread evenly, or by the collector's power law: loads drawn with density load^-alpha between 1 and 0.8
/// tokens (0.01 and 2 where there are fewer rows than experts), scaled to the rows there are. The draws are not in the
/// tables; the layer is the mean of a few, of which each time the most loaded rank counts.
ExpertLayer expert_layer(const MeasuredExperts& row);

}  // namespace orrery
