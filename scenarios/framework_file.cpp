// Inheritance of framework profiles and settings of a scenario over them.
#include "scenarios/framework_file.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/catalog_files.hpp"

#include <algorithm>
#include <utility>

namespace orrery {
namespace {

constexpr int generations_max = 8;
constexpr const char* settings_place = "/workload/framework";

/// What is the profile's own and not its heirs'.
bool is_own(const std::string& key) {
    return key == "title" || key == "compared_with" || key == "notes" || key == "more" || key == "extends";
}

Result<Json> with_ancestors(std::string_view name, int generations_left) {
    const Result<std::string> file = entry_file(*find_catalog_kind("framework"), name);
    if (!file) return file.problems();
    Result<Json> own = parse_json_file(*file);
    if (!own || !own->is_object() || !own->contains("extends")) return own;
    const std::string base = text_member(*own, "extends");
    const std::string place = "frameworks/" + std::string(name) + ".json:/extends";
    if (generations_left == 0) return Problem{place, "leads back to itself", "let one of the profiles extend none"};
    const Result<Json> above = with_ancestors(base, generations_left - 1);
    if (!above) {
        Problems problems = above.problems();
        if (generations_left == generations_max) problems.front().place = place;
        return problems;
    }
    // An alias, a profile without a setting of its own, was compared with whatever its base was.
    const bool is_alias = std::all_of(own->items().begin(), own->items().end(), [](const auto& item) { return is_own(item.key()); });
    for (const auto& [key, value] : above->items()) {
        if (own->contains(key) || (is_own(key) && !(is_alias && key == "compared_with"))) continue;
        Json figure = value;
        if (figure.is_object() && figure.contains("source")) {
            const std::string source = text_member(figure, "source");
            figure["source"] = source.starts_with("as ") ? source : "as " + base + ": " + source;
        }
        (*own)[key] = std::move(figure);
    }
    return own;
}

}  // namespace

Result<Json> framework_json(std::string_view name) { return with_ancestors(name, generations_max); }

std::string take_framework_settings(Json& values) {
    const auto workload = values.find("workload");
    if (workload == values.end() || !workload->is_object()) return {};
    const auto found = workload->find("framework");
    if (found == workload->end() || !found->is_object()) return {};
    Json settings = std::move(*found);
    workload->erase(found);
    if (const auto name = settings.find("name"); name != settings.end()) {
        (*workload)["framework"] = *name;
        settings.erase("name");
    }
    return settings.empty() ? std::string() : dump(settings);
}

FrameworkProfile changed_framework(FrameworkProfile profile, const std::string& settings, Problems& problems) {
    if (settings.empty()) return profile;
    const Result<Json> json = parse_json_text(settings, settings_place);
    if (!json) {
        problems.insert(problems.end(), json.problems().begin(), json.problems().end());
        return profile;
    }
    const std::string fitted_on = std::exchange(profile.compared_with, {});
    read_fields(*json, settings_place, profile, problems);
    std::string keys;
    for (const auto& item : json->items()) keys += (keys.empty() ? "" : ", ") + item.key();
    profile.title += "; " + keys + " as the scenario says" + (fitted_on.empty() ? "" : ", the rest as fitted");
    return profile;
}

}  // namespace orrery
