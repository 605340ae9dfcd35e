// Layers shared out over pipeline ranks: which kinds of them there are, and which chunk holds which.
#include "models/stage_layout.hpp"

#include "models/layer_parameters.hpp"
#include "models/pipeline_split.hpp"
#include "models/stage_placement.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Place of a role in the list, which grows by it if it is new.
int find_role(StageLayout& layout, const LayerRole& role) {
    const auto known = std::find(layout.roles.begin(), layout.roles.end(), role);
    const auto place = static_cast<int>(known - layout.roles.begin());
    if (known == layout.roles.end()) layout.roles.push_back(role);
    return place;
}

void append_layer(Chunk& chunk, int kind) {
    if (!chunk.empty() && chunk.back().kind == kind) {
        ++chunk.back().count;
    } else {
        chunk.push_back({kind, 1});
    }
}

/// True for the layers that the plan recomputes: all, or the first `recompute_layers` of each pipeline rank.
bool is_recomputed_layer(const TrainingSpec& spec, int layers_before_on_rank) {
    if (spec.recompute == Recompute::full) return true;
    return spec.recompute == Recompute::block && layers_before_on_rank < spec.recompute_layers;
}

LayerVariant variant_of(const Architecture& a, int index, bool recomputed) {
    LayerVariant variant;
    variant.part = layer_part(a, index);
    variant.encoder = is_encoder_layer(a, index);
    variant.windowed = is_windowed(a, index);
    variant.experts = is_expert_layer(a, index);
    variant.recomputed = recomputed;
    return variant;
}

/// The head, and after it each prediction layer with another use of the head.
void append_head(const Architecture& a, const TrainingSpec& spec, StageLayout& layout, Chunk& chunk) {
    append_layer(chunk, StageLayout::head);
    if (a.prediction_layers == 0) return;
    LayerVariant variant = variant_of(a, a.stack() - 1, spec.recompute == Recompute::full);
    variant.prediction = true;
    const int layer = find_role(layout, {LayerRole::Kind::layer, variant});
    const int again = find_role(layout, {LayerRole::Kind::head_again, {}});
    for (int i = 0; i < a.prediction_layers; ++i) {
        append_layer(chunk, layer);
        append_layer(chunk, again);
    }
}

/// The same layer, neither trained nor passed by gradients.
LayerVariant frozen_variant(LayerVariant variant) {
    variant.frozen = true;
    variant.recomputed = false;
    return variant;
}

}  // namespace

StageLayout stage_layout(const Architecture& a, const TrainingSpec& spec) {
    const Parallelism& plan = spec.parallelism;
    const int total = plan.model_stages();
    const auto split = stage_layers(a, plan);
    StageLayout layout;
    layout.roles = {{LayerRole::Kind::embedding, {}}, {LayerRole::Kind::head, {}}};
    layout.stages.resize(static_cast<std::size_t>(plan.pipeline));
    for (auto& chunks : layout.stages) chunks.resize(static_cast<std::size_t>(plan.chunks_per_rank()));
    std::vector<int> layers_on_rank(static_cast<std::size_t>(plan.pipeline), 0);
    int index = 0;
    for (int v = 0; v < total; ++v) {
        const int layers = split[static_cast<std::size_t>(v)];
        for (const VirtualStage& place : places_of(plan, v)) {
            const auto rank = static_cast<std::size_t>(place.stage);
            Chunk& chunk = layout.stages[rank][static_cast<std::size_t>(place.chunk)];
            if (v == 0) append_layer(chunk, StageLayout::embedding);
            for (int i = index; i < index + layers; ++i) {
                const LayerVariant variant = variant_of(a, i, is_recomputed_layer(spec, layers_on_rank[rank]++));
                append_layer(chunk, find_role(layout, {LayerRole::Kind::layer, i < spec.frozen.first_layers ? frozen_variant(variant) : variant}));
            }
            if (v == total - 1) append_head(a, spec, layout, chunk);
        }
        index += layers;
    }
    ORRERY_CHECK(index == a.stack());
    return layout;
}

RoleGraphs::RoleGraphs(const Architecture& architecture, const TrainingSpec& spec, const FrameworkProfile& framework)
    : a_(architecture),
      spec_(spec),
      cross_entropy_bytes_(framework.cross_entropy_bytes),
      shape_(layer_shape(architecture, spec, framework)),
      encoder_(architecture.encoder_layers > 0 ? encoder_shape(architecture, spec, framework) : shape_) {}

LayerGraph RoleGraphs::graph_of(const LayerRole& role) const {
    switch (role.kind) {
        case LayerRole::Kind::embedding:
            return embedding_layer(a_, shape_, spec_.frozen.embedding || spec_.frozen.first_layers > 0);
        case LayerRole::Kind::head: {
            const bool shares = a_.tied_embeddings && spec_.parallelism.joins_ends();
            return head_layer(a_, shape_, cross_entropy_bytes_, !shares);
        }
        case LayerRole::Kind::head_again: {
            LayerGraph again = head_layer(a_, shape_, cross_entropy_bytes_, false);
            again.name = "head again";
            return again;
        }
        case LayerRole::Kind::layer: break;
    }
    return decoder_layer(a_, role.variant.encoder ? encoder_ : shape_, role.variant, spec_.parallelism.fsdp);
}

}  // namespace orrery
