// Readers of single JSON values and the messages of everything that can be wrong with them.
#include "scenarios/bind.hpp"

#include "scenarios/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

// Largest integer up to which a double still tells neighbours apart (IEEE 754 binary64: 53 bits).
constexpr double exact_max = 9007199254740992.0;

constexpr double joules_per_kwh = 3.6e6;  // by definition: 1000 W for 3600 s

void complain(const Slot& slot, std::string problem, std::string remedy, Problems& problems) {
    if (problems.size() < problems_max) problems.push_back({slot.place, std::move(problem), std::move(remedy)});
}

std::string range_words(const Range& range) {
    const auto number = [](double value) {
        return std::abs(value) < 1e15 && value == std::trunc(value) ? fmt::format("{:.0f}", value)
                                                                    : fmt::format("{:g}", value);
    };
    if (!std::isfinite(range.max)) return (range.open_min ? "above " : "of at least ") + number(range.min);
    if (!std::isfinite(range.min)) return "of at most " + number(range.max);
    return (range.open_min ? "above " : "from ") + number(range.min) + (range.open_min ? " and up to " : " to ") +
           number(range.max);
}

/// The number itself where the catalogue's form {"value": .., "source": ..} is allowed and used.
const Json& bare_value(const Json& json, const Slot& slot) {
    if (!slot.options.catalog_figures || !json.is_object()) return json;
    const auto found = json.find("value");
    return found == json.end() ? json : *found;
}

std::string_view expected_number(Dimension dimension) {
    return dimension == plain_number ? "write a number, such as " : "write a number or a text with a unit, such as ";
}

/// A number out of JSON or text, before its range is looked at.
std::optional<double> number_of(const Json& json, Dimension dimension, const Slot& slot, Problems& problems) {
    if (json.is_number()) return json.get<double>() / bare_divisor(slot.name);
    if (json.is_string()) {
        const auto& text = json.get_ref<const std::string&>();
        Result<double> parsed = parse_quantity(text, dimension);
        // A rent per device and hour is kept as dollars; "2.5 USD/h" says the same.
        constexpr Dimension dollars = dimension_of(Usd{});
        if (!parsed && dimension == dollars && slot.name.ends_with("_hour")) {
            const Result<double> per_second = parse_quantity(text, dimension_of(UsdPerSecond{}));
            if (per_second) parsed = *per_second * 3600.0;
        }
        if (parsed) return *parsed;
        const Problem& problem = parsed.problems().front();
        complain(slot, problem.problem, problem.remedy, problems);
        return std::nullopt;
    }
    complain(slot, "is " + quoted(json) + " where a number is expected",
             std::string(expected_number(dimension)) + std::string(unit_examples(dimension)), problems);
    return std::nullopt;
}

std::optional<double> integral_number(const Json& json, const Slot& slot, Problems& problems) {
    const auto number = number_of(json, plain_number, slot, problems);
    if (!number) return std::nullopt;
    if (*number == std::trunc(*number) && std::abs(*number) <= exact_max) return number;
    complain(slot, "is " + quoted(json) + " where a whole number is expected",
             std::abs(*number) > exact_max ? "write a whole number below 9e15" : "write it without a fraction",
             problems);
    return std::nullopt;
}

bool check_range(double value, const Json& json, double divisor, const Slot& slot, Problems& problems) {
    if (in_range(value, slot.range)) return true;
    Range shown = slot.range;
    shown.min *= divisor;
    shown.max *= divisor;
    complain(slot, "is " + quoted(json) + ", out of range", "write a value " + range_words(shown), problems);
    return false;
}

}  // namespace

double bare_divisor(std::string_view key) { return key.ends_with("_per_kwh") ? joules_per_kwh : 1.0; }

bool in_range(double value, const Range& range) {
    return (range.open_min ? value > range.min : value >= range.min) && value <= range.max;
}

std::optional<double> read_number(const Json& json, Dimension dimension, const Slot& slot, Problems& problems) {
    const Json& bare = bare_value(json, slot);
    const auto number = number_of(bare, dimension, slot, problems);
    if (!number || !check_range(*number, bare, bare_divisor(slot.name), slot, problems)) return std::nullopt;
    return number;
}

std::optional<std::int64_t> read_integer(const Json& json, const Slot& slot, Problems& problems) {
    const Json& bare = bare_value(json, slot);
    const auto number = integral_number(bare, slot, problems);
    if (!number || !check_range(*number, bare, 1.0, slot, problems)) return std::nullopt;
    return static_cast<std::int64_t>(*number);
}

std::optional<std::uint64_t> read_unsigned(const Json& json, const Slot& slot, Problems& problems) {
    const Json& bare = bare_value(json, slot);
    if (bare.is_number_unsigned()) {
        // All 64 bits, which a double could not hold.
        const auto value = bare.get<std::uint64_t>();
        if (!check_range(static_cast<double>(value), bare, 1.0, slot, problems)) return std::nullopt;
        return value;
    }
    const auto number = integral_number(bare, slot, problems);
    Slot not_negative = slot;
    not_negative.range.min = std::max(0.0, slot.range.min);
    if (!number || !check_range(*number, bare, 1.0, not_negative, problems)) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
}

std::optional<bool> read_bool(const Json& json, const Slot& slot, Problems& problems) {
    const Json& bare = bare_value(json, slot);
    if (bare.is_boolean()) return bare.get<bool>();
    complain(slot, "is " + quoted(json) + " where true or false is expected", "write true or false, without quotes",
             problems);
    return std::nullopt;
}

std::optional<std::string> read_text(const Json& json, const Slot& slot, Problems& problems) {
    if (json.is_string()) return json.get<std::string>();
    complain(slot, "is " + quoted(json) + " where a text is expected", "write a text in quotes", problems);
    return std::nullopt;
}

std::optional<std::size_t> read_choice(const Json& json, const std::vector<std::string>& names, const Slot& slot,
                                       Problems& problems) {
    if (json.is_string()) {
        const auto found = std::find(names.begin(), names.end(), json.get_ref<const std::string&>());
        if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    }
    const std::string wanted = json.is_string() ? json.get<std::string>() : std::string();
    complain(slot, "is " + quoted(json) + ", which is none of its values", nearest_remedy(wanted, names), problems);
    return std::nullopt;
}

bool expect_object(const Json& json, const std::string& place, Problems& problems) {
    if (json.is_object()) return true;
    complain({{}, any_value, place, {}}, "is " + quoted(json) + " where an object is expected", "write { .. }",
             problems);
    return false;
}

bool expect_array(const Json& json, const std::string& place, Problems& problems) {
    if (json.is_array()) return true;
    complain({{}, any_value, place, {}}, "is " + quoted(json) + " where a list is expected", "write [ .. ]", problems);
    return false;
}

void refuse_unknown_keys(const Json& object, const std::string& pointer, const std::vector<std::string>& known,
                         Problems& problems) {
    for (const auto& item : object.items()) {
        if (problems.size() >= problems_max) return;
        if (item.key() == "$schema" || std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
        problems.push_back({pointer_to(pointer, item.key()), "is not a known key", nearest_remedy(item.key(), known)});
    }
}

void report_missing_key(const std::string& pointer, std::string_view key, std::string_view doc, Problems& problems) {
    if (problems.size() >= problems_max) return;
    problems.push_back({pointer_to(pointer, key), "is missing", "add it: " + std::string(doc)});
}

}  // namespace orrery
