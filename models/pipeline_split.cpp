// Sharing out decoder layers over virtual pipeline stages.
#include "models/pipeline_split.hpp"

#include "hardware/result.hpp"

namespace orrery {

std::vector<int> pipeline_split(int layers, int virtual_stages_total, int prediction_layers) {
    ORRERY_CHECK(layers >= 1);
    ORRERY_CHECK(virtual_stages_total >= 1);
    const int share = layers / virtual_stages_total;
    const int rest = layers % virtual_stages_total;
    if (rest == 0) return std::vector<int>(static_cast<std::size_t>(virtual_stages_total), share);
    const int slots = layers + prediction_layers + 2;
    if (prediction_layers > 0 && slots % virtual_stages_total == 0 &&
        slots / virtual_stages_total > prediction_layers + 2) {
        std::vector<int> split(static_cast<std::size_t>(virtual_stages_total), slots / virtual_stages_total);
        split.back() -= prediction_layers + 2;
        return split;
    }
    if ((layers + 2) % virtual_stages_total == 0) {
        std::vector<int> split(static_cast<std::size_t>(virtual_stages_total), (layers + 2) / virtual_stages_total);
        split.front() -= 1;
        split.back() -= 1;
        return split;
    }
    if (share == 0) return {};
    std::vector<int> split(static_cast<std::size_t>(virtual_stages_total), share);
    // A run of neighbours just before the last stage: round the pipeline ranks, so that ranks differ by one at most.
    for (int i = virtual_stages_total - 1 - rest; i < virtual_stages_total - 1; ++i)
        split[static_cast<std::size_t>(i)] += 1;
    return split;
}

std::vector<int> stage_layers(const Architecture& architecture, const Parallelism& plan) {
    if (!plan.stage_layers.empty()) return plan.stage_layers;
    const bool has_own_ends = plan.first_stage_layers > 0 || plan.last_stage_layers > 0;
    if (!has_own_ends && !plan.count_embedding && !plan.count_head) {
        return pipeline_split(architecture.stack(), plan.model_stages(), architecture.prediction_layers);
    }
    const int chunks = plan.model_stages() / plan.pipeline;
    const int slots = architecture.stack() + (plan.count_embedding ? 1 : 0) + (plan.count_head ? 1 : 0);
    const int ends = (plan.first_stage_layers > 0 ? 1 : 0) + (plan.last_stage_layers > 0 ? 1 : 0);
    const int left = slots - plan.first_stage_layers - plan.last_stage_layers;
    const int pieces = (plan.pipeline - ends) * chunks;
    const bool fills = pieces > 0 ? left >= 0 && left % pieces == 0 : left == 0;
    if (!fills || plan.first_stage_layers % chunks != 0 || plan.last_stage_layers % chunks != 0) return {};
    std::vector<int> split;
    for (int v = 0; v < plan.model_stages(); ++v) {
        const int rank = v % plan.pipeline;
        if (rank == 0 && plan.first_stage_layers > 0) {
            split.push_back(plan.first_stage_layers / chunks);
        } else if (rank == plan.pipeline - 1 && plan.last_stage_layers > 0) {
            split.push_back(plan.last_stage_layers / chunks);
        } else {
            split.push_back(left / pieces);
        }
    }
    if (plan.count_embedding) split.front() -= 1;
    if (plan.count_head) split.back() -= 1;
    if (split.front() < 0 || split.back() < 0) return {};
    return split;
}

}  // namespace orrery
