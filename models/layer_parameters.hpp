// One layer as counts: its parameters by kind and the arithmetic that a token asks of it.
#pragma once

#include "models/architecture.hpp"

namespace orrery {

/// Parameters of one layer of the whole model, before any sharding.
struct LayerParameters {
    double matrices = 0;  // every token meets them: attention, dense MLP, router, shared experts
    double experts = 0;   // routed experts, all of them
    double vectors = 0;   // norms and biases
};
LayerParameters layer_parameters(const Architecture& architecture, int index);

/// Matrix parameters of one layer's attention, split by what divides with the heads.
struct AttentionParameters {
    double by_heads = 0;      // projections to and from heads
    double replicated = 0;    // down-projections to latents, which every rank of a tensor group holds
    double vectors = 0;       // norms of the latents
};
AttentionParameters attention_parameters(const Architecture& architecture);

/// What a prediction layer adds to a decoder layer: two norms and the projection of (state, next embedding), 2h to h.
double prediction_parameters(const Architecture& architecture);

/// Forward arithmetic of layer `index` per token: 2 per active matrix parameter, and the attention scores.
Flop layer_forward_flop_per_token(const Architecture& architecture, int index, int sequence, bool causal_halved);

/// Of it, the scores and their product with the values: 4 per head width and key.
Flop attention_flop_per_token(const Architecture& architecture, int index, int sequence, bool causal_halved);

/// The scores of a decoder token against `keys` tokens of the encoder, and their product with the values.
Flop cross_attention_flop_per_token(const Architecture& architecture, int keys);

/// Parameters of one state-space mixer.
struct StateSpaceParameters {
    double in = 0;            // projection to gate, channels and (Mamba-2) states and steps
    double projections = 0;   // of Mamba-1: channels to steps and states, latent to steps
    double out = 0;
    double vectors = 0;       // convolution, decay, skip, step bias, norm
    [[nodiscard]] double matrices() const { return in + projections + out; }
};
StateSpaceParameters state_space_parameters(const Architecture& architecture);

/// Beside the table of tokens: positions, token types, norm, patch product.
double embedding_extras(const Architecture& architecture);
/// Beside the output matrix and its bias: last norms, pooler, transform.
double head_extras(const Architecture& architecture);

double norm_parameters(const Architecture& architecture);  // of one norm over the residual stream
int norms_of_layer(const Architecture& architecture, int index);
bool is_expert_layer(const Architecture& architecture, int index);
double active_share(const Architecture& architecture);  // of the routed experts, that one token visits

}  // namespace orrery
