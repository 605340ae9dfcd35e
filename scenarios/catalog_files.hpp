// Where the catalogue's files are, and what to say of a name that has none.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/json.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// One kind of catalogue entry: its files are `folder`/NAME.json below data_directory().
struct CatalogKind {
    std::string_view name;     // "device"
    std::string_view plural;   // "devices", as `orrery list` says it
    std::string_view folder;
};

std::span<const CatalogKind> catalog_kinds();

/// The kind of that name or plural; null if there is none.
const CatalogKind* find_catalog_kind(std::string_view name_or_plural);

/// Path of FOLDER/NAME.json below data_directory() if that file exists, else empty. Names that could leave the folder
/// have no file.
std::string existing_file(std::string_view folder, std::string_view name);

/// Names of the JSON files in a folder below data_directory(), sorted.
std::vector<std::string> names_in(std::string_view folder);

/// What to say of `wanted` where `names` are all there are: longer forms of the name ("h100" -> "h100-sxm"), else the
/// nearest name; and the command that lists them.
std::string name_remedy(std::string_view wanted, const std::vector<std::string>& names, std::string_view plural);

/// Path of an entry's file, or the problem that the kind has no entry of that name.
Result<std::string> entry_file(const CatalogKind& kind, std::string_view name);

/// The text under `key`; empty if it is absent or no text.
std::string text_member(const Json& object, std::string_view key);

}  // namespace orrery
