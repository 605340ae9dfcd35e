// Two shapes of decoder that tests of every folder build their models from.
#pragma once

#include "models/architecture.hpp"

namespace orrery::test {

/// A Llama-like decoder: gated MLP, rotary positions, no biases; 32,768 words, a multiple of 128 * 8.
inline Architecture llama(int layers, int hidden, int heads, int kv_heads, int ffn) {
    Architecture a;
    a.layers = layers;
    a.hidden = hidden;
    a.heads = heads;
    a.kv_heads = kv_heads;
    a.head_size = hidden / heads;
    a.ffn = ffn;
    a.vocabulary = 32768;
    return a;
}

/// A GPT: four times as wide an MLP, learned positions, biases, one matrix for embedding and head.
inline Architecture gpt(int layers, int hidden, int heads, int vocabulary, int positions) {
    Architecture a = llama(layers, hidden, heads, heads, 4 * hidden);
    a.vocabulary = vocabulary;
    a.positions_max = positions;
    a.activation = Activation::gelu;
    a.positions = Positions::learned;
    a.norm = Norm::layer_norm;
    a.tied_embeddings = true;
    a.attention_bias = true;
    a.linear_bias = true;
    return a;
}

}  // namespace orrery::test
