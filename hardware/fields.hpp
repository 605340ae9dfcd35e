// A struct's parameters, declared once: name, member, range, meaning. Reader, writer, JSON schema, `explain` and the
// property editor all walk the same list, so a parameter cannot be known to one of them and not to another.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>

namespace orrery {

/// Closed range of valid values, in SI base units for quantities; `open_min` excludes the lower end.
struct Range {
    double min = -std::numeric_limits<double>::infinity();
    double max = std::numeric_limits<double>::infinity();
    bool open_min = false;
};

inline constexpr Range any_value{};
inline constexpr Range positive{0.0, std::numeric_limits<double>::infinity(), true};
inline constexpr Range non_negative{0.0, std::numeric_limits<double>::infinity(), false};
inline constexpr Range fraction{0.0, 1.0, false};
/// Counts of things: at least one, and small enough that products of a few of them stay exact.
inline constexpr Range count{1.0, 16777216.0, false};

template <class Struct, class Member>
struct Field {
    std::string_view name;   // the key in JSON
    Member Struct::*member;
    Range range;
    std::string_view doc;    // one sentence: meaning, unit, default where it needs words
    bool required = false;   // a reader refuses an object without it
    std::string_view source = {};  // where the default comes from, if it is a number of the world
};

template <class Struct, class Member>
constexpr Field<Struct, Member> field(std::string_view name, Member Struct::*member, Range range,
                                      std::string_view doc, std::string_view source = {}) {
    return {name, member, range, doc, false, source};
}

template <class Struct, class Member>
constexpr Field<Struct, Member> required_field(std::string_view name, Member Struct::*member, Range range,
                                               std::string_view doc) {
    return {name, member, range, doc, true, {}};
}

template <class T>
concept HasFields = requires { T::fields(); };

/// Calls `visit(field)` for each of T's fields, in order.
template <HasFields T, class Visit>
constexpr void for_each_field(Visit&& visit) {
    std::apply([&](const auto&... one) { (visit(one), ...); }, T::fields());
}

/// One value of an enumeration as users write it.
template <class Enum>
struct EnumName {
    Enum value;
    std::string_view name;
    std::string_view doc;
};

/// Specialise for each enumeration that a user may write: a std::array of EnumName, complete and in order.
template <class Enum>
struct EnumTable;

template <class Enum>
concept NamedEnum = requires { EnumTable<Enum>::names; };

template <NamedEnum Enum>
constexpr std::string_view name_of(Enum value) {
    for (const auto& entry : EnumTable<Enum>::names) {
        if (entry.value == value) return entry.name;
    }
    return "?";
}

}  // namespace orrery
