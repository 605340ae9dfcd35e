// Tables of measured mixture-of-experts layers: grouped products of the most loaded rank, with the rows moved between.
#include "hardware/rng.hpp"
#include "kernels/measured_table.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/csv_table.hpp"
#include "scenarios/validate_kinds.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace orrery {
namespace {

struct ExpertRow {
    double tokens = 0.0;
    double hidden = 0.0;
    double inner = 0.0;
    double per_token = 0.0;
    double experts = 0.0;
    double tensor = 1.0;
    double expert_parallel = 1.0;
    double power = 0.0;  // of the law that spreads tokens over experts; 0: evenly
    DataType type = DataType::bf16;
    Seconds measured;
};

/// What the most loaded rank has to do.
struct ExpertLoad {
    double rows = 0.0;
    double rows_max = 0.0;
    double groups = 0.0;
};

/// The tables are of the most loaded rank under a power law. Its draws and limits are not in them: assumed are the
/// quantiles of a law with exponent -alpha between 1 and 0.8 tokens (0.01 and 2 where there are fewer rows than
/// experts), scaled to the rows there are and dealt to the ranks at random.
ExpertLoad most_loaded(const ExpertRow& row) {
    const auto experts = static_cast<std::size_t>(row.experts);
    const auto ranks = static_cast<std::size_t>(row.expert_parallel);
    const std::size_t local = std::max<std::size_t>(experts / ranks, 1);
    const double total = row.tokens * row.per_token;
    std::vector<double> loads(experts, total / row.experts);
    if (row.power > 0.0) {
        const double low = total > row.experts ? 1.0 : 0.01;
        const double high = total > row.experts ? std::max(0.8 * row.tokens, 2.0) : 2.0;
        const double e = 1.0 - row.power;
        for (std::size_t i = 0; i < experts; ++i) {
            const double u = (static_cast<double>(i) + 0.5) / row.experts;
            loads[i] = std::pow((std::pow(high, e) - std::pow(low, e)) * u + std::pow(low, e), 1.0 / e);
        }
        const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
        for (double& load : loads) load = std::min(load * total / sum, row.tokens);
        Rng rng = Rng::stream(1, "expert loads", static_cast<std::uint64_t>(experts));
        for (std::size_t i = experts; i > 1; --i) std::swap(loads[i - 1], loads[rng.below(i)]);
    }
    ExpertLoad most;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
        const auto begin = loads.begin() + static_cast<std::ptrdiff_t>(rank * local);
        const auto end = loads.begin() + static_cast<std::ptrdiff_t>(std::min((rank + 1) * local, experts));
        ExpertLoad here;
        for (auto load = begin; load < end; ++load) {
            here.rows += *load;
            here.rows_max = std::max(here.rows_max, *load);
            here.groups += 1.0 - std::exp(-*load);  // an expert that expects few tokens often gets none
        }
        if (here.rows > most.rows) most = here;
    }
    return most;
}

Seconds expert_layer_time(const Device& device, const ExpertRow& row) {
    const ExpertLoad load = most_loaded(row);
    const auto whole = [](double value) { return std::max<std::int64_t>(std::llround(value), 1); };
    GroupedMatrixMultiply up;
    up.rows = whole(load.rows);
    up.rows_max = whole(load.rows_max);
    up.groups = std::min(whole(load.groups), up.rows);
    up.n = whole(2.0 * row.inner / row.tensor);  // gate and up-projection
    up.k = whole(row.hidden);
    up.type = row.type;
    GroupedMatrixMultiply down = up;
    down.n = up.k;
    down.k = whole(row.inner / row.tensor);
    // Rows sorted by expert, the gated activation, and the sum over a token's experts: 16-bit values read and written.
    const double moved = 2.0 * (load.rows * 2.0 * row.hidden + 3.0 * load.rows * row.inner / row.tensor +
                                load.rows * row.hidden + row.tokens * row.hidden);
    return execution_time(device, up) + execution_time(device, down) +
           execution_time(device, Streaming{Bytes::from_si(moved), 3, {}});
}

}  // namespace

Result<CsvOutcome> predict_experts(const std::string& path, std::string_view, CatalogCache& catalog) {
    const Result<TableName> name = parse_table_name(path);
    if (!name) return name.problems();
    const Result<CsvTable> csv =
        CsvTable::read(path, {"moe_dtype", "num_tokens", "hidden_size", "inter_size", "topk", "num_experts",
                              "moe_tp_size", "moe_ep_size", "distribution", "latency"});
    if (!csv) return csv.problems();
    const Result<Device> device = catalog.device(device_of_system(name->system, catalog));
    CsvOutcome outcome;
    Problems problems;
    for (std::size_t row = 0; row < csv->rows(); ++row) {
        const auto number = [&](const char* column) { return csv->number(row, column, problems); };
        const std::string law = csv->text(row, "distribution");
        const TableFormat format = table_format(csv->text(row, "moe_dtype"));
        const ExpertRow r{number("num_tokens"),  number("hidden_size"),
                          number("inter_size"),  number("topk"),
                          number("num_experts"), number("moe_tp_size"),
                          number("moe_ep_size"), law.rfind("power_law_", 0) == 0 ? std::atof(law.c_str() + 10) : 0.0,
                          format.type,           Seconds::from_si(number("latency") * 1e-3)};
        const double sizes[] = {r.tokens, r.hidden, r.inner, r.per_token, r.experts, r.tensor, r.expert_parallel};
        if (std::any_of(std::begin(sizes), std::end(sizes), [](double s) { return s < 1.0 || s > 1e9; }) ||
            r.measured.si() <= 0.0) {
            problems.push_back(
                {csv->place(row), "a size or the latency is not positive", "write the sizes that were measured"});
        }
        if (!problems.empty()) continue;
        if (!device) {
            outcome.rows.push_back({name->file, {}, "no catalogue entry for the system"});
        } else if (!format.known) {
            outcome.rows.push_back({name->file, {}, "no model of the number format"});
        } else if (law != "balanced" && !(r.power > 0.0 && r.power != 1.0)) {
            outcome.rows.push_back({name->file, {}, "no model of the distribution of tokens over experts"});
        } else {
            const std::string id = csv->text(row, "moe_dtype") + " tokens " + csv->text(row, "num_tokens") +
                                   " experts " + csv->text(row, "num_experts") + " of " +
                                   csv->text(row, "hidden_size") + " x " + csv->text(row, "inter_size") + " tp " +
                                   csv->text(row, "moe_tp_size") + " ep " + csv->text(row, "moe_ep_size") + " " + law;
            outcome.rows.push_back(
                {name->file, {{id, name->file, "moe_s", r.measured.si(), expert_layer_time(*device, r).si(), {}}}, {}});
        }
    }
    if (!problems.empty()) return problems;
    outcome.fit = "0 of " + std::to_string(csv->rows()) + " rows of " + name->file + " were used in a fit";
    return outcome;
}

}  // namespace orrery
