// Walks the variant of families.
#include "models/families.hpp"

#include <utility>

namespace orrery {
namespace {

template <std::size_t... I>
std::vector<FamilyLine> family_lines(std::index_sequence<I...>) {
    return {FamilyLine{std::variant_alternative_t<I, ModelFamily>::family, std::variant_alternative_t<I, ModelFamily>::doc}...};
}

}  // namespace

LayeredModel describe_family(const ModelFamily& family, const PassShape& shape) {
    return std::visit([&](const auto& one) { return describe(one, shape); }, family);
}

double family_parameters(const ModelFamily& family) {
    return layered_totals(describe_family(family, PassShape{})).parameters;
}

std::string_view family_doc(const ModelFamily& family) {
    return std::visit([](const auto& one) { return std::decay_t<decltype(one)>::doc; }, family);
}

std::vector<FamilyLine> families() { return family_lines(std::make_index_sequence<std::variant_size_v<ModelFamily>>{}); }

}  // namespace orrery
