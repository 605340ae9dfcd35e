// What nccl-tests prints: a list of ranks, a header that names the columns, and a line for each size.
#include "network/collective_anchors.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

namespace orrery {

namespace {

struct PerfTest {
    std::string_view name;
    CollectiveKind kind;
};
constexpr std::array<PerfTest, 7> perf_tests{{
    {"all_reduce", CollectiveKind::all_reduce},
    {"all_gather", CollectiveKind::all_gather},
    {"reduce_scatter", CollectiveKind::reduce_scatter},
    {"alltoall", CollectiveKind::all_to_all},
    {"broadcast", CollectiveKind::broadcast},
    {"sendrecv", CollectiveKind::send_recv},
    {"reduce", CollectiveKind::reduce},
}};

struct PerfType {
    std::string_view name;
    DataType type;
};
constexpr std::array<PerfType, 6> perf_types{{{"float", DataType::fp32}, {"half", DataType::fp16}, {"bfloat16", DataType::bf16},
                                              {"int8", DataType::int8}, {"double", DataType::fp64}, {"f8e4m3", DataType::fp8}}};

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

std::optional<double> positive_number(const std::string& word) {
    double value = 0.0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || !(value > 0.0) || !std::isfinite(value)) return std::nullopt;
    return value;
}

}  // namespace

std::optional<CollectiveKind> perf_test_kind(std::string_view text) {
    for (const PerfTest& test : perf_tests) {
        const std::string name = std::string(test.name) + "_perf";
        if (text.find(name) != std::string_view::npos) return test.kind;
    }
    return std::nullopt;
}

DataType perf_type(std::string_view name) {
    for (const PerfType& type : perf_types) {
        if (type.name == name) return type.type;
    }
    return DataType::fp32;
}

bool is_nccl_tests(std::string_view text) {
    return text.find("algbw") != std::string_view::npos || text.find("out_of_place") != std::string_view::npos;
}

Result<std::vector<CollectiveSample>> parse_nccl_tests(std::string_view text, const std::string& file) {
    std::optional<CollectiveKind> kind = perf_test_kind(text);
    if (!kind) kind = perf_test_kind(file);
    Problems problems;
    if (!kind) problems.push_back({file, "does not name its test", "put the test's name into the file's, as all_reduce_perf.txt"});
    std::vector<CollectiveSample> samples;
    std::istringstream in{std::string(text)};
    std::size_t time_column = 0;
    int ranks = 0;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        std::vector<std::string> words = words_of(line);
        if (words.empty()) continue;
        if (words.front().starts_with("#")) {
            if (words.size() > 2 && words[1] == "Rank") ++ranks;
            for (std::size_t i = 1; time_column == 0 && words.size() > 3 && words[1] == "size" && i < words.size(); ++i) {
                if (words[i] == "time") time_column = i - 1;
            }
            continue;
        }
        if (time_column == 0 || words.size() <= time_column) continue;
        const auto size = positive_number(words[0]);
        const auto time = positive_number(words[time_column]);
        if (!size && words[0] == "0") continue;  // nothing to send
        if (!size || !time) {
            if (problems.size() < 20) {
                problems.push_back({file + ":" + std::to_string(number), "has no size or no time", "keep the lines as nccl-tests printed them"});
            }
            continue;
        }
        if (kind) samples.push_back({*kind, perf_type(words[2]), 0, Bytes::from_si(*size), Seconds::from_si(*time * 1e-6)});
    }
    if (ranks < 2) problems.push_back({file, "lists " + std::to_string(ranks) + " ranks", "keep the lines \"# Rank 0 ..\" that nccl-tests prints first"});
    if (kind && samples.empty() && problems.empty()) problems.push_back({file, "has no line with a size and a time", "give what nccl-tests printed"});
    if (!problems.empty()) return problems;
    for (CollectiveSample& sample : samples) sample.ranks = ranks;
    return samples;
}

}  // namespace orrery
