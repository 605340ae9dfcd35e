// Recurrent translation: an encoder and a decoder of LSTM layers with attention between them (GNMT v2).
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>

namespace orrery {

/// Wu et al., arXiv 1609.08144, as MLPerf's and NVIDIA's v2 has it: a first encoder layer in both directions, attention
/// from the first decoder layer, its context given to all after it. A sample is a pair of sentences of
/// PassShape::sequence tokens each.
struct Gnmt {
    static constexpr std::string_view family = "gnmt";
    static constexpr std::string_view doc = "recurrent translation: LSTM encoder and decoder with attention";
    int encoder_layers = 4;
    int decoder_layers = 4;
    int hidden = 1024;
    int vocabulary = 32320;
    bool operator==(const Gnmt&) const = default;

    static constexpr auto fields() {
        using G = Gnmt;
        return std::tuple{
            field("encoder_layers", &G::encoder_layers, count, "LSTM layers of the encoder, the first in both directions."),
            field("decoder_layers", &G::decoder_layers, count, "LSTM layers of the decoder."),
            field("hidden", &G::hidden, count, "Width of states and embeddings."),
            field("vocabulary", &G::vocabulary, count, "Word pieces of both languages together."),
        };
    }
};

LayeredModel describe(const Gnmt& model, const PassShape& shape);

}  // namespace orrery
