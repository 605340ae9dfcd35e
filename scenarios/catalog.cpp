// Look-ups by name: each reads the one file that it needs and gives a value, or says which name was probably meant.
#include "scenarios/catalog.hpp"

#include "hardware/sibling.hpp"
#include "network/collective_parameters.hpp"
#include "scenarios/bind.hpp"
#include "scenarios/catalog_files.hpp"
#include "scenarios/collective_file.hpp"
#include "scenarios/family_file.hpp"
#include "scenarios/framework_file.hpp"
#include "scenarios/hugging_face.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace orrery {
namespace {

constexpr BindOptions catalog_form{.catalog_figures = true};
constexpr std::string_view price_folder = "hardware/catalog/prices";
constexpr std::string_view calibration_folder = "hardware/calibration";
constexpr std::string_view collective_folder = "network/calibration";

/// The entry's file as JSON; a problem if the catalogue has none of that name.
Result<Json> entry_json(std::string_view kind, std::string_view name) {
    const Result<std::string> file = entry_file(*find_catalog_kind(kind), name);
    if (!file) return file.problems();
    return parse_json_file(*file);
}

/// Where problems of an entry are: "devices/h100-sxm.json:".
std::string entry_place(std::string_view kind, std::string_view name) {
    return std::string(find_catalog_kind(kind)->folder) + "/" + std::string(name) + ".json:";
}

/// An entry whose members are all in T's fields; keys of `more` are for people only.
template <HasFields T>
Result<T> read_entry(std::string_view kind, std::string_view name, std::initializer_list<std::string_view> more) {
    const Result<Json> json = entry_json(kind, name);
    if (!json) return json.problems();
    T value;
    value.name = std::string(name);
    Problems problems;
    read_fields(*json, entry_place(kind, name), value, problems, more, catalog_form);
    if (!problems.empty()) return problems;
    return value;
}

void read_matrix_peaks(const Json& json, const std::string& place, Device& device, Problems& problems) {
    if (!expect_object(json, place, problems)) return;
    refuse_unknown_keys(json, place, enum_names<DataType>(), problems);
    for (const auto& type : EnumTable<DataType>::names) {
        const auto peak = json.find(type.name);
        if (peak == json.end()) continue;
        read_value(*peak, {type.name, positive, pointer_to(place, type.name), catalog_form},
                   device.matrix_peak[type.value], problems);
    }
}

/// The calibration file of a device; an empty one where the repository has none.
Result<Calibration> stored_calibration(const std::string& device) {
    const std::string file = existing_file(calibration_folder, device);
    return file.empty() ? Result<Calibration>(Calibration{}) : read_calibration(file);
}

/// Gives the device the calibration that the repository has for it; kernels that were only measured on a sibling
/// (`kernels_like` of its entry) are carried over from there.
Problems attach_calibration(Device& device) {
    Result<Calibration> calibration = stored_calibration(device.name);
    if (!calibration) return calibration.problems();
    const Result<Json> json = entry_json("device", device.name);
    const std::string sibling = json ? std::string(text_member(*json, "kernels_like")) : std::string();
    if (calibration->gemm.empty() && !sibling.empty()) {
        const Result<Device> source = read_device_entry(sibling);
        if (!source) return source.problems();
        const Result<Calibration> measured = stored_calibration(sibling);
        if (!measured) return measured.problems();
        calibration = sibling_calibration(*calibration, *measured, *source, device);
    }
    device.calibration = std::make_shared<const Calibration>(std::move(calibration).value());
    return {};
}

/// Middle of the values, or mean of the two in the middle; `values` not empty.
double median_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2.0;
}

/// Rents of one kind ("on-demand", ..), in dollars per hour.
std::vector<double> rents_of_kind(const Json& offers, std::string_view kind) {
    std::vector<double> rents;
    for (const Json& offer : offers) {
        if (text_member(offer, "kind") != kind) continue;
        const Result<double> rent = parse_quantity(text_member(offer, "value"), dimension_of(UsdPerSecond{}));
        if (rent) rents.push_back(*rent * 3600.0);
    }
    return rents;
}

bool looks_like_path(std::string_view text) {
    return text.find('/') != std::string_view::npos || text.ends_with(".json");
}

/// File of the collective parameters for a device: its own, else the one that its entry names as alike, else that of a
/// generation never seen; empty where the data directory has none of them.
std::string collective_file_of(const std::string& device) {
    std::string file = existing_file(collective_folder, device);
    if (!file.empty()) return file;
    if (const Result<Json> json = entry_json("device", device)) {
        file = existing_file(collective_folder, text_member(*json, "collectives_like"));
    }
    return file.empty() ? existing_file(collective_folder, "default") : file;
}

}  // namespace

