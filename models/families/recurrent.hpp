// What recurrent families share: layers of LSTM cells, whose time steps follow one another.
#pragma once

#include "models/layered_operators.hpp"

namespace orrery {

/// One layer: `steps` time steps of `samples` sequences, from `inputs` to `hidden` values each way.
struct RecurrentLayer {
    std::int64_t steps = 1;
    std::int64_t inputs = 1;
    std::int64_t hidden = 1;
    int directions = 1;     // 2: once forward and once backward through time
    int biases = 2;         // of the four gates: cuDNN's cells have one for the input and one for the state
};

/// Hochreiter & Schmidhuber, Neural Computation 9(8), 1997. The products with the inputs of all steps are one; those
/// with the state, of samples x hidden by hidden x 4 hidden, wait for each other, with a kernel for the gates after each.
/// Small batches (96 sequences or fewer of up to 1,024 units, in 16 bit: the rule of PyTorch's
/// aten/src/ATen/native/cudnn/RNN.cpp) run as one persistent kernel instead, which keeps the weights on the chip (Diamos
/// et al., "Persistent RNNs", ICML 2016): the products of all steps at their joint rate, and a pause a step in which all
/// cores meet. Backward likewise, and one product over all steps for each of the two weight gradients.
ModelOperator lstm_operator(const PassShape& shape, std::string_view name, const RecurrentLayer& layer);

}  // namespace orrery
