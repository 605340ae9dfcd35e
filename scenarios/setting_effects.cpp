// Scenarios between two scenarios, resolved and priced one after the other.
#include "scenarios/setting_effects.hpp"

#include "scenarios/overlay.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace orrery {
namespace {

/// Blocks of a scenario that do not change a step.
constexpr std::array<std::string_view, 8> without_effect{"name", "description", "$schema", "extends", "economics", "search", "seed",
                                                         "fidelity"};

void flatten_values(const Json& value, const std::string& path, std::map<std::string, Json>& flat) {
    if (!value.is_object() || (value.empty() && !path.empty())) {
        flat[path] = value;
        return;
    }
    for (const auto& [name, child] : value.items()) {
        if (path.empty() && std::find(without_effect.begin(), without_effect.end(), name) != without_effect.end()) continue;
        flatten_values(child, path.empty() ? name : path + "." + name, flat);
    }
}

std::string value_or_absent(const std::map<std::string, Json>& flat, const std::string& path) {
    const auto found = flat.find(path);
    if (found == flat.end()) return "(absent)";
    return found->second.is_string() ? found->second.get<std::string>() : found->second.dump();
}

Result<TrainingAnswer> estimated(const GivenScenario& given) {
    const auto scenario = read_scenario(given.file, given.settings);
    if (!scenario) return scenario.problems();
    const auto resolved = resolve(*scenario);
    if (!resolved) return resolved.problems();
    return run_training(resolved->cluster, resolved->run, Fidelity::estimate, {});
}

}  // namespace

Result<std::vector<ChangeEffect>> setting_effects(const GivenScenario& before, const GivenScenario& after) {
    std::array<std::map<std::string, Json>, 2> flat;
    for (std::size_t side = 0; side < flat.size(); ++side) {
        const GivenScenario& given = side == 0 ? before : after;
        const auto overlay = read_overlay(given.file, given.settings);
        if (!overlay) return overlay.problems();
        flatten_values(overlay->values, "", flat[side]);
    }
    auto known = estimated(before);
    if (!known) return known.problems();
    std::map<std::string, bool> paths;
    for (const auto& side : flat) {
        for (const auto& [path, value] : side) paths[path] = true;
    }
    std::vector<ChangeEffect> effects;
    ChangeEffect open;
    GivenScenario here = before;
    for (const auto& [path, seen] : paths) {
        const auto old_value = flat[0].find(path);
        const auto new_value = flat[1].find(path);
        const bool is_gone = new_value == flat[1].end();
        if (!is_gone && old_value != flat[0].end() && old_value->second == new_value->second) continue;
        here.settings.push_back({path, is_gone ? "null" : value_or_absent(flat[1], path)});
        open.changes.push_back({path, value_or_absent(flat[0], path), value_or_absent(flat[1], path)});
        const auto changed = estimated(here);
        if (!changed) continue;   // goes only with what comes next
        for (std::size_t i = 0; i < time_part_count; ++i) open.moved[i] = changed->outcome.breakdown[i] - known->outcome.breakdown[i];
        open.step = changed->outcome.step;
        open.memory = changed->memory.total();
        effects.push_back(std::move(open));
        open = {};
        known = *changed;
    }
    if (open.changes.empty()) return effects;
    // Keys whose text a setting cannot give are left: the last step leads to the other scenario itself.
    const auto last = estimated(after);
    if (!last) return last.problems();
    for (std::size_t i = 0; i < time_part_count; ++i) open.moved[i] = last->outcome.breakdown[i] - known->outcome.breakdown[i];
    open.step = last->outcome.step;
    open.memory = last->memory.total();
    effects.push_back(std::move(open));
    return effects;
}

}  // namespace orrery
