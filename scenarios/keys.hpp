// The keys of a scenario as data: what fields() says of each, for the schema, explanations, settings and editors.
#pragma once

#include "hardware/fields.hpp"
#include "scenarios/json.hpp"
#include "scenarios/quantity.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orrery {

enum class KeyKind : std::uint8_t { object, list, quantity, number, integer, boolean, text, choice };

struct Key {
    std::string name;
    std::string path;  // dotted, "cluster.fabric.link"; items of lists are "*"
    KeyKind kind = KeyKind::object;
    Dimension dimension;     // of quantities
    double divisor = 1.0;    // of bare numbers, to SI base units
    std::string bare_words;  // that unit: "bytes per second", "USD per kWh"
    Range range;             // in the unit of bare numbers
    Json default_value;      // null: required, or absent means something else than a value
    std::string doc;
    std::string source;  // of the default
    bool required = false;
    std::vector<std::pair<std::string, std::string>> choices;  // name and doc
    std::vector<Key> children;                                 // of objects; of a list: its item alone
};

/// The whole tree; its root is the scenario itself, with an empty path.
Key scenario_keys();

/// The key at a dotted path (indices and "*" both name a list's item), or null.
const Key* find_key(const Key& root, std::string_view path);

/// Every path below `root`, in order.
std::vector<std::string> key_paths(const Key& root);

/// Remedy for a path that is no key: the paths that end in the same name, or the nearest spelling, or the keys that the
/// part of it that exists has.
std::string path_remedy(const Key& root, std::string_view path);

}  // namespace orrery
