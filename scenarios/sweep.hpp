// A grid of what-ifs: which settings each point has, and its results as a table for scripts.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/scenario.hpp"
#include "sim/training.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// One dimension of the grid.
struct SweepAxis {
    std::string path;
    std::vector<std::string> values;
    bool operator==(const SweepAxis&) const = default;
};

/// "PATH=V1,V2,..": commas inside brackets, braces or double quotes do not part values.
Result<SweepAxis> parse_sweep_axis(const std::string& text);

/// More points than this are refused: each takes milliseconds, and nobody reads such a table.
inline constexpr std::size_t sweep_points_max = 100'000;

/// Every point's settings, the last axis varying fastest. Problems: an axis twice, too many points.
Result<std::vector<std::vector<Setting>>> sweep_points(const std::vector<SweepAxis>& axes);

struct SweepRow {
    std::vector<Setting> settings;
    std::optional<TrainingAnswer> answer;
    std::string refusal;             // why there is no answer
};

/// {"fidelity", "points": [{"set": {path: value}, "step_time_s", ..} or {"set", "refused"}]}.
std::string sweep_json(const std::vector<SweepRow>& rows, Fidelity fidelity);

}  // namespace orrery
