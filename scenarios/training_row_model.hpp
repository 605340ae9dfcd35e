// What a training table's row says of its model and of the software's switches.
#pragma once

#include "models/architecture.hpp"
#include "models/training.hpp"
#include "scenarios/json.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// A row read key by key; what is absent or of another type is nothing.
class Row {
  public:
    explicit Row(const Json& row) : row_(row) {}
    [[nodiscard]] std::optional<double> number(const char* key) const {
        const auto found = row_.find(key);
        if (found == row_.end() || !found->is_number()) return std::nullopt;
        return found->get<double>();
    }
    [[nodiscard]] std::optional<int> integer(const char* key) const {
        const auto value = number(key);
        if (!value || *value < 0 || *value > 1e9) return std::nullopt;
        return static_cast<int>(*value);
    }
    [[nodiscard]] std::string text(const char* key) const {
        const auto found = row_.find(key);
        return found != row_.end() && found->is_string() ? found->get<std::string>() : std::string();
    }
    [[nodiscard]] std::string lower(const char* key) const {
        std::string value = text(key);
        std::transform(value.begin(), value.end(), value.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return value;
    }
    [[nodiscard]] std::optional<bool> flag(const char* key) const {
        const auto found = row_.find(key);
        if (found == row_.end() || !found->is_boolean()) return std::nullopt;
        return found->get<bool>();
    }
    [[nodiscard]] bool says(const char* key, std::string_view part) const {
        return lower(key).find(part) != std::string::npos;
    }

    /// The numbers of the list under `key`.
    [[nodiscard]] std::vector<double> numbers(const char* key) const {
        std::vector<double> values;
        const auto found = row_.find(key);
        if (found == row_.end() || !found->is_array()) return values;
        for (const Json& one : *found) {
            if (one.is_number()) values.push_back(one.get<double>());
        }
        return values;
    }

    /// The object under `key`, or an empty one.
    [[nodiscard]] Row member(const char* key) const {
        static const Json empty = Json::object();
        const auto found = row_.find(key);
        return Row(found != row_.end() && found->is_object() ? *found : empty);
    }
    [[nodiscard]] bool has(const char* key) const {
        const auto found = row_.find(key);
        return found != row_.end() && !found->is_null();
    }

    [[nodiscard]] const Json& json() const { return row_; }

  private:
    const Json& row_;
};

bool is_jax(const Row& row);

/// Requires the keys of a whole row: n_layers, d_model, n_heads, vocab, seq_len.
Architecture architecture_of(const Row& row);

/// Recomputation, graphs, dispatcher, overlap, adapters and optimizer, where the row says them or its release does.
/// A sentence where a release's habit had to stand in, else empty.
std::string read_software(const Row& row, TrainingSpec& spec);

}  // namespace orrery
