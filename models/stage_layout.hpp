// What each pipeline rank holds, as roles of layers, before anything is known of their work: the part of a step graph
// that plans with the same pipeline share.
#pragma once

#include "models/layer_tasks.hpp"
#include "models/step_graph.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// A kind of layer by what tells it from others.
struct LayerRole {
    enum class Kind : std::uint8_t { embedding, head, layer, head_again };
    Kind kind = Kind::layer;
    LayerVariant variant;   // of a layer
    bool operator==(const LayerRole&) const = default;
};

struct StageLayout {
    static constexpr int embedding = 0;      // places in `roles`
    static constexpr int head = 1;
    std::vector<LayerRole> roles;            // distinct
    std::vector<std::vector<Chunk>> stages;  // by pipeline rank; LayerRun::kind is a place in `roles`
};

/// Requires a plan without problems (see plan_problems.hpp).
StageLayout stage_layout(const Architecture& architecture, const TrainingSpec& spec);

/// Builds the graphs of roles under one plan; keeps references to all it is given.
class RoleGraphs {
  public:
    RoleGraphs(const Architecture& architecture, const TrainingSpec& spec, const FrameworkProfile& framework);
    [[nodiscard]] LayerGraph graph_of(const LayerRole& role) const;
    [[nodiscard]] const LayerShape& shape() const { return shape_; }

  private:
    const Architecture& a_;
    const TrainingSpec& spec_;
    double cross_entropy_bytes_;
    LayerShape shape_;
    LayerShape encoder_;
};

/// Messages between stages, and the tied embedding's exchange.
void add_messages(const Architecture& architecture, const LayerShape& shape, const Parallelism& plan,
                  const FrameworkProfile& framework, StepGraph& graph);

}  // namespace orrery
