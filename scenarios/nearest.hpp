// The name that a mistyped one was probably meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Edits between two names: insert, delete, replace a character or swap two neighbours (optimal string alignment;
/// Damerau, CACM 7(3), 1964). Case and the difference between "-", "_" and " " do not count.
int edit_distance(std::string_view a, std::string_view b);

/// The nearest of `names` within a third of its length (at least two edits), the first of equals; empty if none is.
std::string nearest_name(std::string_view wanted, const std::vector<std::string>& names);

/// A remedy: `did you mean "NEAREST"?`, or else `use one of: ..` with up to twelve names.
std::string nearest_remedy(std::string_view wanted, const std::vector<std::string>& names);

}  // namespace orrery
