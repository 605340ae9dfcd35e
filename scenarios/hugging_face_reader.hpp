// Reading a config.json key by key, for the files that know the families.
#pragma once

#include "models/architecture.hpp"
#include "scenarios/bind.hpp"
#include "scenarios/json.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace orrery {

/// One config.json while it is read: values by key, every mistake noted.
class ConfigReader {
  public:
    ConfigReader(const Json& json, std::string place) : json_(json), place_(std::move(place)) {}

    /// Absent and null are the same here: Python's None.
    [[nodiscard]] bool has(std::string_view key) const {
        const auto found = json_.find(key);
        return found != json_.end() && !found->is_null();
    }

    [[nodiscard]] bool is_null(std::string_view key) const {
        const auto found = json_.find(key);
        return found != json_.end() && found->is_null();
    }

    int required(std::string_view key, std::string_view meaning) {
        if (has(key)) return integer(key, 1);
        report_missing_key(place_, key, meaning, problems_);
        return 1;
    }

    int optional(std::string_view key, int fallback, int least = 1) {
        return has(key) ? integer(key, least) : fallback;
    }

    bool flag(std::string_view key, bool fallback) {
        if (!has(key)) return fallback;
        return read_bool(*json_.find(key), slot(key, any_value), problems_).value_or(fallback);
    }

    std::string text(std::string_view key, std::string_view fallback) {
        if (!has(key)) return std::string(fallback);
        return read_text(*json_.find(key), slot(key, any_value), problems_).value_or(std::string(fallback));
    }

    void problem(std::string_view key, std::string problem, std::string remedy) {
        problems_.push_back({pointer_to(place_, key), std::move(problem), std::move(remedy)});
    }

    /// The member object of that key, read with the same rules; an empty one if it is absent.
    ConfigReader member(std::string_view key) {
        static const Json empty = Json::object();
        const bool usable = has(key) && expect_object(*json_.find(key), pointer_to(place_, key), problems_);
        return {usable ? *json_.find(key) : empty, pointer_to(place_, key)};
    }

    void take_problems(const ConfigReader& other) {
        problems_.insert(problems_.end(), other.problems_.begin(), other.problems_.end());
    }

    [[nodiscard]] const Problems& problems() const { return problems_; }
    [[nodiscard]] const Json& json() const { return json_; }

  private:
    [[nodiscard]] Slot slot(std::string_view key, Range range) const {
        return {key, range, pointer_to(place_, key), {}};
    }

    int integer(std::string_view key, int least) {
        const Range range{static_cast<double>(least), count.max, false};
        return static_cast<int>(read_integer(*json_.find(key), slot(key, range), problems_).value_or(least));
    }

    const Json& json_;
    std::string place_;
    Problems problems_;
};

// Families beside the decoders; scenarios/hugging_face_others.cpp.
void read_bert(ConfigReader& config, Architecture& a);
void read_jamba(ConfigReader& config, Architecture& a);
void read_mamba(ConfigReader& config, Architecture& a);
void read_mamba2(ConfigReader& config, Architecture& a);
void read_nemotron_h(ConfigReader& config, Architecture& a);
void read_t5(ConfigReader& config, Architecture& a);
void read_vit(ConfigReader& config, Architecture& a);

}  // namespace orrery
