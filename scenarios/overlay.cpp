// Merging of layers, and finding out which of them a value came from.
#include "scenarios/overlay.hpp"

#include "scenarios/keys.hpp"
#include "scenarios/shown_text.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

namespace orrery {
namespace {

constexpr std::size_t path_shown = 120;  // bytes of a setting's path in messages
constexpr std::size_t extends_max = 16;  // deeper chains are a mistake: no reader could follow them

/// `json` without the members that are null, at every level of objects.
Json without_nulls(const Json& json) {
    if (!json.is_object()) return json;
    Json result = Json::object();
    auto& members = static_cast<Json::object_t::Container&>(result.get_ref<Json::object_t&>());
    for (const auto& item : json.items()) {
        if (!item.value().is_null()) members.emplace_back(item.key(), without_nulls(item.value()));
    }
    return result;
}

/// The layers of `file` and below, lowest first, appended to `layers`; `chain` holds the files on the way here.
Problems add_file(const std::string& file, std::vector<std::string>& chain, std::vector<Layer>& layers) {
    std::error_code ignored;
    const std::string identity = std::filesystem::weakly_canonical(file, ignored).string();
    if (std::find(chain.begin(), chain.end(), identity) != chain.end()) {
        return {{file, "extends itself by way of other files", "remove one \"extends\" of the circle"}};
    }
    if (chain.size() >= extends_max) {
        return {{file, "is the end of a chain of more than " + std::to_string(extends_max) + " files that extend",
                 "merge some of them"}};
    }
    chain.push_back(identity);
    Result<Json> read = parse_json_file(file);
    if (!read) return read.problems();
    Json values = std::move(*read);
    if (!values.is_object()) return {{file, "is " + quoted(values) + " where an object is expected", "write { .. }"}};
    const auto base = values.find("extends");
    if (base != values.end() && !base->is_null()) {
        if (!base->is_string() || base->get_ref<const std::string&>().empty()) {
            return {{file + ":/extends", "is " + quoted(*base) + " where a file is expected",
                     "write its path in quotes, relative to this file"}};
        }
        const std::filesystem::path path(base->get_ref<const std::string&>());
        Problems problems = add_file((std::filesystem::path(file).parent_path() / path).string(), chain, layers);
        if (!problems.empty()) return problems;
    }
    values.erase("extends");
    values.erase("$schema");
    layers.push_back({file, std::move(values), ""});
    return {};
}

std::vector<std::string> dotted_steps(std::string_view path) {
    std::vector<std::string> steps;
    while (true) {
        const std::size_t dot = path.find('.');
        steps.emplace_back(path.substr(0, dot));
        if (dot == std::string_view::npos) return steps;
        path.remove_prefix(dot + 1);
    }
}

/// The value of a setting: JSON where it parses, but the words themselves for keys that hold text.
Json setting_value(const Setting& setting, const Key& key) {
    const Result<Json> parsed = parse_json_text(setting.value, "--set");
    const bool wants_text = key.kind == KeyKind::text || key.kind == KeyKind::choice;
    if (parsed && (!wants_text || parsed->is_string() || parsed->is_null())) return *parsed;
    return setting.value;
}

/// Position that `step` names in `list`, its size for one more; nothing if it is no such number.
std::optional<std::size_t> list_index(const Json& list, const std::string& step) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
    if (error != std::errc{} || end != step.data() + step.size() || index > list.size()) return std::nullopt;
    return index;
}

/// Puts `value` at the steps' place inside `values`, making what is missing on the way.
Problems put(Json& values, const std::vector<std::string>& steps, const Key& root, const std::string& place,
             Json value) {
    Json* at = &values;
    std::string path;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const Key* key = find_key(root, path);
        const bool is_list = key != nullptr && key->kind == KeyKind::list;
        if (at->is_null()) *at = is_list ? Json::array() : Json::object();
        // A name with settings of its own besides becomes an object of both.
        if (at->is_string() && key != nullptr && key->kind == KeyKind::text && !key->children.empty())
            *at = Json{{"name", *at}};
        const bool is_last = i + 1 == steps.size();
        if (at->is_array() && is_list) {
            const auto index = list_index(*at, steps[i]);
            if (!index) {
                return {{place,
                         "has no item " + shown_text(steps[i], path_shown) + " in its list of " +
                             std::to_string(at->size()),
                         "write an index from 0 to " + std::to_string(at->size())}};
            }
            if (is_last && value.is_null()) {
                if (*index < at->size()) at->erase(*index);
                return {};
            }
            if (*index == at->size()) at->push_back(nullptr);
            at = &(*at)[*index];
        } else if (at->is_object() && !is_list) {
            if (is_last && value.is_null()) {
                at->erase(steps[i]);
                return {};
            }
            at = &(*at)[steps[i]];
        } else {
            return {{place, "goes through " + (path.empty() ? "the scenario" : path) + ", which is " + quoted(*at),
                     "set that first"}};
        }
        path += (path.empty() ? "" : ".") + steps[i];
    }
    *at = std::move(value);
    return {};
}

