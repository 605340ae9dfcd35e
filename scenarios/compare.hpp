// Two training results side by side: what differs in the question, and in the answer.
#pragma once

#include "hardware/result.hpp"
#include "planner/plan_difference.hpp"
#include "scenarios/quantity.hpp"
#include "scenarios/result_json.hpp"
#include "sim/outcome.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orrery {

/// A figure of the comparison: where a result has it, and how people write it.
struct ComparedFigure {
    std::string_view pointer;     // JSON pointer into a result
    std::string_view label;
    Dimension dimension;
    bool is_ratio = false;        // written in percent
};
inline constexpr std::size_t compared_figure_count = 10;
extern const std::array<ComparedFigure, compared_figure_count> compared_figures;

/// One side.
struct ComparedRun {
    std::string name;
    std::array<double, compared_figure_count> figures{};
    Breakdown breakdown{};
    bool fits = true;
    std::vector<std::pair<std::string, std::string>> keys;   // of its scenario: dotted path, value with unit; sorted
};

/// A key of the scenarios that differs; an empty text: absent on that side.
struct ChangedKey {
    std::string path;
    std::string before;
    std::string after;
    bool operator==(const ChangedKey&) const = default;
};

/// The result that a file holds, as `orrery run --json` wrote it; nothing if the file is JSON but no result (a scenario).
Result<std::optional<ComparedRun>> read_result(const std::string& file);

ComparedRun compared_run(const TrainingReport& report);

/// Keys whose values differ, in the order of their paths.
std::vector<ChangedKey> changed_keys(const ComparedRun& before, const ComparedRun& after);

/// {"before", "after", "changed": [..], "figures": {pointer: {before, after, ratio}}, "breakdown_change_s": {..}, "effects":
/// [{"changes", "moved_s", "step_time_s"}, ..]}.
std::string comparison_json(const ComparedRun& before, const ComparedRun& after, const std::vector<ChangeEffect>& effects = {});

}  // namespace orrery
