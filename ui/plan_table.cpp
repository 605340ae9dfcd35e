// Settings of plans compared, and cells set in columns.
#include "ui/plan_table.hpp"

#include "ui/report_text.hpp"

#include <algorithm>

namespace orrery {

std::string last_part(const std::string& path) {
    const std::size_t dot = path.rfind('.');
    return dot == std::string::npos ? path : path.substr(dot + 1);
}

namespace {

/// "16 dgx-h100 + 16 dgx-a100".
std::string nodes_text(const Cluster& cluster) {
    if (!cluster.is_mixed()) return std::to_string(cluster.nodes) + " " + cluster.node.name;
    std::string text;
    for (const DeviceGroup& group : cluster.groups) {
        text += (text.empty() ? "" : " + ") + std::to_string(group.nodes) + " " + group.name;
    }
    return text;
}

}  // namespace

std::vector<PlanSets> sets_of(const LoadedSearch& search, const std::vector<FoundPlan>& plans) {
    std::vector<PlanSets> sets;
    for (const FoundPlan& plan : plans) {
        PlanSets set;
        const SearchBase& base = search.space.bases[plan.base];
        for (const Setting& one : plan_settings(base, plan)) {
            set[one.path] = one.path == "cluster.groups" ? nodes_text(base.cluster) : one.value;
        }
        sets.push_back(std::move(set));
    }
    return sets;
}

std::vector<std::string> differing_paths(const std::vector<PlanSets>& sets, std::string& shared) {
    std::map<std::string, std::vector<std::string>> values;
    for (const auto& set : sets) {
        for (const auto& [path, value] : set) values[path].push_back(value);
    }
    std::vector<std::string> paths;
    for (const auto& [path, list] : values) {
        const bool is_shared = list.size() == sets.size() && std::all_of(list.begin(), list.end(), [&](const std::string& one) { return one == list.front(); });
        if (!is_shared) {
            paths.push_back(path);
        } else {
            shared += (shared.empty() ? "" : ", ") + last_part(path) + " " + list.front();
        }
    }
    return paths;
}

std::string cell_of(const std::string& value) {
    constexpr std::size_t cell_most = 28;   // columns
    if (value.size() <= cell_most || value.front() != '[' || value.back() != ']') return value;
    std::vector<std::pair<std::string, int>> runs;
    for (std::size_t begin = 1; begin < value.size();) {
        const std::size_t end = value.find_first_of(",]", begin);
        const std::string one = value.substr(begin, end - begin);
        if (!runs.empty() && runs.back().first == one) ++runs.back().second;
        else runs.emplace_back(one, 1);
        begin = end + 1;
    }
    std::string cell = "[";
    for (const auto& [one, times] : runs) {
        const std::string next = (cell.size() > 1 ? "," : "") + (times > 1 ? std::to_string(times) + "x" : "") + one;
        if (cell.size() + next.size() + 4 > cell_most) return cell + ",..]";
        cell += next;
    }
    return cell + "]";
}

std::string table_of(const std::vector<PlanCells>& rows, const Style& style) {
    std::vector<std::size_t> widths(rows.front().size(), 0);
    for (const PlanCells& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
    }
    std::string text;
    for (std::size_t line = 0; line < rows.size(); ++line) {
        std::string row = " ";
        for (std::size_t i = 0; i < rows[line].size(); ++i) row += " " + padded(rows[line][i], widths[i], true) + " ";
        while (row.back() == ' ') row.pop_back();
        text += painted(style, line == 0 ? Tone::bold : Tone::plain, row) + "\n";
    }
    return text;
}

}  // namespace orrery
