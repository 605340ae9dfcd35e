// JSON objects to structs and back by walking fields(): types, ranges, unknown and missing keys, all problems at once.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/result.hpp"
#include "scenarios/json.hpp"
#include "scenarios/quantity.hpp"

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace orrery {

struct BindOptions {
    bool catalog_figures = false;  // numbers may be {"value": .., "source": .., ..} as in the catalogue
};

/// One problem list never grows past this: a file with thousands of mistakes has one cause.
inline constexpr std::size_t problems_max = 100;

/// A field as the readers of single values see it.
struct Slot {
    std::string_view name;  // key: sets the unit of bare numbers where it ends in _per_kwh
    Range range;
    std::string place;  // for problems: "FILE:/json/pointer"
    BindOptions options;
};

template <class T>
inline constexpr bool is_quantity = false;
template <int S, int B, int F, int J, int U>
inline constexpr bool is_quantity<Quantity<S, B, F, J, U>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

/// What a bare number under `key` is divided by to be in SI base units: 1 but for prices per kWh (keys that end in
/// "_per_kwh").
double bare_divisor(std::string_view key);

// Readers of single values: the value, or nothing and a problem added.
std::optional<double> read_number(const Json& json, Dimension dimension, const Slot& slot, Problems& problems);
std::optional<std::int64_t> read_integer(const Json& json, const Slot& slot, Problems& problems);
std::optional<std::uint64_t> read_unsigned(const Json& json, const Slot& slot, Problems& problems);
std::optional<bool> read_bool(const Json& json, const Slot& slot, Problems& problems);
std::optional<std::string> read_text(const Json& json, const Slot& slot, Problems& problems);
/// Position in `names`.
std::optional<std::size_t> read_choice(const Json& json, const std::vector<std::string>& names, const Slot& slot,
                                       Problems& problems);
/// Adds a problem if `json` is not an object / not an array.
bool expect_object(const Json& json, const std::string& place, Problems& problems);
bool expect_array(const Json& json, const std::string& place, Problems& problems);
/// One problem for each key of `object` that is not among `known`, with the nearest of them.
void refuse_unknown_keys(const Json& object, const std::string& pointer, const std::vector<std::string>& known,
                         Problems& problems);
void report_missing_key(const std::string& pointer, std::string_view key, std::string_view doc, Problems& problems);
/// True where `value` lies in the closed range (or half-open, by its open_min).
bool in_range(double value, const Range& range);

template <HasFields T>
void read_fields(const Json& object, const std::string& pointer, T& out, Problems& problems,
                 std::initializer_list<std::string_view> extra_keys = {}, const BindOptions& options = {});
template <HasFields T>
Json write_fields(const T& value);

template <NamedEnum Enum>
std::vector<std::string> enum_names() {
    std::vector<std::string> names;
    for (const auto& entry : EnumTable<Enum>::names) names.emplace_back(entry.name);
    return names;
}

/// Reads one value into `out`, which keeps its default where there is a problem.
template <class T>
void read_value(const Json& json, const Slot& slot, T& out, Problems& problems) {
    const auto keep = [&](const auto& value) {
        if (value) out = static_cast<T>(*value);
    };
    if constexpr (is_optional<T>) {
        typename T::value_type inner{};
        const std::size_t before = problems.size();
        read_value(json, slot, inner, problems);
        if (problems.size() == before) out = inner;
    } else if constexpr (is_vector<T>) {
        if (!expect_array(json, slot.place, problems)) return;
        out.clear();
        for (std::size_t i = 0; i < json.size() && problems.size() < problems_max; ++i) {
            typename T::value_type item{};
            read_value(json[i], {slot.name, slot.range, pointer_to(slot.place, i), slot.options}, item, problems);
            out.push_back(std::move(item));
        }
    } else if constexpr (HasFields<T>) {
        read_fields(json, slot.place, out, problems, {}, slot.options);
    } else if constexpr (NamedEnum<T>) {
        if (const auto i = read_choice(json, enum_names<T>(), slot, problems)) out = EnumTable<T>::names[*i].value;
    } else if constexpr (is_quantity<T>) {
        if (const auto si = read_number(json, dimension_of(T{}), slot, problems)) out = T::from_si(*si);
    } else if constexpr (std::same_as<T, bool>) {
        keep(read_bool(json, slot, problems));
    } else if constexpr (std::same_as<T, std::string>) {
        keep(read_text(json, slot, problems));
    } else if constexpr (std::floating_point<T>) {
        keep(read_number(json, plain_number, slot, problems));
    } else if constexpr (std::same_as<T, std::uint64_t>) {
        keep(read_unsigned(json, slot, problems));
    } else {
        static_assert(std::signed_integral<T>, "a field of a type that no reader knows");
        Slot narrowed = slot;
        narrowed.range.min = std::max(slot.range.min, static_cast<double>(std::numeric_limits<T>::min()));
        narrowed.range.max = std::min(slot.range.max, static_cast<double>(std::numeric_limits<T>::max()));
        keep(read_integer(json, narrowed, problems));
    }
}

/// Reads the members of `object` that T's fields name into `out`; absent ones keep the value they have. Problems are
/// added with `pointer` (any prefix, such as "FILE:", then a JSON pointer) before the key. `extra_keys` are known to
/// the caller and skipped here, as is "$schema".
template <HasFields T>
void read_fields(const Json& object, const std::string& pointer, T& out, Problems& problems,
                 std::initializer_list<std::string_view> extra_keys, const BindOptions& options) {
    if (!expect_object(object, pointer, problems)) return;
    std::vector<std::string> known;
    for_each_field<T>([&](const auto& field) { known.emplace_back(field.name); });
    known.insert(known.end(), extra_keys.begin(), extra_keys.end());
    refuse_unknown_keys(object, pointer, known, problems);
    for_each_field<T>([&](const auto& field) {
        const auto found = object.find(field.name);
        if (found != object.end()) {
            read_value(*found, {field.name, field.range, pointer_to(pointer, field.name), options}, out.*field.member,
                       problems);
        } else if (field.required) {
            report_missing_key(pointer, field.name, field.doc, problems);
        }
    });
}

/// What read_value() reads back: SI numbers (energy prices per kWh), names of enumerations, nested objects.
template <class T>
Json write_value(const T& value, std::string_view key) {
    if constexpr (is_optional<T>) {
        return value ? write_value(*value, key) : Json(nullptr);
    } else if constexpr (is_vector<T>) {
        Json list = Json::array();
        for (const auto& item : value) list.push_back(write_value(item, key));
        return list;
    } else if constexpr (HasFields<T>) {
        return write_fields(value);
    } else if constexpr (NamedEnum<T>) {
        return Json(std::string(name_of(value)));
    } else if constexpr (is_quantity<T>) {
        return Json(value.si() * bare_divisor(key));
    } else {
        return Json(value);
    }
}

/// True for values that mean "absent": empty optionals, lists and texts, and numbers outside their own range (a default of 0
/// where only positive numbers may be written).
template <class T>
bool is_absent(const T& value, const Range& range) {
    if constexpr (is_optional<T>) {
        return !value.has_value();
    } else if constexpr (std::same_as<T, std::string> || is_vector<T>) {
        return value.empty();
    } else if constexpr (is_quantity<T>) {
        return !in_range(value.si(), range);
    } else if constexpr (std::is_arithmetic_v<T> && !std::same_as<T, bool>) {
        return !in_range(static_cast<double>(value), range);
    } else {
        return false;
    }
}

/// The struct as an object in the order of its fields; members that mean "absent" are left out.
template <HasFields T>
Json write_fields(const T& value) {
    Json object = Json::object();
    for_each_field<T>([&](const auto& field) {
        const auto& member = value.*field.member;
        if (!is_absent(member, field.range)) object[std::string(field.name)] = write_value(member, field.name);
    });
    return object;
}

}  // namespace orrery
