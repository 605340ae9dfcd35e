// Reads the kernel CSVs of AIConfigurator's form into work and seconds.
#include "kernels/measured_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>

namespace orrery {
namespace {

std::vector<std::string> split_line(const std::string& line) {
    std::vector<std::string> cells(1);
    for (const char c : line) {
        if (c == ',') {
            cells.emplace_back();
        } else if (c != '\r') {
            cells.back() += c;
        }
    }
    return cells;
}

// One line of a CSV, read by column name.
class CsvRow {
  public:
    CsvRow(const std::vector<std::string>& header, const std::string& place) : header_(header), place_(place) {}

    void take(const std::string& line, std::int64_t number) {
        cells_ = split_line(line);
        number_ = number;
        if (cells_.size() != header_.size()) {
            refuse("has " + std::to_string(cells_.size()) + " cells where the head has " + std::to_string(header_.size()),
                   "write one cell for each column");
        }
    }
    void refuse(const std::string& problem, const std::string& remedy) {
        problems.push_back({place_ + ":" + std::to_string(number_), problem, remedy});
    }
    [[nodiscard]] std::string text(std::string_view column, std::string_view absent) const {
        const auto at = std::find(header_.begin(), header_.end(), column);
        const auto index = static_cast<std::size_t>(at - header_.begin());
        return at == header_.end() || index >= cells_.size() ? std::string(absent) : cells_[index];
    }
    double number(std::string_view column, double absent) {
        const std::string cell = text(column, "");
        if (cell.empty()) return absent;
        double value = 0.0;
        const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
        if (error != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) {
            refuse("column " + std::string(column) + " is \"" + cell + "\"", "write a number");
            return absent;
        }
        return value;
    }
    std::int64_t count(std::string_view column, std::int64_t absent) {
        return static_cast<std::int64_t>(number(column, static_cast<double>(absent)));
    }

    Problems problems;

