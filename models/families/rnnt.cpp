// Padding is taken to be removed from the joint network (packed pairs), as MLPerf's fastest entries do.
#include "models/families/rnnt.hpp"

#include "models/families/recurrent.hpp"

namespace orrery {
namespace {

ModelBlock named_block(std::string_view name, std::vector<ModelOperator> operators) {
    ModelBlock block;
    block.name = name;
    block.operators = std::move(operators);
    return block;
}

void add_encoder(const RnnTransducer& m, const PassShape& s, std::int64_t late, LayeredModel& layered) {
    for (int i = 0; i < m.encoder_first + m.encoder_last; ++i) {
        const bool early = i < m.encoder_first;
        const std::int64_t inputs = i == 0                 ? m.features
                                    : i == m.encoder_first ? std::int64_t{1} * m.stack * m.encoder_hidden
                                                           : m.encoder_hidden;
        const std::int64_t steps = early ? m.frames : late;
        const auto values = static_cast<double>(s.samples * steps * m.encoder_hidden);
        layered.blocks.push_back(
            named_block("encoder layer", {lstm_operator(s, "LSTM", {steps, inputs, m.encoder_hidden}),
                                          streaming_operator(s, "dropout", values, {2.0, 2.0, 0.5, 1})}));
    }
}

}  // namespace

LayeredModel describe(const RnnTransducer& m, const PassShape& s) {
    LayeredModel layered;
    layered.sample = "utterances";
    const std::int64_t late = (m.frames + m.stack - 1) / m.stack;
    const std::int64_t text = m.tokens + 1;
    add_encoder(m, s, late, layered);
    std::vector<ModelOperator> predictor{
        embedding_operator(s, "embedding", s.samples * text, m.vocabulary, m.predictor_hidden)};
    for (int i = 0; i < m.predictor_layers; ++i) {
        predictor.push_back(lstm_operator(s, "LSTM", {text, m.predictor_hidden, m.predictor_hidden}));
    }
    layered.blocks.push_back(named_block("predictor", std::move(predictor)));
    const std::int64_t pairs = s.samples * late * text;
    const auto joined = static_cast<double>(pairs * m.joint);
    const auto logits = static_cast<double>(pairs * m.vocabulary);
    layered.blocks.push_back(named_block(
        "joint", {linear_operator(s, "joint encoder", s.samples * late, m.joint, m.encoder_hidden),
                  linear_operator(s, "joint predictor", s.samples * text, m.joint, m.predictor_hidden),
                  streaming_operator(s, "joint sum", joined, {1.5, 2.5, 1.0, s.fused_kernels ? 1 : 3}),
                  linear_operator(s, "joint logits", pairs, m.vocabulary, m.joint),
                  streaming_operator(s, "transducer loss", logits, {2.0, 2.0, 0.0, 4})}));
    return layered;
}

}  // namespace orrery
