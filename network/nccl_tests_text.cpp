// What nccl-tests prints: a list of ranks, a header that names the columns, and a line for each size.
#include "network/collective_anchors.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
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

namespace {

constexpr std::size_t log_problems_max = 20;

/// Where the head puts what is wanted, and the unit of times; columns counted without the head's "#".
struct PerfHead {
    std::size_t size = 0, type = 0, time = 0, columns = 0;
    double second = 0.0;   // of one unit of time; 0: no line of units yet
};

std::optional<PerfHead> perf_head(const std::vector<std::string>& words) {
    PerfHead head;
    const auto place = [&](std::string_view name) {
        return static_cast<std::size_t>(std::find(words.begin() + 1, words.end(), name) - words.begin()) - 1;
    };
    head.columns = words.size() - 1;
    head.size = place("size");
    head.type = place("type");
    head.time = place("time");
    if (head.size >= head.columns || head.time >= head.columns) return std::nullopt;
    return head;
}

/// The line of units below the head: "(B) (elements) (us) ..."; what is wrong with it.
std::string read_perf_units(const std::vector<std::string>& words, PerfHead& head) {
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string& unit = words[i];
        if (i == 1 && unit != "(B)") return "gives sizes in " + unit + ", not in bytes";
        const double second = unit == "(us)" ? 1e-6 : unit == "(ms)" ? 1e-3 : unit == "(s)" ? 1.0 : 0.0;
        if (second > 0.0) head.second = second;
        if (second > 0.0) return {};
    }
    return "gives no unit of time that is known";
}

/// A list of ranks: "#  Rank  0 Group  0 Pid  7 on host1 device  0 ...".
struct PerfRanks {
    int ranks = 0;
    std::map<std::string, int> by_host;
    void add(const std::vector<std::string>& words) {
        ++ranks;
        const auto on = std::find(words.begin(), words.end(), "on");
        if (on != words.end() && on + 1 != words.end()) ++by_host[*(on + 1)];
    }
    [[nodiscard]] bool is_even() const {
        return std::all_of(by_host.begin(), by_host.end(), [&](const auto& host) { return host.second == by_host.begin()->second; });
    }
    [[nodiscard]] int hosts() const { return std::max(1, static_cast<int>(by_host.size())); }
};

}  // namespace

Result<NcclLog> parse_nccl_tests(std::string_view text, const std::string& file) {
    std::optional<CollectiveKind> kind = perf_test_kind(text);
    if (!kind) kind = perf_test_kind(file);
    Problems problems;
    const auto refuse = [&](int line, const std::string& problem, const std::string& remedy) {
        const std::string place = line > 0 ? file + ":" + std::to_string(line) : file;
        if (problems.size() < log_problems_max) problems.push_back({place, problem, remedy});
    };
    if (!kind) refuse(0, "does not name its test", "put the test's name into the file's, as all_reduce_perf.txt");
    NcclLog log;
    std::optional<PerfHead> head;
    PerfRanks ranks;
    bool ended = false;
    int number = 0;
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) {
        ++number;
        const std::vector<std::string> words = words_of(line);
        if (words.empty()) continue;
        if (words.front().starts_with("#")) {
            if (words.size() > 2 && words[1] == "Rank") ranks.add(words);
            if (words.size() > 2 && words[1] == "Avg") ended = true;
            if (!head && words.size() > 3 && words[1] == "size") {
                head = perf_head(words);
                if (!head) refuse(number, "has no column \"time\"", "give the table as nccl-tests printed it");
            } else if (head && head->second == 0.0 && words.size() > 1 && words[1].starts_with("(")) {
                const std::string wrong = read_perf_units(words, *head);
                if (!wrong.empty()) refuse(number, wrong, "give sizes in (B) and times in (us), (ms) or (s)");
                if (head->second == 0.0) head->second = 1e-6;
            }
            continue;
        }
        if (!head || !positive_number(words.front())) continue;  // what the job's other programs print, and empty messages
        if (words.size() < head->columns) {
            refuse(number, "breaks off after " + std::to_string(words.size()) + " of " + std::to_string(head->columns) + " columns",
                   "remove the broken line, or give the whole output");
            continue;
        }
        const auto size = positive_number(words[head->size]);
        const auto time = positive_number(words[head->time]);
        if (!size || !time) {
            refuse(number, "has no size or no time", "keep the lines as nccl-tests printed them");
            continue;
        }
        const DataType type = head->type < head->columns ? perf_type(words[head->type]) : DataType::fp32;
        if (kind) log.samples.push_back({*kind, type, 0, Bytes::from_si(*size), Seconds::from_si(*time * (head->second > 0.0 ? head->second : 1e-6)), 1});
    }
    if (ranks.ranks < 2) {
        refuse(0, "lists " + std::to_string(ranks.ranks) + " ranks", "keep the lines \"# Rank 0 ..\" that nccl-tests prints first");
    } else if (!ranks.is_even()) {
        refuse(0, "has hosts with unequal numbers of ranks", "give a run with as many ranks on every host");
    }
    if (!head) {
        refuse(0, "has no head \"# size count type ..\"", "give the table as nccl-tests printed it");
    } else if (log.samples.empty() && problems.empty()) {
        refuse(0, "has no line with a size and a time", "give what nccl-tests printed");
    }
    if (!problems.empty()) return problems;
    for (CollectiveSample& sample : log.samples) {
        sample.ranks = ranks.ranks;
        sample.domains = ranks.hosts();
    }
    if (!ended) log.notes.push_back(file + ": ends without its average: cut short? " + std::to_string(log.samples.size()) + " sizes were read");
    return log;
}

}  // namespace orrery