  private:
    const std::vector<std::string>& header_;
    const std::string& place_;
    std::vector<std::string> cells_;
    std::int64_t number_ = 0;
};

std::vector<std::string> columns_of(std::string_view table) {
    if (table == "gemm") return {"gemm_dtype", "m", "n", "k", "latency"};
    if (table == "moe") {
        return {"moe_dtype",   "num_tokens",  "hidden_size", "inter_size",   "topk",
                "num_experts", "moe_tp_size", "moe_ep_size", "distribution", "latency"};
    }
    if (table == "encoder_attention") return {"batch_size", "isl", "num_heads", "head_dim", "latency"};
    return {"batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim", "step", "latency"};
}

void take_product(CsvRow& row, MeasuredTable& table) {
    MeasuredProduct product;
    product.format = row.text("gemm_dtype", "");
    const TableFormat format = table_format(product.format);
    product.work = {.m = row.count("m", 0), .n = row.count("n", 0), .k = row.count("k", 0), .type = format.type};
    product.measured = Seconds::from_si(row.number("latency", 0.0) * 1e-3);
    if (format.known) {
        table.products.push_back(product);
    } else {
        ++table.rows_unknown;
    }
}

void take_attention(CsvRow& row, MeasuredTable& table) {
    Attention work;
    work.batch = row.count("batch_size", 1);
    work.heads = row.count("num_heads", 1);
    work.kv_heads = row.count("num_key_value_heads", work.heads);
    if (work.kv_heads <= 0) work.kv_heads = work.heads;
    work.head_size = work.value_head_size = row.count("head_dim", 128);
    work.queries = row.count("isl", 1);
    work.keys = work.queries + row.count("step", 0);  // the prefix, or the cache before this token
    work.window = std::max<std::int64_t>(row.count("window_size", 0), 0);
    work.causal = table.name.table != "encoder_attention";
    const TableFormat type = table_format(row.text("attn_dtype", "bfloat16"));
    const TableFormat kv_type = table_format(row.text("kv_cache_dtype", row.text("attn_dtype", "bfloat16")));
    work.type = type.type;
    work.kv_type = kv_type.type;
    if (!type.known || !kv_type.known) {
        ++table.rows_unknown;
        return;
    }
    table.attention.push_back({work, Seconds::from_si(row.number("latency", 0.0) * 1e-3)});
}

constexpr double layer_size_max = 1e9;

void take_experts(CsvRow& row, MeasuredTable& table) {
    const std::string word = row.text("moe_dtype", "");
    const std::string law = row.text("distribution", "");
    const std::string kernel = row.text("kernel_source", "");
    const TableFormat format = table_format(word);
    MeasuredExperts e;
    e.format = kernel.find("min_latency") == std::string::npos ? word : word + "_min_latency";
    e.tokens = row.number("num_tokens", 0.0);
    e.hidden = row.number("hidden_size", 0.0);
    e.inner = row.number("inter_size", 0.0);
    e.per_token = row.number("topk", 0.0);
    e.experts = row.number("num_experts", 0.0);
    e.tensor = row.number("moe_tp_size", 1.0);
    e.expert_parallel = row.number("moe_ep_size", 1.0);
    e.power = law.rfind("power_law_", 0) == 0 ? std::atof(law.c_str() + 10) : 0.0;
    e.gated = kernel.find("nongated") == std::string::npos;
    e.type = format.type;
    e.measured = Seconds::from_si(row.number("latency", 0.0) * 1e-3);
    const std::array<double, 7> sizes{e.tokens, e.hidden, e.inner, e.per_token, e.experts, e.tensor, e.expert_parallel};
    if (std::any_of(sizes.begin(), sizes.end(), [](double s) { return s < 1.0 || s > layer_size_max; }) ||
        e.measured.si() <= 0.0) {
        row.refuse("a size or the latency is not positive", "write the sizes that were measured");
    } else if (!format.known) {
        ++table.rows_unknown;
    } else if (law != "balanced" && !(e.power > 0.0 && e.power != 1.0)) {
        ++table.laws_unknown;
    } else {
        e.row = word + " tokens " + row.text("num_tokens", "") + " experts " + row.text("num_experts", "") + " of " +
                row.text("hidden_size", "") + " x " + row.text("inter_size", "") + " tp " + row.text("moe_tp_size", "1") +
                " ep " + row.text("moe_ep_size", "1") + " " + law;
        table.experts.push_back(std::move(e));
    }
}

void take_row(CsvRow& row, MeasuredTable& table) {
    if (table.name.table == "gemm") {
        take_product(row, table);
    } else if (table.name.table == "moe") {
        take_experts(row, table);
    } else {
        take_attention(row, table);
    }
}

}  // namespace

TableFormat table_format(std::string_view word) {
    struct Entry {
        std::string_view word;
        DataType type;
        bool quantises;
    };
    // AIConfigurator's words. Weight-only formats (int8_wo, int4_wo) multiply in 16 bits and have no model here.
    static constexpr std::array<Entry, 13> entries{{{"bfloat16", DataType::bf16, false},
                                                    {"float16", DataType::fp16, false},
                                                    {"bf16", DataType::bf16, false},
                                                    {"fp8", DataType::fp8, true},
                                                    {"fp8_static", DataType::fp8, true},
                                                    {"fp8_block", DataType::fp8, true},
                                                    {"nvfp4", DataType::fp4, true},
                                                    {"sq", DataType::int8, true},
                                                    {"int8", DataType::int8, true},
                                                    {"int8_bare", DataType::int8, false},
                                                    {"fp8_bare", DataType::fp8, false},
                                                    {"tfloat32", DataType::tf32, false},
                                                    {"float", DataType::fp32, false}}};
    for (const Entry& entry : entries) {
        if (entry.word == word) return {entry.type, true, entry.quantises};
    }
    return {};
}

Result<TableName> parse_table_name(const std::string& path) {
    TableName name;
    name.file = path.substr(path.find_last_of('/') + 1);
    const std::size_t system = name.file.find('.');
    const std::size_t extension = name.file.rfind(".csv");
    const std::size_t table = extension == std::string::npos ? extension : name.file.rfind('.', extension - 1);
    if (system == std::string::npos || table == std::string::npos || table <= system || extension + 4 != name.file.size()) {
        return Problem{path, "the name is not of the form SYSTEM.LIBRARY-VERSION.TABLE.csv",
                       "rename it, such as h100_sxm.vllm-0.19.0.gemm.csv"};
    }
    name.system = name.file.substr(0, system);
    name.library = name.file.substr(system + 1, table - system - 1);
    name.table = name.file.substr(table + 1, extension - table - 1);
    return name;
}

Result<MeasuredTable> read_measured_table(const std::string& path) {
    MeasuredTable table;
    Result<TableName> name = parse_table_name(path);
    if (!name.ok()) return name.problems();
    table.name = *name;
    const std::array<std::string_view, 5> tables{"gemm", "context_attention", "generation_attention", "encoder_attention",
                                                 "moe"};
    if (std::find(tables.begin(), tables.end(), table.name.table) == tables.end()) {
        return Problem{path, "no operator model is fitted to a table of kind \"" + table.name.table + "\"",
                       "give a gemm, context_attention, generation_attention, encoder_attention or moe table"};
    }
    std::ifstream stream(path);
    std::string line;
    if (!stream || !std::getline(stream, line)) return Problem{path, "cannot be read", "check the path"};
    const std::vector<std::string> header = split_line(line);
    Problems problems;
    for (const std::string& column : columns_of(table.name.table)) {
        if (std::find(header.begin(), header.end(), column) == header.end()) {
            problems.push_back({path + ":1", "has no column " + column, "add the column to the header and the rows"});
        }
    }
    if (!problems.empty()) return problems;
    CsvRow row(header, path);
    for (std::int64_t number = 2; std::getline(stream, line); ++number) {
        if (line.empty()) continue;
        row.take(line, number);
        take_row(row, table);
    }
    if (!row.problems.empty()) return row.problems;
    const bool empty = table.products.empty() && table.attention.empty() && table.experts.empty();
    if (empty && table.laws_unknown == 0) {
        return Problem{path, "has no row of a known number format", "check the gemm_dtype, attn_dtype or moe_dtype column"};
    }
    return table;
}

}  // namespace orrery
