// What an answer takes for granted: every figure with its source, ready to be set otherwise.
#pragma once

#include "hardware/fields.hpp"
#include "scenarios/bind.hpp"

#include <string>
#include <vector>

namespace orrery {

struct Assumption {
    std::string path;     // of the scenario: --set PATH=VALUE
    std::string value;    // with unit
    std::string source;   // of the default; or that the scenario gives it
    bool operator==(const Assumption&) const = default;
};

/// A number as people write it, with the unit of its key.
std::string assumed_text(double si, Dimension dimension, std::string_view key);

/// Adds every field of `value` (and of the structs in it) that has a value: from the field's own source where it is the
/// default, else from the scenario, with `citation` where that is not empty.
template <HasFields T>
void add_assumptions(const T& value, const std::string& path, const std::string& citation, std::vector<Assumption>& list) {
    const T usual{};
    for_each_field<T>([&](const auto& field) {
        const auto& member = value.*field.member;
        using Member = std::remove_cvref_t<decltype(member)>;
        const std::string place = path + "." + std::string(field.name);
        if constexpr (HasFields<Member>) {
            add_assumptions(member, place, citation, list);
        } else if (!is_absent(member, field.range)) {
            const bool is_default = member == usual.*field.member;
            if (is_default && field.source.empty()) return;
            Assumption one{place, {}, std::string(field.source)};
            if (!is_default) one.source = citation.empty() ? "the scenario" : "the scenario: " + citation;
            if constexpr (is_quantity<Member>) {
                one.value = assumed_text(member.si(), dimension_of(Member{}), field.name);
            } else if constexpr (NamedEnum<Member>) {
                one.value = std::string(name_of(member));
            } else if constexpr (std::is_arithmetic_v<Member>) {
                one.value = assumed_text(static_cast<double>(member), plain_number, field.name);
            } else {
                return;   // texts say where figures come from
            }
            list.push_back(std::move(one));
        }
    });
}

}  // namespace orrery
