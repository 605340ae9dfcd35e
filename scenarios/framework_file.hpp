// Files of framework profiles: what one says itself, what it takes from the profile that it extends, and what a
// scenario changes in it.
#pragma once

#include "hardware/result.hpp"
#include "models/framework.hpp"
#include "scenarios/json.hpp"

#include <string>
#include <string_view>

namespace orrery {

/// The entry's JSON with everything of the profiles that it extends; figures taken from there say "as NAME: " before
/// their source. A problem for unknown names and for profiles that extend each other.
Result<Json> framework_json(std::string_view name);

/// Takes workload.framework apart where it is an object: the name stays, its other members are returned as JSON text
/// (empty: none). `values` is the scenario.
std::string take_framework_settings(Json& values);

/// Applies settings taken from a scenario to a profile; problems at /workload/framework. "fitted on" no longer holds
/// for what is changed: the profile says so.
FrameworkProfile changed_framework(FrameworkProfile profile, const std::string& settings, Problems& problems);

}  // namespace orrery
