// Tables are assumed to be shared out evenly: each rank looks up its tables' rows for the samples of all ranks, which
// are as many rows as all tables' for its own samples.
#include "models/families/dlrm.hpp"

#include "models/layer_tasks.hpp"
#include "models/layered_operators.hpp"

#include <numeric>

namespace orrery {
namespace {

// Bytes moved per looked-up index before rows can be added: 64-bit keys and 32-bit positions through four passes of a
// radix sort (read and written, 8 bits a pass would be eight; keys of 40 M rows need 26 bits), and the run lengths.
constexpr double sort_bytes_per_index = 4.0 * 2.0 * 12.0 + 16.0;
constexpr int sort_kernels = 6;

/// What an embedding costs on one rank: rows read and pooled ahead of the all-to-all, rows added to after its way back.
ModelOperator tables_operator(const Dlrm& model, const PassShape& s) {
    const auto tables = static_cast<double>(model.tables.size());
    const double rows = std::accumulate(model.tables.begin(), model.tables.end(), 0.0);
    const double looked_up =
        model.lookups.empty() ? tables : std::accumulate(model.lookups.begin(), model.lookups.end(), 0.0);
    const auto samples = static_cast<double>(s.samples);
    const Bytes row = Bytes::from_si(s.element_bytes * model.width);
    const Bytes table = row * (rows / static_cast<double>(s.replicas));
    // A gather reads and writes each row once; a pooled one writes a row per table only.
    const auto count = [&](double per_sample) { return static_cast<std::int64_t>(samples * per_sample); };
    ModelOperator one;
    one.name = "embedding tables";
    one.forward = {compute_task("embedding tables", Gather{count(0.5 * (looked_up + tables)), row, table, false},
                                OperatorClass::embedding)};
    one.backward = {streaming_task("sort indices", sort_bytes_per_index * samples * looked_up, sort_kernels),
                    compute_task("embedding update", Gather{count(looked_up), row, table, true},
                                 OperatorClass::embedding)};
    if (s.replicas > 1) {
        const Bytes pooled = row * (samples * tables);
        const ExchangeTask exchange{Collective{CollectiveKind::all_to_all, pooled, s.type}, Axis::data_context};
        one.forward.push_back({"pooled embeddings all-to-all", exchange});
        one.backward.insert(one.backward.begin(), {"embedding gradients all-to-all", exchange});
    }
    one.sharded_parameters = rows * model.width / static_cast<double>(s.replicas);
    one.kept = row * (samples * tables) + Bytes::from_si(8.0 * samples * looked_up);
    return one;
}

ModelBlock mlp_block(const PassShape& s, std::string_view name, std::int64_t inputs, const std::vector<int>& widths,
                     bool first) {
    ModelBlock block;
    block.name = name;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        block.operators.push_back(linear_operator(s, name, s.samples, widths[i], inputs, true, !(first && i == 0)));
        const double outputs = static_cast<double>(s.samples) * widths[i];
        // Bias and activation are the product's own epilogue where kernels are fused.
        if (!s.fused_kernels) block.operators.push_back(streaming_operator(s, "activation", outputs, {2.0, 3.0, 0.0, 1}));
        inputs = widths[i];
    }
    return block;
}

/// x0 (W (V x) + b) + x, once per layer.
void add_cross_layer(const Dlrm& model, const PassShape& s, std::int64_t width, std::vector<ModelOperator>& operators) {
    operators.push_back(linear_operator(s, "cross down", s.samples, model.cross_rank, width, false));
    operators.push_back(linear_operator(s, "cross up", s.samples, width, model.cross_rank, true));
    operators.push_back(streaming_operator(s, "cross product", static_cast<double>(s.samples * width),
                                           {4.0, 6.0, 1.0, s.fused_kernels ? 1 : 3}));
}

}  // namespace

LayeredModel describe(const Dlrm& model, const PassShape& s) {
    LayeredModel layered;
    layered.sample = "samples";
    const std::int64_t features = static_cast<std::int64_t>(model.tables.size()) + 1;
    ModelBlock tables;
    tables.name = "embeddings";
    tables.operators = {tables_operator(model, s)};
    layered.blocks.push_back(tables);
    layered.blocks.push_back(mlp_block(s, "bottom MLP", model.dense, model.bottom, true));
    ModelBlock interaction;
    interaction.name = "interaction";
    const std::int64_t all = features * model.width;
    std::int64_t width = all;
    if (model.cross_layers > 0) {
        for (int i = 0; i < model.cross_layers; ++i) add_cross_layer(model, s, all, interaction.operators);
    } else {
        // Pairwise products in one kernel that reads all features and writes the pairs (its arithmetic hides behind).
        width = features * (features - 1) / 2 + model.width;
        const double per_value = static_cast<double>(width) / static_cast<double>(all);
        interaction.operators.push_back(streaming_operator(s, "pairwise products", static_cast<double>(s.samples * all),
                                                           {1.0 + per_value, 2.0 + per_value, 1.0, 1}));
    }
    layered.blocks.push_back(interaction);
    layered.blocks.push_back(mlp_block(s, "top MLP", width, model.top, false));
    ModelBlock loss;
    loss.name = "loss";
    loss.operators = {streaming_operator(s, "loss", static_cast<double>(s.samples), {4.0, 4.0, 1.0, 3})};
    layered.blocks.push_back(loss);
    return layered;
}

}  // namespace orrery
