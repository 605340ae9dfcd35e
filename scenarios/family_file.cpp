// One reader for every family: the name picks the struct, fields() reads it.
#include "scenarios/family_file.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/nearest.hpp"

#include <utility>

namespace orrery {
namespace {

/// Tries alternative I; true where the name was its own.
template <std::size_t I>
bool read_alternative(const Json& json, const std::string& place, const std::string& name, ModelFamily& family,
                      Problems& problems) {
    using Alternative = std::variant_alternative_t<I, ModelFamily>;
    if (name != Alternative::family) return false;
    Alternative model;
    read_fields(json, place, model, problems, {"family", "_orrery"});
    family = std::move(model);
    return true;
}

template <std::size_t... I>
bool read_alternatives(const Json& json, const std::string& place, const std::string& name, ModelFamily& family,
                       Problems& problems, std::index_sequence<I...>) {
    return (read_alternative<I>(json, place, name, family, problems) || ...);
}

}  // namespace

Result<ModelFamily> read_family(const Json& json, const std::string& place) {
    const Json& named = json.at("family");
    const std::string name = named.is_string() ? named.get<std::string>() : std::string();
    ModelFamily family;
    Problems problems;
    if (!read_alternatives(json, place, name, family, problems, std::make_index_sequence<std::variant_size_v<ModelFamily>>{})) {
        std::vector<std::string> names;
        for (const FamilyLine& line : families()) names.emplace_back(line.name);
        return Problem{pointer_to(place, "family"), "is " + quoted(named) + ", which is no family of models",
                       nearest_remedy(name, names)};
    }
    if (!problems.empty()) return problems;
    return family;
}

}  // namespace orrery
