// Layers of LSTM cells as cuDNN runs them: one product for all inputs, then step after step (Appleyard et al.,
// "Optimizing Performance of Recurrent Neural Networks on GPUs", arXiv 1604.01946).
#include "models/families/recurrent.hpp"

#include "models/layer_tasks.hpp"

namespace orrery {

ModelOperator lstm_operator(const PassShape& s, std::string_view name, const RecurrentLayer& layer) {
    const std::int64_t gates = 4 * layer.hidden;
    const std::int64_t rows = s.samples * layer.steps;
    const auto product = [&](std::string_view called, std::int64_t m, std::int64_t n, std::int64_t k) {
        return compute_task(called, MatrixMultiply{m, n, k, 1, s.type, s.element_bytes}, OperatorClass::matrix);
    };
    // A step's gates: four pre-activations and the cell in, cell, state and four gates (kept) out; backward the same in
    // reverse with the gradients beside them.
    constexpr std::int64_t persistent_samples = 96;
    constexpr std::int64_t persistent_hidden = 1024;
    const bool persistent =
        s.samples <= persistent_samples && layer.hidden <= persistent_hidden && s.element_bytes <= 2.0;
    const double cells = s.element_bytes * static_cast<double>(s.samples * layer.hidden);
    ModelOperator one;
    one.name = name;
    for (int direction = 0; direction < layer.directions; ++direction) {
        one.forward.push_back(product("input gates", rows, gates, layer.inputs));
        if (persistent) {
            const auto steps = static_cast<double>(layer.steps);
            one.forward.push_back(product("state gates", rows, gates, layer.hidden));
            one.forward.push_back(streaming_task("cells", 14.0 * cells * steps, layer.steps));
            one.backward.push_back(streaming_task("cell gradients", 18.0 * cells * steps, layer.steps));
            one.backward.push_back(product("state gradient", rows, layer.hidden, gates));
        }
        for (std::int64_t step = 0; step < layer.steps && !persistent; ++step) {
            one.forward.push_back(product("state gates", s.samples, gates, layer.hidden));
            one.forward.push_back(streaming_task("cell", 14.0 * cells, 1));
            one.backward.push_back(streaming_task("cell gradient", 18.0 * cells, 1));
            one.backward.push_back(product("state gradient", s.samples, layer.hidden, gates));
        }
        one.backward.push_back(product("input gradient", rows, layer.inputs, gates));
        one.backward.push_back(product("input weight gradient", gates, layer.inputs, rows));
        one.backward.push_back(product("state weight gradient", gates, layer.hidden, rows));
    }
    const auto hidden = static_cast<double>(layer.hidden);
    one.parameters = layer.directions * 4.0 * hidden * (static_cast<double>(layer.inputs) + hidden + layer.biases);
    one.kept = Bytes::from_si(s.element_bytes * static_cast<double>(rows) *
                              (static_cast<double>(layer.inputs) + 6.0 * hidden * layer.directions));
    return one;
}

}  // namespace orrery
