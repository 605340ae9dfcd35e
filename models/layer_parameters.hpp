// One decoder layer as counts: its parameters by kind and the arithmetic that a token asks of it.
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

double norm_parameters(const Architecture& architecture);  // of one norm over the residual stream
int norms_per_layer(const Architecture& architecture);
bool is_expert_layer(const Architecture& architecture, int index);
double active_share(const Architecture& architecture);  // of the routed experts, that one token visits

}  // namespace orrery
