// Reading the cells of measured rows: JSON values that may be absent, as numbers and lower-case text.
#pragma once

#include "scenarios/json.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>

namespace orrery {

/// A finite number at `key`, if there is one.
inline std::optional<double> row_number(const Json& row, const char* key) {
    const auto found = row.find(key);
    if (found == row.end() || !found->is_number()) return std::nullopt;
    return found->get<double>();
}

/// A whole number from 1 to a billion at `key`, if there is one.
inline std::optional<int> row_count(const Json& row, const char* key) {
    const auto value = row_number(row, key);
    if (!value || *value < 1.0 || *value > 1e9) return std::nullopt;
    return static_cast<int>(*value);
}

inline std::string row_text(const Json& row, const char* key) {
    const auto found = row.find(key);
    return found != row.end() && found->is_string() ? found->get<std::string>() : std::string();
}

inline std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

inline bool row_says(const Json& row, const char* key, std::string_view part) {
    return lower_case(row_text(row, key)).find(part) != std::string::npos;
}

}  // namespace orrery
