// Folders and names of the catalogue.
#include "scenarios/catalog_files.hpp"

#include "scenarios/catalog.hpp"
#include "scenarios/nearest.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace orrery {
namespace {

namespace fs = std::filesystem;

constexpr auto kinds_of_entries = std::to_array<CatalogKind>({
    {"device", "devices", "hardware/catalog/devices"},
    {"node", "nodes", "hardware/catalog/nodes"},
    {"link", "links", "hardware/catalog/links"},
    {"model", "models", "models/catalog"},
    {"framework", "frameworks", "models/frameworks"},
});

bool is_file_name(std::string_view name) {
    const auto is_plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), is_plain);
}

/// Folder of the running program; empty where the system does not tell.
fs::path program_folder() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    return error ? fs::path() : program.parent_path();
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

/// The names that begin with `wanted`, at most a few.
std::vector<std::string> longer_forms(std::string_view wanted, const std::vector<std::string>& names) {
    constexpr std::size_t most = 6;
    const std::string start = lower(wanted);
    std::vector<std::string> found;
    for (const std::string& name : names) {
        if (start.size() >= 2 && found.size() < most && name.rfind(start, 0) == 0) found.push_back(name);
    }
    return found;
}

}  // namespace

std::string data_directory() {
    if (const char* home = std::getenv("ORRERY_HOME"); home != nullptr && *home != '\0') return home;
    std::error_code ignored;
    const fs::path program = program_folder();
    if (!program.empty()) {
        const fs::path installed = program.parent_path() / "share" / "orrery";
        if (fs::is_directory(installed / "hardware" / "catalog", ignored)) return installed.string();
    }
    return ORRERY_SOURCE_DIR;
}

std::span<const CatalogKind> catalog_kinds() { return kinds_of_entries; }

const CatalogKind* find_catalog_kind(std::string_view name_or_plural) {
    const auto found = std::find_if(kinds_of_entries.begin(), kinds_of_entries.end(), [&](const CatalogKind& kind) {
        return kind.name == name_or_plural || kind.plural == name_or_plural;
    });
    return found == kinds_of_entries.end() ? nullptr : &*found;
}

std::string existing_file(std::string_view folder, std::string_view name) {
    if (!is_file_name(name)) return {};
    const fs::path path = fs::path(data_directory()) / folder / (std::string(name) + ".json");
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) ? path.string() : std::string();
}

std::vector<std::string> names_in(std::string_view folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(data_directory()) / folder, error)) {
        if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string name_remedy(std::string_view wanted, const std::vector<std::string>& names, std::string_view plural) {
    const std::string all = "`orrery list " + std::string(plural) + "` shows all";
    const std::vector<std::string> longer = longer_forms(wanted, names);
    if (longer.empty()) return nearest_remedy(wanted, names) + "; " + all;
    std::string remedy = "did you mean ";
    for (std::size_t i = 0; i < longer.size(); ++i) {
        if (i > 0) remedy += i + 1 == longer.size() ? " or " : ", ";
        remedy += "\"" + longer[i] + "\"";
    }
    return remedy + "?; " + all;
}

Result<std::string> entry_file(const CatalogKind& kind, std::string_view name) {
    std::string file = existing_file(kind.folder, name);
    if (!file.empty()) return file;
    return Problem{std::string(kind.name),
                   "is \"" + std::string(name) + "\", which is no " + std::string(kind.name) + " of the catalogue",
                   name_remedy(name, names_in(kind.folder), kind.plural)};
}

std::string text_member(const Json& object, std::string_view key) {
    if (!object.is_object()) return {};
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace orrery
