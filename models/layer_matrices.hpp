// The trained matrices of one layer as one rank holds them: what factored and preconditioned optimizers work on.
#pragma once

#include "models/layer_tasks.hpp"
#include "models/optimizer.hpp"

#include <vector>

namespace orrery {

/// Of a decoder layer; with adapters theirs. Their elements are the layer's parameters but for norms and biases.
std::vector<MatrixShape> layer_matrices(const Architecture& architecture, const LayerShape& shape,
                                        const LayerVariant& variant);

/// Of an embedding or a head that owns its matrix.
std::vector<MatrixShape> vocabulary_matrices(const LayerShape& shape);

}  // namespace orrery
