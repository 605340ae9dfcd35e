// Results read back and laid side by side.
#include "scenarios/compare.hpp"

#include "scenarios/goal_json.hpp"
#include "scenarios/json.hpp"
#include "scenarios/keys.hpp"

#include <algorithm>

namespace orrery {

constexpr std::array<ComparedFigure, compared_figure_count> compared_figures{{
    {"/step_time_s", "step time", {1, 0, 0, 0, 0}, false},
    {"/tokens_per_s", "tokens per second", plain_number, false},
    {"/mfu", "MFU", plain_number, true},
    {"/hfu", "HFU", plain_number, true},
    {"/memory/peak_bytes", "memory", {0, 1, 0, 0, 0}, false},
    {"/power/average_w", "power", {-1, 0, 0, 1, 0}, false},
    {"/power/energy_per_step_j", "energy per step", {0, 0, 0, 1, 0}, false},
    {"/cost/usd_per_step", "cost per step", {0, 0, 0, 0, 1}, false},
    {"/cost/usd_per_million_tokens", "cost per million tokens", {0, 0, 0, 0, 1}, false},
    {"/devices", "devices", plain_number, false},
}};

namespace {

/// The value as people write it: with the unit that its key has.
std::string key_text(const Json& value, const Key* key) {
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_number() || key == nullptr || key->kind != KeyKind::quantity) return value.dump();
    if (key->divisor != 1.0) return value.dump() + " " + key->bare_words;
    return format_quantity(value.get<double>(), key->dimension);
}

void flatten_keys(const Json& value, const std::string& path, const Key& keys,
                  std::vector<std::pair<std::string, std::string>>& found) {
    if (!value.is_object()) {
        found.emplace_back(path, key_text(value, find_key(keys, path)));
        return;
    }
    for (const auto& [name, child] : value.items()) flatten_keys(child, path.empty() ? name : path + "." + name, keys, found);
}

double number_at(const Json& result, std::string_view pointer) {
    const Json::json_pointer place{std::string(pointer)};
    return result.contains(place) && result.at(place).is_number() ? result.at(place).get<double>() : 0.0;
}

ComparedRun run_of_result(const Json& result, std::string name) {
    ComparedRun run;
    run.name = std::move(name);
    for (std::size_t i = 0; i < compared_figure_count; ++i) run.figures[i] = number_at(result, compared_figures[i].pointer);
    for (std::size_t i = 0; i < time_part_count; ++i) {
        const std::string pointer = "/breakdown_s/" + std::string(EnumTable<TimePart>::names[i].name);
        run.breakdown[i] = Seconds::from_si(number_at(result, pointer));
    }
    const Json::json_pointer fits{"/memory/fits"};
    run.fits = !result.contains(fits) || result.at(fits) != Json(false);
    if (result.contains("scenario")) flatten_keys(result["scenario"], "", scenario_keys(), run.keys);
    std::sort(run.keys.begin(), run.keys.end());
    return run;
}

}  // namespace

Result<std::optional<ComparedRun>> read_result(const std::string& file) {
    const auto json = parse_json_file(file);
    if (!json) return json.problems();
    if (!json->is_object() || !json->contains("step_time_s") || !json->contains("breakdown_s")) {
        return std::optional<ComparedRun>{};
    }
    if (!json->at("step_time_s").is_number() || !json->at("breakdown_s").is_object()) {
        return Problem{file, "looks like a result, but its step_time_s or breakdown_s is not what orrery writes",
                       "give a scenario, or a file written by orrery run --json"};
    }
    const auto name = json->find("name");
    const bool is_named = name != json->end() && name->is_string() && !name->get<std::string>().empty();
    return std::optional(run_of_result(*json, is_named ? name->get<std::string>() : file));
}

ComparedRun compared_run(const TrainingReport& report) {
    const auto json = parse_json_text(training_json(report), "result");
    ORRERY_CHECK(json.ok());
    return run_of_result(*json, report.scenario.name);
}

std::vector<ChangedKey> changed_keys(const ComparedRun& before, const ComparedRun& after) {
    std::vector<ChangedKey> changed;
    auto a = before.keys.begin();
    auto b = after.keys.begin();
    while (a != before.keys.end() || b != after.keys.end()) {
        if (b == after.keys.end() || (a != before.keys.end() && a->first < b->first)) {
            changed.push_back({a->first, a->second, ""});
            ++a;
        } else if (a == before.keys.end() || b->first < a->first) {
            changed.push_back({b->first, "", b->second});
            ++b;
        } else {
            if (a->second != b->second) changed.push_back({a->first, a->second, b->second});
            ++a;
            ++b;
        }
    }
    return changed;
}

std::string comparison_json(const ComparedRun& before, const ComparedRun& after, const std::vector<ChangeEffect>& effects) {
    Json changed = Json::array();
    for (const ChangedKey& one : changed_keys(before, after)) {
        changed.push_back({{"path", one.path}, {"before", one.before}, {"after", one.after}});
    }
    Json figures = Json::object();
    for (std::size_t i = 0; i < compared_figure_count; ++i) {
        const double a = before.figures[i];
        const double b = after.figures[i];
        figures[std::string(compared_figures[i].pointer.substr(1))] = {
            {"before", a}, {"after", b}, {"ratio", a != 0.0 ? Json(b / a) : Json(nullptr)}};
    }
    Json parts = Json::object();
    for (std::size_t i = 0; i < time_part_count; ++i) {
        parts[std::string(EnumTable<TimePart>::names[i].name)] = (after.breakdown[i] - before.breakdown[i]).si();
    }
    return dump({{"before", before.name},
                 {"after", after.name},
                 {"fits", {{"before", before.fits}, {"after", after.fits}}},
                 {"changed", changed},
                 {"figures", figures},
                 {"breakdown_change_s", parts},
                 {"effects", effects_array(effects)}});
}

}  // namespace orrery