std::string missing_figures(const Device& device) {
    const auto& peaks = device.matrix_peak.values;
    const bool computes = std::any_of(peaks.begin(), peaks.end(), [](FlopPerSecond peak) { return peak.si() > 0.0; });
    const bool has_memory = device.memory_bandwidth.si() > 0.0;
    if (computes && has_memory) return {};
    if (computes) return "no memory bandwidth";
    return has_memory ? "no compute peak" : "neither compute peak nor memory bandwidth";
}

Result<Device> read_device_entry(std::string_view name) {
    const Result<Json> json = entry_json("device", name);
    if (!json) return json.problems();
    Device device;
    device.name = std::string(name);
    Problems problems;
    const std::string place = entry_place("device", name);
    read_fields(*json, place, device, problems, {"matrix_peak", "collectives_like", "kernels_like", "more", "measured", "notes"},
                catalog_form);
    if (const auto peaks = json->find("matrix_peak"); peaks != json->end()) {
        read_matrix_peaks(*peaks, place + "/matrix_peak", device, problems);
    }
    if (!problems.empty()) return problems;
    return device;
}

Result<Device> find_device(std::string_view name) {
    Result<Device> device = read_device_entry(name);
    if (!device) return device;
    if (const std::string missing = missing_figures(*device); !missing.empty()) {
        return Problem{"device",
                       "is \"" + device->name + "\", which cannot be simulated: the catalogue has " + missing + " for it",
                       "choose another device, or add the figure to hardware/catalog/devices/" + device->name + ".json"};
    }
    if (Problems problems = attach_calibration(*device); !problems.empty()) return problems;
    return device;
}

Result<Node> find_node(std::string_view name) { return read_entry<Node>("node", name, {"more", "notes"}); }

Result<CatalogLink> find_link(std::string_view name) { return read_entry<CatalogLink>("link", name, {"more", "notes"}); }

Result<FrameworkProfile> find_framework(std::string_view name) {
    const Result<Json> json = framework_json(name);
    if (!json) return json.problems();
    FrameworkProfile profile;
    profile.name = std::string(name);
    Problems problems;
    read_fields(*json, entry_place("framework", name), profile, problems, {"more", "notes", "extends"}, catalog_form);
    if (!problems.empty()) return problems;
    return profile;
}

Result<Architecture> find_model(std::string_view name_or_path) {
    Result<TrainedModel> model = find_trained_model(name_or_path);
    if (!model) return model.problems();
    if (!model->family) return std::move(model->architecture);
    return Problem{"model", "is \"" + model->name + "\", which is no decoder transformer",
                   "choose a decoder transformer; see `orrery list models`"};
}

Result<TrainedModel> find_trained_model(std::string_view name_or_path) {
    namespace fs = std::filesystem;
    std::string file(name_or_path);
    std::string name(name_or_path);
    if (looks_like_path(name_or_path)) {
        std::error_code ignored;
        const fs::path path(file);
        if (fs::is_directory(path, ignored)) file = (path / "config.json").string();  // a checkpoint's folder
        name = path.filename() == "config.json" ? path.parent_path().filename().string() : path.stem().string();
    } else {
        const Result<std::string> entry = entry_file(*find_catalog_kind("model"), name_or_path);
        if (!entry) return entry.problems();
        file = *entry;
    }
    TrainedModel model;
    model.name = name;
    const Result<Json> json = parse_json_file(file);
    if (json && json->is_object() && json->contains("family")) {
        Result<ModelFamily> family = read_family(*json, file + ":");
        if (!family) return family.problems();
        model.family = std::move(family).value();
        return model;
    }
    Result<Architecture> architecture = read_hugging_face(file);
    if (!architecture) return architecture.problems();
    model.architecture = std::move(architecture).value();
    if (model.architecture.name.empty()) model.architecture.name = name;
    return model;
}

Result<std::shared_ptr<const CollectiveParameters>> find_collective_parameters(const Device& device) {
    const std::string file = collective_file_of(device.name);
    if (file.empty()) return std::make_shared<const CollectiveParameters>();
    Result<CollectiveParameters> parameters = read_collective_parameters(file);
    if (!parameters) return parameters.problems();
    return std::make_shared<const CollectiveParameters>(std::move(parameters).value());
}

Usd device_hour_price(std::string_view device) {
    const std::string file = existing_file(price_folder, device);
    if (file.empty()) return {};
    const Result<Json> json = parse_json_file(file);
    if (!json || !json->is_object() || !json->contains("offers")) return {};
    for (const std::string_view kind : {"on-demand", "reserved", "spot"}) {
        const std::vector<double> rents = rents_of_kind((*json)["offers"], kind);
        if (!rents.empty()) return Usd::from_si(median_of(rents));
    }
    return {};
}

}  // namespace orrery
