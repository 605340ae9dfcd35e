// Speech recognition by a recurrent transducer: LSTM encoder, LSTM prediction network, a joint network over both.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>

namespace orrery {

/// Graves, arXiv 1211.3711, sized as MLPerf Training's RNN-T (v1.0): frames are stacked twice before the second part of
/// the encoder; the joint network sees every pair of a frame and a token.
struct RnnTransducer {
    static constexpr std::string_view family = "rnn-transducer";
    static constexpr std::string_view doc = "speech recognition: LSTM encoder and predictor, joint network (RNN-T)";
    int features = 240;         // of an input frame: 80 mel bands, three frames stacked
    int encoder_hidden = 1024;
    int encoder_first = 2;      // layers ahead of the stacking in time
    int encoder_last = 3;       // layers after it
    int stack = 2;
    int predictor_hidden = 512;
    int predictor_layers = 2;
    int joint = 512;
    int vocabulary = 1024;      // word pieces and the blank
    int frames = 410;           // of a mean utterance: 12.3 s of LibriSpeech (960 h in 281,241), 30 ms each
    int tokens = 42;            // of its text
    bool operator==(const RnnTransducer&) const = default;

    static constexpr auto fields() {
        using R = RnnTransducer;
        return std::tuple{
            field("features", &R::features, count, "Values of an input frame."),
            field("encoder_hidden", &R::encoder_hidden, count, "Width of the encoder's LSTM layers."),
            field("encoder_first", &R::encoder_first, count, "Encoder layers before frames are stacked."),
            field("encoder_last", &R::encoder_last, count, "Encoder layers after it."),
            field("stack", &R::stack, count, "Frames stacked into one."),
            field("predictor_hidden", &R::predictor_hidden, count, "Width of the prediction network."),
            field("predictor_layers", &R::predictor_layers, count, "LSTM layers of the prediction network."),
            field("joint", &R::joint, count, "Width of the joint network."),
            field("vocabulary", &R::vocabulary, count, "Outputs, the blank included."),
            field("frames", &R::frames, count, "Frames of a mean utterance."),
            field("tokens", &R::tokens, count, "Tokens of its text."),
        };
    }
};

LayeredModel describe(const RnnTransducer& model, const PassShape& shape);

}  // namespace orrery
