// Plain tables of measured collectives: comma-separated text to samples.
#include "network/collective_fit.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace orrery {

namespace {

constexpr std::size_t table_problems_max = 20;
enum NcclColumn : std::size_t { op_column, type_column, ranks_column, size_column, time_column, column_count };
constexpr std::array<std::string_view, column_count> column_names{"op_name", "nccl_dtype", "num_gpus", "message_size",
                                                                  "latency"};

struct OpName {
    std::string_view name;
    CollectiveKind kind;
};
constexpr OpName op_names[] = {
    {"all_reduce", CollectiveKind::all_reduce},
    {"all_gather", CollectiveKind::all_gather},
    {"reduce_scatter", CollectiveKind::reduce_scatter},
    {"alltoall", CollectiveKind::all_to_all},
    {"all_to_all", CollectiveKind::all_to_all},
    {"broadcast", CollectiveKind::broadcast},
    {"reduce", CollectiveKind::reduce},
    {"sendrecv", CollectiveKind::send_recv},
};

struct NcclType {
    std::string_view name;
    DataType type;
};
constexpr NcclType nccl_types[] = {
    {"half", DataType::fp16},  {"float16", DataType::fp16}, {"bfloat16", DataType::bf16},
    {"float", DataType::fp32}, {"float32", DataType::fp32}, {"int8", DataType::int8},
    {"fp8", DataType::fp8},    {"fp8_e4m3", DataType::fp8}, {"double", DataType::fp64},
};

std::vector<std::string_view> split_cells(std::string_view line) {
    std::vector<std::string_view> cells;
    while (true) {
        const std::size_t comma = line.find(',');
        cells.push_back(line.substr(0, comma));
        if (comma == std::string_view::npos) return cells;
        line.remove_prefix(comma + 1);
    }
}

/// A finite number that is the whole cell, or a negative one.
double number_or_negative(std::string_view cell) {
    double value = 0.0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    return error == std::errc{} && end == cell.data() + cell.size() && std::isfinite(value) ? value : -1.0;
}

/// The sample of one line; what is wrong with it goes to `wrong`.
CollectiveSample sample_of(const std::vector<std::string_view>& cells, const std::array<std::size_t, column_count>& at,
                           std::string& wrong) {
    CollectiveSample sample;
    const auto op = std::find_if(std::begin(op_names), std::end(op_names),
                                 [&](const OpName& o) { return o.name == cells[at[op_column]]; });
    const auto type = std::find_if(std::begin(nccl_types), std::end(nccl_types),
                                   [&](const NcclType& t) { return t.name == cells[at[type_column]]; });
    const double ranks = number_or_negative(cells[at[ranks_column]]);
    const double elements = number_or_negative(cells[at[size_column]]);
    const double milliseconds = number_or_negative(cells[at[time_column]]);
    if (op == std::end(op_names))
        wrong = "op_name \"" + std::string(cells[at[op_column]]) + "\" is not a collective";
    else if (type == std::end(nccl_types))
        wrong = "nccl_dtype \"" + std::string(cells[at[type_column]]) + "\" is not known";
    else if (ranks < 2.0 || ranks > 1e6)
        wrong = "num_gpus must be 2 or more";
    else if (elements <= 0.0)
        wrong = "message_size must be a positive number of elements";
    else if (milliseconds <= 0.0)
        wrong = "latency must be a positive number of milliseconds";
    if (!wrong.empty()) return sample;
    sample.kind = op->kind;
    sample.type = type->type;
    sample.ranks = static_cast<int>(ranks);
    sample.size = Bytes::from_si(elements * element_bytes(type->type));
    sample.time = Seconds::from_si(milliseconds * 1e-3);
    return sample;
}

}  // namespace

Result<std::vector<CollectiveSample>> parse_nccl_table(std::string_view text, const std::string& file) {
    const std::string remedy =
        "write op_name,nccl_dtype,num_gpus,message_size,latency (elements and ms), as NCCL tables do";
    std::vector<CollectiveSample> samples;
    Problems problems;
    std::array<std::size_t, column_count> at{};
    std::size_t width = 0;
    for (int number = 1; !text.empty() && problems.size() < table_problems_max; ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (line.empty()) continue;
        const std::vector<std::string_view> cells = split_cells(line);
        const std::string place = file + ":" + std::to_string(number);
        if (width == 0) {
            width = cells.size();
            for (std::size_t c = 0; c < column_count; ++c) {
                const auto found = std::find(cells.begin(), cells.end(), column_names[c]);
                at[c] = static_cast<std::size_t>(found - cells.begin());
                if (found != cells.end()) continue;
                return Problem{place, "has no column " + std::string(column_names[c]), remedy};
            }
            continue;
        }
        if (cells.size() != width) {
            problems.push_back(
                {place, "has " + std::to_string(cells.size()) + " cells where the head has " + std::to_string(width),
                 remedy});
            continue;
        }
        std::string wrong;
        const CollectiveSample sample = sample_of(cells, at, wrong);
        if (wrong.empty())
            samples.push_back(sample);
        else
            problems.push_back({place, wrong, remedy});
    }
    if (!problems.empty()) return problems;
    if (samples.empty()) return Problem{file, "has no row", remedy};
    return samples;
}

}  // namespace orrery
