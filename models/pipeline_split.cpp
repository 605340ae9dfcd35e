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

}  // namespace orrery
