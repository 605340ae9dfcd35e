// Tables of measured products and attention, each predicted with the calibration of its own library where there is one.
#include "kernels/fit_calibration.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/csv_table.hpp"
#include "scenarios/validate_kinds.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

namespace orrery {
namespace {

constexpr std::string_view faster_than_possible = "faster than the device's arithmetic or memory allow";

constexpr std::string_view not_what_it_says =
    "of a prefill table of which over 5 % is faster than the device's arithmetic allows: other kernels than it says";
constexpr double impossible_share_max = 0.05;  // as in the fit: see fit_prefill in kernels/fit_operators.hpp

bool prefill_metric(const std::string& metric) {
    return metric == "context_attention_s" || metric == "encoder_attention_s";
}

/// The device with the entries of one library in front, where prices look first: a row says which library it measured.
Device with_library_first(const Device& device, const std::string& library) {
    const auto own = [&](const auto& entry) { return entry.library == library; };
    Calibration calibration = *device.calibration;
    std::stable_partition(calibration.gemm.begin(), calibration.gemm.end(), own);
    std::stable_partition(calibration.prefill.begin(), calibration.prefill.end(), own);
    std::stable_partition(calibration.decode.begin(), calibration.decode.end(), own);
    Device first = device;
    first.calibration = std::make_shared<const Calibration>(std::move(calibration));
    return first;
}

/// What the calibration's fits saw of one file, and their error on what they did not see.
struct SeenRows {
    std::int64_t fitted = 0;
    double unseen = 0.0;
    double unseen_error = 0.0;  // summed over rows

