// Dynamic programming over cuts, and the layers' times that it balances.
#include "sim/balance.hpp"

#include "models/stage_placement.hpp"
#include "sim/group_answers.hpp"
#include "sim/mixed.hpp"

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

LayersOnDevice times_on(const std::vector<Seconds>& times, const Parallelism& plan, const StepGraph& graph, int layers) {
    const ModelOrder order = model_order(plan, graph, times, layers);
    LayersOnDevice own{{}, order.before, order.after};
    for (const int kind : order.layers) own.layers.push_back(times[static_cast<std::size_t>(kind)]);
    return own;
}

}  // namespace

std::vector<int> balanced_cuts(std::span<const ModelPiece> pieces) {
    ORRERY_CHECK(!pieces.empty());
    const auto total = static_cast<int>(pieces.front().times.size());
    const auto width = static_cast<std::size_t>(total) + 1;
    std::vector<CutCost> cost((pieces.size() + 1) * width);
    std::vector<int> begin(cost.size(), 0);
    std::vector<double> until;
    cost[0] = {0.0, 0.0};
    for (std::size_t piece = 1; piece <= pieces.size(); ++piece) {
        const ModelPiece& own = pieces[piece - 1];
        if (piece == 1 || own.times.data() != pieces[piece - 2].times.data()) {
            until.assign(1, 0.0);
            for (const Seconds time : own.times) until.push_back(until.back() + time.si());
        }
        for (int end = 0; end <= total; ++end) {
            const std::size_t at = piece * width + static_cast<std::size_t>(end);
            for (int start = std::max(0, end - std::min(own.most, total)); start <= end; ++start) {
                const CutCost& before = cost[(piece - 1) * width + static_cast<std::size_t>(start)];
                const double time = until[static_cast<std::size_t>(end)] - until[static_cast<std::size_t>(start)] + own.more.si();
                const CutCost now{std::max(before.longest, time), before.squares + time * time};
                if (!now.is_better_than(cost[at])) continue;
                cost[at] = now;
                begin[at] = start;
            }
        }
    }
    if (cost.back().longest == std::numeric_limits<double>::infinity()) return {};
    std::vector<int> sizes(pieces.size());
    int end = total;
    for (std::size_t piece = pieces.size(); piece >= 1; --piece) {
        const int start = begin[piece * width + static_cast<std::size_t>(end)];
        sizes[piece - 1] = end - start;
        end = start;
    }
    return sizes;
}

std::vector<int> balanced_cuts(const std::vector<Seconds>& times, int pieces, Seconds first, Seconds last) {
    ORRERY_CHECK(pieces >= 1);
    std::vector<ModelPiece> all(static_cast<std::size_t>(pieces), ModelPiece{times, {}});
    all.front().more += first;
    all.back().more += last;
    return balanced_cuts(all);
}

bool balances_layers(const Cluster& cluster, const Parallelism& plan) {
    if (plan.balance) return true;
    const bool says_how = !plan.stage_layers.empty() || plan.first_stage_layers > 0 || plan.last_stage_layers > 0 || plan.count_embedding ||
                          plan.count_head;
    return cluster.is_mixed() && !says_how && plan.pipeline > 1;
}

std::vector<int> even_layers(int layers, int pieces) {
    std::vector<int> even(static_cast<std::size_t>(pieces), layers / pieces);
    for (int i = 0; i < layers % pieces; ++i) ++even[static_cast<std::size_t>(i)];
    return even;
}

std::vector<int> layers_by_group(const Cluster& cluster, const Parallelism& plan, std::span<const LayersOnDevice> by_group,
                                 const StagesFit& fits) {
    const std::vector<int> group_of = groups_of_stages(cluster, plan);
    std::vector<ModelPiece> pieces;
    std::vector<std::size_t> stage_of;
    for (int piece = 0; piece < plan.model_stages(); ++piece) {
        stage_of.push_back(static_cast<std::size_t>(places_of(plan, piece).front().stage));
        const LayersOnDevice& own = by_group[static_cast<std::size_t>(group_of[stage_of.back()])];
        pieces.push_back({own.layers, {}});
        if (piece == 0) pieces.back().more += own.before;
        if (piece + 1 == plan.model_stages()) pieces.back().more += own.after;
    }
    const std::vector<int> by_time = balanced_cuts(pieces);
    if (!fits) return by_time;
    for (std::vector<int> layers = by_time; !layers.empty(); layers = balanced_cuts(pieces)) {
        const std::vector<char> fit = fits(layers);
        bool all_fit = true;
        bool is_stuck = true;
        for (std::size_t piece = 0; piece < pieces.size(); ++piece) {
            if (fit[stage_of[piece]] != 0) continue;
            all_fit = false;
            is_stuck = is_stuck && layers[piece] == 0;
            pieces[piece].most = std::max(layers[piece] - 1, 0);
        }
        if (all_fit) return layers;
        if (is_stuck) break;
    }
    return by_time;
}

Result<std::vector<int>> balanced_stage_layers(const Cluster& cluster, const TrainingRun& run) {
    TrainingRun even = run;
    Parallelism& plan = even.spec.parallelism;
    plan.balance = false;
    if (cluster.is_mixed()) {
        if (std::optional<Problem> problem = mixed_problem(cluster, plan)) return *problem;
        plan.stage_layers = even_layers(run.architecture.stack(), plan.model_stages());
    }
    const Result<StepGraph> graph = training_graph(even);
    if (!graph) return graph.problems();
    const auto on = [&](const Cluster& alike) {
        return times_on(layer_times(alike, *graph, even.spec, even.framework), plan, *graph, run.architecture.layers);
    };
    std::vector<LayersOnDevice> by_group;
    if (!cluster.is_mixed()) by_group.push_back(on(cluster));
    for (const DeviceGroup& group : cluster.groups) by_group.push_back(on(*group.alike));
    StagesFit fits;
    if (cluster.is_mixed()) {
        fits = [&](const std::vector<int>& layers) {
            plan.stage_layers = layers;
            const Result<StepGraph> cut = training_graph(even);
            return cut ? stages_fit(cluster, even, *cut) : std::vector<char>(static_cast<std::size_t>(plan.pipeline), 1);
        };
    }
    return layers_by_group(cluster, plan, by_group, fits);
}

}  // namespace orrery
