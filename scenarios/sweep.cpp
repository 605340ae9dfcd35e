// Grids taken apart and written down.
#include "scenarios/sweep.hpp"

#include "scenarios/json.hpp"

#include <algorithm>

namespace orrery {
namespace {

std::vector<std::string> split_values(const std::string& text) {
    std::vector<std::string> values{""};
    int depth = 0;
    bool is_quoted = false;
    for (const char c : text) {
        if (c == '"') is_quoted = !is_quoted;
        if (!is_quoted && (c == '[' || c == '{')) ++depth;
        if (!is_quoted && (c == ']' || c == '}')) --depth;
        if (c == ',' && depth == 0 && !is_quoted) {
            values.emplace_back();
        } else {
            values.back() += c;
        }
    }
    return values;
}

}  // namespace

Result<SweepAxis> parse_sweep_axis(const std::string& text) {
    const std::size_t equals = text.find('=');
    const std::string remedy = "write for example --over workload.micro_batch=1,2,4";
    if (equals == std::string::npos || equals == 0) return Problem{"--over " + text, "is not PATH=V1,V2,..", remedy};
    SweepAxis axis{text.substr(0, equals), split_values(text.substr(equals + 1))};
    const bool has_gap = std::any_of(axis.values.begin(), axis.values.end(), [](const std::string& one) { return one.empty(); });
    if (has_gap) return Problem{"--over " + text, "has an empty value", remedy};
    return axis;
}

Result<std::vector<std::vector<Setting>>> sweep_points(const std::vector<SweepAxis>& axes) {
    std::size_t points = 1;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (axes[j].path == axes[i].path) {
                return Problem{"--over " + axes[i].path, "is given twice", "put all its values into one --over"};
            }
        }
        points *= axes[i].values.size();
        if (points > sweep_points_max) {
            return Problem{"--over", "asks for more than " + std::to_string(sweep_points_max) + " points",
                           "sweep over fewer values"};
        }
    }
    std::vector<std::vector<Setting>> grid{{}};
    for (const SweepAxis& axis : axes) {
        std::vector<std::vector<Setting>> longer;
        longer.reserve(grid.size() * axis.values.size());
        for (const std::vector<Setting>& point : grid) {
            for (const std::string& value : axis.values) {
                longer.push_back(point);
                longer.back().push_back({axis.path, value});
            }
        }
        grid = std::move(longer);
    }
    return grid;
}

std::string sweep_json(const std::vector<SweepRow>& rows, Fidelity fidelity) {
    Json points = Json::array();
    for (const SweepRow& row : rows) {
        Json settings = Json::object();
        for (const Setting& one : row.settings) settings[one.path] = one.value;
        Json point = {{"set", settings}};
        if (row.answer) {
            const TrainingAnswer& answer = *row.answer;
            point["step_time_s"] = answer.outcome.step.si();
            point["tokens_per_s"] = answer.tokens_per_s;
            point["mfu"] = answer.mfu;
            point["devices"] = answer.devices;
            point["peak_bytes"] = answer.memory.total().si();
            point["fits"] = answer.fits;
            point["average_w"] = answer.power_average.si();
            point["usd_per_step"] = answer.cost_per_step.si();
            point["usd_per_million_tokens"] = answer.cost_per_million_tokens.si();
        } else {
            point["refused"] = row.refusal;
        }
        points.push_back(std::move(point));
    }
    return dump({{"kind", "sweep"}, {"fidelity", std::string(name_of(fidelity))}, {"points", points}});
}

}  // namespace orrery