    template <class Entry>
    void add(const std::vector<Entry>& entries, const std::string& file) {
        for (const Entry& entry : entries) {
            const FitQuality& q = entry.quality;
            if (q.table != file) continue;
            const auto others =
                static_cast<double>(std::max<std::int64_t>(q.rows - q.rows_left_out - q.rows_fitted, 0));
            fitted += q.rows_fitted;
            unseen += others;
            unseen_error += others * q.mean_error_with_residuals;
        }
    }
};

std::string fit_line(const Device& device, const std::string& file, std::size_t rows) {
    SeenRows seen;
    seen.add(device.calibration->gemm, file);
    seen.add(device.calibration->grouped, file);
    seen.add(device.calibration->prefill, file);
    seen.add(device.calibration->decode, file);
    std::string line = std::to_string(seen.fitted) + " of " + std::to_string(rows) + " rows of " + file +
                       " were used in the fit of " + device.name;
    if (seen.unseen > 0.0) {
        char text[64];
        std::snprintf(text, sizeof text, "; its mean error on the others was %.1f %%",
                      100.0 * seen.unseen_error / seen.unseen);
        line += text;
    }
    return line;
}

void add_predictions(const Device& device, const MeasuredTable& table, const std::string& metric, CsvOutcome& outcome) {
    const std::string& file = table.name.file;
    const std::vector<RowPrediction> predictions = predict_rows(device, table);
    const auto impossible =
        std::count_if(predictions.begin(), predictions.end(), [](const RowPrediction& p) { return !p.possible; });
    if (table.products.empty() && prefill_metric(metric) &&
        static_cast<double>(impossible) > impossible_share_max * static_cast<double>(predictions.size())) {
        outcome.rows.insert(outcome.rows.end(), predictions.size(), {file, {}, std::string(not_what_it_says)});
        return;
    }
    for (const RowPrediction& one : predictions) {
        if (!one.possible) {
            outcome.rows.push_back({file, {}, std::string(faster_than_possible)});
            continue;
        }
        outcome.rows.push_back({file, {{one.row, file, metric, one.measured.si(), one.predicted.si(), {}}}, {}});
    }
}

}  // namespace

std::string device_of_system(std::string_view system, CatalogCache& catalog) {
    const Result<std::vector<CatalogPage>> pages = list_catalog("devices");
    std::string best;
    Bytes most;
    if (!pages) return best;
    for (const CatalogPage& page : *pages) {
        if (!same_device(system, page.name)) continue;
        const Result<Device> device = catalog.device(page.name);
        if (!device || device->memory_capacity <= most) continue;
        most = device->memory_capacity;
        best = page.name;
    }
    return best;
}

Result<CsvOutcome> predict_operators(const std::string& path, std::string_view table_kind, CatalogCache& catalog) {
    Result<MeasuredTable> table = read_measured_table(path);
    if (!table) return table.problems();
    CsvOutcome outcome;
    const std::string& file = table->name.file;
    const auto unknown = static_cast<std::size_t>(table->rows_unknown);
    const auto laws = static_cast<std::size_t>(table->laws_unknown);
    const std::size_t rows =
        table->products.size() + table->attention.size() + table->experts.size() + unknown + laws;
    const Result<Device> device = catalog.device(device_of_system(table->name.system, catalog));
    if (!device) {
        outcome.rows.assign(rows, {file, {}, "no catalogue entry for the system"});
        return outcome;
    }
    outcome.rows.assign(unknown, {file, {}, "no model of the number format"});
    outcome.rows.insert(outcome.rows.end(), laws, {file, {}, "no model of the distribution of tokens over experts"});
    const std::string metric = std::string(table_kind) + "_s";
    std::map<std::string, std::vector<MeasuredProduct>> by_format;
    for (const MeasuredProduct& product : table->products) by_format[product.format].push_back(product);
    MeasuredTable part;
    part.name = table->name;
    for (auto& [format, products] : by_format) {
        part.products = std::move(products);
        add_predictions(with_library_first(*device, table->name.library + " " + format), part, metric, outcome);
    }
    part.products.clear();
    part.experts = std::move(table->experts);
    if (!part.experts.empty()) add_predictions(*device, part, metric, outcome);
    part.experts.clear();
    part.attention = std::move(table->attention);
    const std::string library =
        table->name.library + (table_kind == "generation_attention" ? "" : " " + std::string(table_kind));
    if (!part.attention.empty()) add_predictions(with_library_first(*device, library), part, metric, outcome);
    outcome.fit = fit_line(*device, file, rows);
    return outcome;
}

Result<CsvOutcome> predict_latent_attention(const std::string& path, std::string_view table_kind,
                                            CatalogCache& catalog) {
    const Result<TableName> name = parse_table_name(path);
    if (!name) return name.problems();
    const Result<CsvTable> csv =
        CsvTable::read(path, {"mla_dtype", "kv_cache_dtype", "num_heads", "batch_size", "isl", "step", "latency"});
    if (!csv) return csv.problems();
    CsvOutcome outcome;
    const Result<Device> device = catalog.device(device_of_system(name->system, catalog));
    MeasuredTable table;
    table.name = *name;
    Problems problems;
    for (std::size_t row = 0; row < csv->rows(); ++row) {
        const auto size = [&](const char* column) {
            return static_cast<std::int64_t>(csv->number(row, column, problems));
        };
        const TableFormat type = table_format(csv->text(row, "mla_dtype"));
        const TableFormat kv_type = table_format(csv->text(row, "kv_cache_dtype"));
        Attention work;
        work.batch = size("batch_size");
        work.heads = size("num_heads");
        work.queries = size("isl");
        work.keys = work.queries + size("step");
        work.type = type.type;
        work.kv_type = kv_type.type;
        // DeepSeek-V2, arXiv 2405.04434, section 2.1: keys of 128 and 64 rotary values, values of 128.
        work.kv_heads = work.heads;
        work.head_size = 192;
        work.value_head_size = 128;
        const double latency = csv->number(row, "latency", problems) * 1e-3;
        if (!type.known || !kv_type.known) {
            outcome.rows.push_back({name->file, {}, "no model of the number format"});
        } else if (work.batch < 1 || work.heads < 1 || work.queries < 1 || work.keys < 1 || latency <= 0.0) {
            problems.push_back(
                {csv->place(row), "a size or the latency is not positive", "write the sizes that were measured"});
        } else {
            table.attention.push_back({work, Seconds::from_si(latency)});
        }
    }
    if (!problems.empty()) return problems;
    if (!device) {
        outcome.rows.assign(csv->rows(), {name->file, {}, "no catalogue entry for the system"});
        return outcome;
    }
    add_predictions(*device, table, std::string(table_kind) + "_s", outcome);
    outcome.fit = fit_line(*device, name->file, csv->rows());
    return outcome;
}

Result<CsvOutcome> skip_table(const std::string& path, std::string_view table, CatalogCache&) {
    const Result<CsvTable> csv = CsvTable::read(path, {});
    if (!csv) return csv.problems();
    CsvOutcome outcome;
    const std::string reason = table == "mamba2"           ? "state-space kernels are not in this version"
                                                           : "decoding on a latent cache is not in this version";
    outcome.rows.assign(csv->rows(), {path.substr(path.find_last_of('/') + 1), {}, reason});
    return outcome;
}

}  // namespace orrery