Problems apply_setting(const Setting& setting, const Key& root, Overlay& overlay) {
    const std::string place = "--set " + shown_text(setting.path, path_shown);
    const Key* key = setting.path.empty() || setting.path.back() == '.' ? nullptr : find_key(root, setting.path);
    if (key == nullptr) {
        return {{place, "is not a key of scenarios", path_remedy(root, setting.path)}};
    }
    if (key->path == "extends") return {{place, "cannot be set", "write \"extends\" in a file"}};
    const std::vector<std::string> steps = dotted_steps(setting.path);
    const Json value = setting_value(setting, *key);
    Problems problems = put(overlay.values, steps, root, place, value);
    // The same nest alone, with objects for lists too, tells later which values this setting gave.
    Json trace = value;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
        Json above = Json::object();
        above[*step] = std::move(trace);
        trace = std::move(above);
    }
    std::string pointer = "/" + setting.path;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    overlay.layers.push_back({"", std::move(trace), std::move(pointer)});
    return problems;
}

/// What a pointer names inside `json`: true if it is there.
bool has_value_at(const Json& json, std::string_view pointer) {
    const Json* at = &json;
    while (!pointer.empty()) {
        pointer.remove_prefix(1);
        const std::size_t slash = std::min(pointer.find('/'), pointer.size());
        std::string step;
        for (std::size_t i = 0; i < slash; ++i) {
            const bool is_escape = pointer[i] == '~' && i + 1 < slash;
            step += is_escape ? (pointer[++i] == '0' ? '~' : '/') : pointer[i];
        }
        pointer.remove_prefix(slash);
        if (at->is_object()) {
            const auto found = at->find(step);
            if (found == at->end()) return false;
            at = &*found;
        } else if (at->is_array()) {
            const auto index = list_index(*at, step);
            if (!index || *index >= at->size()) return false;
            at = &(*at)[*index];
        } else {
            return false;
        }
    }
    return true;
}

}  // namespace

Result<Overlay> read_overlay(const std::string& file, const std::vector<Setting>& settings) {
    Overlay overlay;
    std::vector<std::string> chain;
    Problems problems = add_file(file, chain, overlay.layers);
    if (!problems.empty()) return problems;
    overlay.values = without_nulls(overlay.layers.front().values);
    for (std::size_t i = 1; i < overlay.layers.size(); ++i) overlay.values.merge_patch(overlay.layers[i].values);
    const Key root = scenario_keys();
    for (const Setting& setting : settings) {
        const Problems found = apply_setting(setting, root, overlay);
        problems.insert(problems.end(), found.begin(), found.end());
    }
    if (!problems.empty()) return problems;
    return overlay;
}

std::string place_of(const Overlay& overlay, const std::string& pointer) {
    std::string own_file;
    for (auto layer = overlay.layers.rbegin(); layer != overlay.layers.rend(); ++layer) {
        const bool is_setting = layer->origin.empty();
        if (own_file.empty() && !is_setting) own_file = layer->origin;
        const bool is_above = is_setting && pointer.size() < layer->pointer.size();  // not what the setting gave
        if (is_above || !has_value_at(layer->values, pointer)) continue;
        if (!is_setting) return layer->origin + ":" + (pointer.empty() ? "/" : pointer);
        std::string path = pointer.empty() ? "" : pointer.substr(1);
        std::replace(path.begin(), path.end(), '/', '.');
        return "--set " + path;
    }
    return own_file + ":" + (pointer.empty() ? "/" : pointer);
}

}  // namespace orrery
