// Dynamic programming over cuts, and the layers' times that it balances.
#include "sim/balance.hpp"

#include "models/stage_placement.hpp"
#include "sim/price.hpp"

#include <algorithm>
#include <limits>

namespace orrery {
namespace {

/// How good the cuts of a beginning of the model are.
struct CutCost {
    double longest = std::numeric_limits<double>::infinity();
    double squares = std::numeric_limits<double>::infinity();
    [[nodiscard]] bool is_better_than(const CutCost& other) const {
        if (longest != other.longest) return longest < other.longest;
        return squares < other.squares;
    }
};

/// Decoder layers before any prediction layer, in model order, as kinds; what comes before and after them in time.
struct ModelOrder {
    std::vector<int> layers;
    Seconds before{};
    Seconds after{};
};

ModelOrder model_order(const Parallelism& plan, const StepGraph& graph, const std::vector<Seconds>& times, int layers) {
    ModelOrder order;
    for (int piece = 0; piece < plan.model_stages(); ++piece) {
        const VirtualStage place = places_of(plan, piece).front();
        const StageGraph& stage = graph.stages[static_cast<std::size_t>(place.stage)];
        for (const LayerRun& run : stage.chunks[static_cast<std::size_t>(place.chunk)]) {
            for (int i = 0; i < run.count; ++i) {
                const auto kind = static_cast<std::size_t>(run.kind);
                const bool is_layer = graph.kinds[kind].is_decoder_layer && static_cast<int>(order.layers.size()) < layers;
                if (is_layer) {
                    order.layers.push_back(run.kind);
                } else {
                    (order.layers.empty() ? order.before : order.after) += times[kind];
                }
            }
        }
    }
    return order;
}

}  // namespace

std::vector<int> balanced_cuts(const std::vector<Seconds>& times, int pieces, Seconds first, Seconds last) {
    const auto total = static_cast<int>(times.size());
    ORRERY_CHECK(pieces >= 1);
    std::vector<double> until{0.0};
    for (const Seconds time : times) until.push_back(until.back() + time.si());
    const auto width = static_cast<std::size_t>(total) + 1;
    std::vector<CutCost> cost(static_cast<std::size_t>(pieces + 1) * width);
    std::vector<int> begin(cost.size(), 0);
    cost[0] = {0.0, 0.0};
    for (int piece = 1; piece <= pieces; ++piece) {
        const double more = (piece == 1 ? first.si() : 0.0) + (piece == pieces ? last.si() : 0.0);
        for (int end = 0; end <= total; ++end) {
            const std::size_t at = static_cast<std::size_t>(piece) * width + static_cast<std::size_t>(end);
            for (int start = 0; start <= end; ++start) {
                const CutCost& before = cost[static_cast<std::size_t>(piece - 1) * width + static_cast<std::size_t>(start)];
                const double time = until[static_cast<std::size_t>(end)] - until[static_cast<std::size_t>(start)] + more;
                const CutCost now{std::max(before.longest, time), before.squares + time * time};
                if (!now.is_better_than(cost[at])) continue;
                cost[at] = now;
                begin[at] = start;
            }
        }
    }
    std::vector<int> sizes(static_cast<std::size_t>(pieces));
    int end = total;
    for (int piece = pieces; piece >= 1; --piece) {
        const int start = begin[static_cast<std::size_t>(piece) * width + static_cast<std::size_t>(end)];
        sizes[static_cast<std::size_t>(piece - 1)] = end - start;
        end = start;
    }
    return sizes;
}

Result<std::vector<int>> balanced_stage_layers(const Cluster& cluster, const TrainingRun& run) {
    TrainingRun even = run;
    even.spec.parallelism.balance = false;
    const Result<StepGraph> graph = training_graph(even);
    if (!graph) return graph.problems();
    const std::vector<Seconds> times = layer_times(cluster, *graph, even.spec, even.framework);
    const Parallelism& plan = even.spec.parallelism;
    const ModelOrder order = model_order(plan, *graph, times, run.architecture.layers);
    std::vector<Seconds> layers;
    for (const int kind : order.layers) layers.push_back(times[static_cast<std::size_t>(kind)]);
    return balanced_cuts(layers, plan.model_stages(), order.before, order.after);
}

}  // namespace orrery
