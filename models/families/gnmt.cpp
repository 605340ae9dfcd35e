// Teacher forcing: a decoder layer runs over all steps before the next, so attention is one operator over all queries.
#include "models/families/gnmt.hpp"

#include "models/families/recurrent.hpp"

namespace orrery {
namespace {

ModelBlock block_of(std::string_view name, int count, std::vector<ModelOperator> operators) {
    ModelBlock block;
    block.name = name;
    block.count = count;
    block.operators = std::move(operators);
    return block;
}

/// Additive attention (Bahdanau et al., arXiv 1409.0473) with normalised weights: queries and keys projected, a sum
/// and tanh for each pair and channel, scores, softmax, context.
std::vector<ModelOperator> additive_attention(const Gnmt& m, const PassShape& s, std::int64_t rows) {
    const auto pairs = static_cast<double>(rows * s.sequence);
    return {linear_operator(s, "attention query", rows, m.hidden, m.hidden, false),
            linear_operator(s, "attention keys", rows, m.hidden, m.hidden, false),
            streaming_operator(s, "attention scores", pairs * m.hidden, {4.0, 6.0, 1.0, 4}, 2.0 * m.hidden + 1.0),
            streaming_operator(s, "attention weights", pairs, {4.0, 6.0, 1.0, 3})};
}

}  // namespace

LayeredModel describe(const Gnmt& m, const PassShape& s) {
    LayeredModel layered;
    layered.sample = "sentence pairs";
    layered.has_tokens = true;
    const std::int64_t steps = s.sequence;
    const std::int64_t rows = s.samples * steps;
    const auto values = static_cast<double>(rows * m.hidden);
    const ModelOperator dropout = streaming_operator(s, "dropout", values, {2.0, 2.0, 0.5, 1});
    const ModelOperator residual = streaming_operator(s, "residual", values, {3.0, 2.0, 0.0, 1});
    ModelOperator embedding = embedding_operator(s, "embedding", 2 * rows, m.vocabulary, m.hidden);
    layered.blocks.push_back(block_of("embedding", 1, {embedding, dropout}));
    layered.blocks.push_back(
        block_of("encoder layer, both ways", 1, {lstm_operator(s, "LSTM", {steps, m.hidden, m.hidden, 2}), dropout}));
    if (m.encoder_layers > 1) {
        layered.blocks.push_back(
            block_of("encoder layer", 1, {lstm_operator(s, "LSTM", {steps, 2 * m.hidden, m.hidden}), dropout}));
    }
    if (m.encoder_layers > 2) {
        layered.blocks.push_back(block_of("encoder layer", m.encoder_layers - 2,
                                          {lstm_operator(s, "LSTM", {steps, m.hidden, m.hidden}), dropout, residual}));
    }
    std::vector<ModelOperator> first{lstm_operator(s, "LSTM", {steps, m.hidden, m.hidden}), dropout};
    for (ModelOperator& one : additive_attention(m, s, rows)) first.push_back(std::move(one));
    layered.blocks.push_back(block_of("decoder layer with attention", 1, std::move(first)));
    if (m.decoder_layers > 1) {
        layered.blocks.push_back(
            block_of("decoder layer", m.decoder_layers - 1,
                     {lstm_operator(s, "LSTM", {steps, 2 * m.hidden, m.hidden}), dropout, residual}));
    }
    layered.blocks.push_back(block_of(
        "head", 1,
        {linear_operator(s, "logits", rows, m.vocabulary, m.hidden, true),
         streaming_operator(s, "cross entropy", static_cast<double>(rows) * m.vocabulary, {4.0, 3.0, 1.0, 3})}));
    return layered;
}

}  // namespace orrery
