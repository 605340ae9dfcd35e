// Walks fields() from the scenario down and writes each down as data.
#include "scenarios/keys.hpp"

#include "planner/goal.hpp"
#include "scenarios/bind.hpp"
#include "scenarios/nearest.hpp"
#include "scenarios/scenario.hpp"

#include <algorithm>

namespace orrery {
namespace {

std::string join_path(const std::string& above, std::string_view name) {
    return above.empty() ? std::string(name) : above + "." + std::string(name);
}

template <class T>
void describe_type(Key& key, const T& value);

/// The members of T as children of `parent`, with the defaults that `values` has.
template <HasFields T>
void describe_fields(Key& parent, const T& values) {
    for_each_field<T>([&](const auto& field) {
        Key key;
        key.name = field.name;
        key.path = join_path(parent.path, field.name);
        key.doc = field.doc;
        key.source = field.source;
        key.required = field.required;
        key.divisor = bare_divisor(field.name);
        key.range = field.range;
        key.range.min *= key.divisor;
        key.range.max *= key.divisor;
        const auto& value = values.*field.member;
        describe_type(key, value);
        if (key.kind != KeyKind::object && !field.required && !is_absent(value, field.range)) {
            key.default_value = write_value(value, field.name);
        }
        parent.children.push_back(std::move(key));
    });
}

template <class T>
void describe_type(Key& key, const T& value) {
    if constexpr (is_optional<T>) {
        describe_type(key, typename T::value_type{});
    } else if constexpr (is_vector<T>) {
        key.kind = KeyKind::list;
        Key item;
        item.name = "*";
        item.path = key.path + ".*";
        item.range = key.range;
        describe_type(item, typename T::value_type{});
        item.doc = "One of them.";
        key.children.push_back(std::move(item));
    } else if constexpr (HasFields<T>) {
        key.kind = KeyKind::object;
        describe_fields(key, value);
    } else if constexpr (NamedEnum<T>) {
        key.kind = KeyKind::choice;
        for (const auto& entry : EnumTable<T>::names) key.choices.emplace_back(entry.name, entry.doc);
    } else if constexpr (is_quantity<T>) {
        key.kind = KeyKind::quantity;
        key.dimension = dimension_of(T{});
        key.bare_words = key.divisor == 1.0 ? std::string(unit_words(key.dimension)) : "USD per kWh";
    } else if constexpr (std::same_as<T, bool>) {
        key.kind = KeyKind::boolean;
    } else if constexpr (std::same_as<T, std::string>) {
        key.kind = KeyKind::text;
    } else {
        key.kind = std::floating_point<T> ? KeyKind::number : KeyKind::integer;
    }
}

Key text_key(std::string name, std::string path, std::string doc) {
    Key key;
    key.name = std::move(name);
    key.path = std::move(path);
    key.kind = KeyKind::text;
    key.doc = std::move(doc);
    return key;
}

Key workload_kind() {
    Key key;
    key.name = "kind";
    key.path = "workload.kind";
    key.kind = KeyKind::choice;
    key.doc = "What kind of workload it is.";
    key.required = true;
    key.choices = {{"training", "one optimizer step of a model, spread over all devices"},
                   {"collective", "one exchange among some devices, over a sweep of sizes"}};
    return key;
}

/// workload.framework is a name, or an object of a name and settings of the profile that the scenario changes.
void add_framework_settings(Key& framework) {
    framework.children.push_back(text_key("name", framework.path + ".name", "The profile that the settings change."));
    describe_fields(framework, FrameworkProfile{});
    for (Key& child : framework.children) child.default_value = nullptr;  // the profile's own, whichever it is
    std::erase_if(framework.children, [](const Key& child) { return child.name == "title" || child.name == "compared_with"; });
}

/// What a search asks for and what it takes for granted; its other keys have a schema of their own.
Key search_keys() {
    Key search;
    search.name = search.path = "search";
    search.doc = "What `orrery plan` searches; a single run ignores it.";
    const auto add = [&search](std::string name, std::string doc, const auto& value) {
        Key block;
        block.path = "search." + name;
        block.name = std::move(name);
        block.doc = std::move(doc);
        describe_fields(block, value);
        search.children.push_back(std::move(block));
    };
    add("goal", "What a whole training must keep to.", GoalSpec{});
    add("failures", "How often parts fail, and what failures and checkpoints cost.", Reliability{});
    add("power_model", "How clocks follow power caps.", PowerModel{});
    add("scaling", "The law of losses and tokens, and the batches it holds for.", ScalingSpec{});
    return search;
}

void collect_paths(const Key& key, std::vector<std::string>& paths) {
    for (const Key& child : key.children) {
        paths.push_back(child.path);
        collect_paths(child, paths);
    }
}

}  // namespace

Key scenario_keys() {
    Key root;
    root.doc = "A machine, what runs on it, and prices.";
    describe_fields(root, Scenario{});
    root.children.insert(root.children.begin(),
                         text_key("extends", "extends",
                                  "Scenario file that this one overlays, relative to this file: keys given here "
                                  "replace its own, null removes one (RFC 7396)."));
    for (Key& child : root.children) {
        if (child.name != "workload") continue;
        child.children.insert(child.children.begin(), workload_kind());
        for (Key& key : child.children) {
            if (key.name == "framework") add_framework_settings(key);
        }
        Key collective;
        collective.path = child.path;
        describe_fields(collective, CollectiveWorkload{});
        for (Key& key : collective.children) {
            key.required = false;  // of this kind alone
            key.doc = "Of a collective: " + key.doc;
            child.children.push_back(std::move(key));
        }
    }
    root.children.push_back(search_keys());
    return root;
}

const Key* find_key(const Key& root, std::string_view path) {
    const Key* at = &root;
    while (!path.empty()) {
        const std::size_t dot = std::min(path.find('.'), path.size());
        const std::string_view step = path.substr(0, dot);
        const bool is_index = !step.empty() && step.find_first_not_of("0123456789") == std::string_view::npos;
        const auto found = std::find_if(at->children.begin(), at->children.end(), [&](const Key& child) {
            return child.name == step || (at->kind == KeyKind::list && is_index);
        });
        if (found == at->children.end()) return nullptr;
        at = &*found;
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return at;
}

std::vector<std::string> key_paths(const Key& root) {
    std::vector<std::string> paths;
    collect_paths(root, paths);
    return paths;
}

std::string path_remedy(const Key& root, std::string_view path) {
    const std::vector<std::string> paths = key_paths(root);
    const std::size_t last_dot = path.rfind('.');
    const std::string_view last = last_dot == std::string_view::npos ? path : path.substr(last_dot + 1);
    for (const std::string& known : paths) {
        if (!last.empty() && known.size() > last.size() && known.ends_with("." + std::string(last))) {
            return "did you mean \"" + known + "\"?";
        }
    }
    const std::string nearest = nearest_name(path, paths);
    if (!nearest.empty()) return "did you mean \"" + nearest + "\"?";
    const Key* above = nullptr;
    std::string_view prefix = path;
    while (above == nullptr) {
        const std::size_t dot = prefix.rfind('.');
        prefix = dot == std::string_view::npos ? std::string_view{} : prefix.substr(0, dot);
        above = find_key(root, prefix);
    }
    std::vector<std::string> names;
    for (const Key& child : above->children) names.push_back(child.path);
    return nearest_remedy("", names);
}

}  // namespace orrery
