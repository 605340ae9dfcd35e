// Files of fitted collective parameters: JSON objects walked by fields().
#include "scenarios/collective_file.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/json.hpp"

#include <cmath>

namespace orrery {

namespace {

Result<CollectiveParameters> bind_collective_parameters(const Result<Json>& json, const std::string& file) {
    if (!json) return json.problems();
    CollectiveParameters parameters;
    Problems problems;
    read_fields(*json, file + ":", parameters, problems);
    for (std::size_t i = 0; i < parameters.residuals.size(); ++i) {
        if (!parameters.residuals[i].ratio.empty()) continue;
        problems.push_back({file + ":/residuals/" + std::to_string(i) + "/ratio", "is empty",
                            "give one ratio per power of two of bytes, or leave the entry out"});
    }
    if (!problems.empty()) return problems;
    return parameters;
}

}  // namespace

Result<CollectiveParameters> parse_collective_parameters(const std::string& text, const std::string& file) {
    return bind_collective_parameters(parse_json_text(text, file), file);
}

Result<CollectiveParameters> read_collective_parameters(const std::string& file) {
    return bind_collective_parameters(parse_json_file(file), file);
}

std::string collective_parameters_json(const CollectiveParameters& parameters) {
    CollectiveParameters rounded = parameters;
    for (CollectiveResidual& residual : rounded.residuals) {
        for (double& ratio : residual.ratio) ratio = std::round(ratio * 1e4) / 1e4;
    }
    return dump(write_fields(rounded));
}

}  // namespace orrery
