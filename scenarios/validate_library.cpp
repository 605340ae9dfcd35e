// Tables of libraries' own collectives: TensorRT-LLM's all-reduce, its expert exchanges and DeepEP's, beside closed forms.
#include "network/library_collectives.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/csv_table.hpp"
#include "scenarios/validate_kinds.hpp"

#include <fmt/format.h>

namespace orrery {
namespace {

std::string file_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

/// The link of the system that the file's name begins with; nothing if the catalogue has none.
std::optional<BytesPerSecond> link_of_table(const std::string& file, CatalogCache& catalog) {
    const Result<Device> device = catalog.device(device_of_system(file.substr(0, file.find('.')), catalog));
    if (!device || device->scale_up_bandwidth.si() <= 0.0) return std::nullopt;
    return device->scale_up_bandwidth;
}

CsvOutcome no_entry(const std::string& file, std::size_t rows) {
    CsvOutcome outcome;
    outcome.rows.assign(rows, {file, {}, "no catalogue entry for the system"});
    return outcome;
}

/// What one row measured: a kernel, the exchange, its time.
struct MeasuredExchange {
    std::string kernel;
    ExpertExchange exchange;
    double seconds = 0.0;
};

void add_exchange(const std::string& file, BytesPerSecond link, const MeasuredExchange& row, CsvOutcome& outcome) {
    const ExpertKernel* kernel = find_expert_kernel(row.kernel);
    const ExpertExchange& e = row.exchange;
    if (kernel == nullptr) {
        outcome.rows.push_back({file, {}, "no model of the kernel " + row.kernel});
    } else if (e.tokens < 1.0 || e.ranks < 2 || e.top_k < 1 || e.experts < 1 || row.seconds <= 0.0) {
        outcome.rows.push_back({file, {}, "a size or the time is not positive, or there is one rank"});
    } else {
        const std::string id = fmt::format("{}: {} tokens of {}, {} of {} experts, {} ranks{}", row.kernel, e.tokens, e.hidden, e.top_k, e.experts, e.ranks,
                                           e.sms > 0 ? fmt::format(", {} SMs", e.sms) : "");
        outcome.rows.push_back({file, {{id, file, "collective_s", row.seconds, expert_exchange_time(*kernel, e, link).si(), {}, 0.0, 0.0, row.kernel}}, {}});
    }
}

/// Bytes of a value on the way: results in 16 bits, tokens as the experts take them, nvfp4 with a scale for each 16.
double value_bytes_of(const std::string& operation, const std::string& type) {
    if (operation == "combine") return 2.0;
    if (operation == "combine_low_precision" || type == "nvfp4") return 0.5625;
    return type == "fp8" ? 1.0 : 2.0;
}

void add_trtllm_rows(const CsvTable& csv, const std::string& file, BytesPerSecond link, Problems& problems, CsvOutcome& outcome) {
    for (std::size_t row = 0; row < csv.rows(); ++row) {
        const auto number = [&](const char* column) { return csv.number(row, column, problems); };
        std::string operation = csv.text(row, "op_name");
        if (operation.starts_with("alltoall_")) operation = operation.substr(9);
        MeasuredExchange measured;
        measured.kernel = csv.text(row, "kernel_source") + " " + operation;
        ExpertExchange& e = measured.exchange;
        e.tokens = number("num_tokens");
        e.hidden = operation == "prepare" ? 0.0 : number("hidden_size");
        e.value_bytes = value_bytes_of(operation, csv.text(row, "moe_dtype"));
        e.top_k = static_cast<int>(number("topk"));
        e.experts = static_cast<int>(number("num_experts"));
        e.ranks = static_cast<int>(number("moe_ep_size"));
        measured.seconds = number("latency") * 1e-3;
        add_exchange(file, link, measured, outcome);
    }
}

/// DeepEP inside one node of eight; rows of several nodes are skipped.
void add_deepep_rows(const CsvTable& csv, const std::string& file, bool low_latency, BytesPerSecond link, Problems& problems, CsvOutcome& outcome) {
    for (std::size_t row = 0; row < csv.rows(); ++row) {
        const auto number = [&](const std::string& column) { return csv.number(row, column, problems); };
        if (number("node_num") != 1.0) {
            outcome.rows.push_back({file, {}, "expert exchanges between nodes have no model"});
            continue;
        }
        for (const char* operation : {"dispatch", "combine"}) {
            MeasuredExchange measured;
            measured.kernel = std::string(low_latency ? "deepep low-latency " : "deepep ") + operation;
            ExpertExchange& e = measured.exchange;
            e.tokens = number("num_token");
            e.hidden = number("hidden_size");
            e.value_bytes = low_latency && measured.kernel.ends_with("dispatch") ? 1.0 + 4.0 / 128.0 : 2.0;  // fp8 and a scale for each 128
            e.top_k = static_cast<int>(number("num_topk"));
            e.experts = static_cast<int>(number("num_experts"));
            if (!low_latency) e.sms = static_cast<int>(number(std::string(operation) + "_sms"));
            measured.seconds = 1e-6 * (low_latency ? number(std::string(operation) + "_avg_t_us")
                                                   : number(std::string(operation) + "_transmit_us") + number(std::string(operation) + "_notify_us"));
            add_exchange(file, link, measured, outcome);
        }
    }
}

}  // namespace

Result<CsvOutcome> predict_custom_all_reduce(const std::string& path, std::string_view, CatalogCache& catalog) {
    const Result<CsvTable> csv = CsvTable::read(path, {"num_gpus", "message_size", "latency"});
    if (!csv) return csv.problems();
    const std::string file = file_of(path);
    const auto link = link_of_table(file, catalog);
    if (!link) return no_entry(file, csv->rows());
    CsvOutcome outcome;
    Problems problems;
    for (std::size_t row = 0; row < csv->rows(); ++row) {
        const auto ranks = static_cast<int>(csv->number(row, "num_gpus", problems));
        const double bytes = 2.0 * csv->number(row, "message_size", problems);  // elements of 16 bits
        const double seconds = csv->number(row, "latency", problems) * 1e-3;
        if (ranks < 2 || bytes <= 0.0 || seconds <= 0.0) {
            outcome.rows.push_back({file, {}, "a size or the time is not positive, or there is one rank"});
            continue;
        }
        const std::string id = fmt::format("own all-reduce among {}, {:.0f} bytes", ranks, bytes);
        outcome.rows.push_back({file, {{id, file, "collective_s", seconds, custom_all_reduce_time(ranks, Bytes::from_si(bytes), *link).si(), {}, 0.0, 0.0, "own all-reduce"}}, {}});
    }
    if (!problems.empty()) return problems;
    outcome.fit = file + ": own all-reduce fitted to 34 rows of H100";
    return outcome;
}

Result<CsvOutcome> predict_expert_exchange(const std::string& path, std::string_view table, CatalogCache& catalog) {
    const bool low_latency = table.find("_ll") != std::string_view::npos;
    const bool deepep = table.starts_with("wideep");
    const Result<CsvTable> csv = CsvTable::read(
        path, !deepep       ? std::vector<std::string>{"op_name", "kernel_source", "moe_dtype", "num_tokens", "hidden_size", "topk", "num_experts", "moe_ep_size", "latency"}
              : low_latency ? std::vector<std::string>{"node_num", "hidden_size", "num_token", "num_topk", "num_experts", "combine_avg_t_us", "dispatch_avg_t_us"}
                            : std::vector<std::string>{"node_num", "hidden_size", "num_token", "num_topk", "num_experts", "dispatch_sms", "dispatch_transmit_us",
                                                       "dispatch_notify_us", "combine_sms", "combine_transmit_us", "combine_notify_us"});
    if (!csv) return csv.problems();
    const std::string file = file_of(path);
    const auto link = link_of_table(file, catalog);
    if (!link) return no_entry(file, csv->rows());
    CsvOutcome outcome;
    Problems problems;
    if (deepep) {
        add_deepep_rows(*csv, file, low_latency, *link, problems, outcome);
    } else {
        add_trtllm_rows(*csv, file, *link, problems, outcome);
    }
    if (!problems.empty()) return problems;
    outcome.fit = file + ": expert exchanges fitted to half of the rows of the tables of GB200 and H100";
    return outcome;
}

}  // namespace orrery
