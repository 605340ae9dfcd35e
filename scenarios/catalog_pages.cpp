// Catalogue entries as pages for people: one honest line each, and every number with its source.
#include "scenarios/catalog.hpp"

#include "scenarios/catalog_files.hpp"
#include "scenarios/framework_file.hpp"
#include "scenarios/json.hpp"
#include "scenarios/nearest.hpp"
#include "scenarios/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace orrery {
namespace {

// Key under which a model's file, otherwise a config.json as its authors publish it, says where it is from.
constexpr const char* model_origin = "_orrery";

/// A number or text of a catalogue file as people read it.
std::string shown_value(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// "VALUE (SOURCE, DATE)".
std::string with_source(const Json& figure, const std::string& value) {
    const std::string date = text_member(figure, "date");
    return value + " (" + text_member(figure, "source") + (date.empty() ? "" : ", " + date) + ")";
}

CatalogFigure figure_of(const std::string& key, const Json& json) {
    CatalogFigure figure{key, shown_value(json["value"]), text_member(json, "source"), text_member(json, "date"), {}};
    if (const auto others = json.find("alternatives"); others != json.end() && others->is_array()) {
        for (const Json& other : *others) {
            if (other.contains("value")) figure.alternatives.push_back(with_source(other, shown_value(other["value"])));
        }
    }
    return figure;
}

/// Adds every figure of `object` and below: {"value", "source"} objects, and plain values without a source.
void add_figures(const Json& object, const std::string& prefix, CatalogPage& page) {
    for (const auto& [key, value] : object.items()) {
        const std::string name = prefix + key;
        if (name == "title" || name == "name" || name == "compared_with" || name == model_origin) continue;
        if (name == "notes" && value.is_array()) {
            for (const Json& note : value) page.notes.push_back(shown_value(note));
        } else if (value.is_object() && value.contains("value")) {
            page.figures.push_back(figure_of(name, value));
        } else if (value.is_object()) {
            add_figures(value, name + ".", page);
        } else {
            page.figures.push_back({name, shown_value(value), {}, {}, {}});
        }
    }
}

/// The first of a device's peaks in the order in which people ask for them: "989.4 TFLOP/s bf16".
std::string leading_peak(const Device& device) {
    for (const DataType type : {DataType::bf16, DataType::fp16, DataType::fp32, DataType::int8, DataType::fp4}) {
        const FlopPerSecond peak = device.matrix_peak[type];
        if (peak.si() == 0.0) continue;
        std::string rate = format_flops(peak);
        if (type == DataType::int8) rate.replace(rate.find("FLOP"), 4, "OP");
        return rate + " " + std::string(name_of(type));
    }
    return "";
}

/// What a device's predictions rest on beside its datasheet.
std::string basis_of(const std::string& name) {
    const std::string file = existing_file("hardware/calibration", name);
    if (file.empty()) return "datasheet only";
    const Result<Calibration> calibration = read_calibration(file);
    if (!calibration) return "its calibration cannot be read";
    return calibration->gemm.empty() && calibration->processor.empty() ? "fitted to published trainings" : "kernels measured";
}

std::string device_line(const std::string& name) {
    const Result<Device> found = read_device_entry(name);
    if (!found) return "cannot be read: " + found.problems().front().problem;
    const Device& device = *found;
    const std::string year = device.year > 0 ? fmt::format(" ({})", device.year) : "";
    if (const std::string missing = missing_figures(device); !missing.empty()) {
        return device.title + year + ": not simulated: " + missing;
    }
    std::string line = device.title + year + ": " + leading_peak(device);
    line += ", " + (device.memory_capacity.si() > 0.0 ? format_bytes(device.memory_capacity) + " at " : "memory at ") +
            format_rate(device.memory_bandwidth);
    if (device.scale_up_domain > 1 && device.scale_up_bandwidth.si() > 0.0) {
        line += fmt::format(", {} among {}", format_rate(device.scale_up_bandwidth), device.scale_up_domain);
    }
    if (device.power_limit.si() > 0.0) line += ", " + format_watts(device.power_limit);
    return line + "; " + basis_of(name);
}

/// Network rates as their makers count them: "400 Gb/s".
std::string port_rate(BytesPerSecond rate) { return fmt::format("{:g} Gb/s", rate.si() / 1.25e8); }

std::string node_line(const std::string& name) {
    const Result<Node> node = find_node(name);
    if (!node) return "cannot be read: " + node.problems().front().problem;
    std::string line = fmt::format("{}: {} x {}, {} among {}, {} x {} {}", node->title, node->devices, node->device,
                                   name_of(node->scale_up), node->scale_up_domain, node->nics,
                                   port_rate(node->nic_bandwidth), node->nic_kind);
    if (node->power_max.si() > 0.0) line += ", " + format_watts(node->power_max);
    if (node->price.si() > 0.0) line += ", " + format_usd(node->price);
    return line;
}

std::string link_line(const std::string& name) {
    const Result<CatalogLink> link = find_link(name);
    if (!link) return "cannot be read: " + link.problems().front().problem;
    return fmt::format("{}: {}, {} each way, {} a hop", link->title, link->kind, format_rate(link->bandwidth),
                       format_seconds(link->latency));
}

std::string model_line(const std::string& name) {
    const Result<TrainedModel> either = find_trained_model(name);
    if (!either) return "cannot be read: " + either.problems().front().problem;
    if (either->family) {
        return fmt::format("{} parameters, {}", format_count(family_parameters(*either->family)),
                           family_doc(*either->family));
    }
    const Architecture* model = &either->architecture;
    const ParameterCount count = count_parameters(*model);
    std::string line = fmt::format("{} parameters", format_count(count.total));
    if (model->experts > 0) {
        line += fmt::format(", {} active ({} of {} experts)", format_count(count.active), model->experts_per_token,
                            model->experts);
    }
    return line + fmt::format(", {} layers, hidden {}, {} heads ({} for keys), vocabulary {}", model->layers,
                              model->hidden, model->heads, model->kv_heads, model->vocabulary);
}

std::string framework_line(const std::string& name) {
    const Result<FrameworkProfile> framework = find_framework(name);
    if (!framework) return "cannot be read: " + framework.problems().front().problem;
    return framework->title + (framework->compared_with.empty() ? "; described only" : "; fitted on " + framework->compared_with);
}

/// One honest line about an entry of a kind.
struct LineOf {
    std::string_view kind;
    std::string (*line)(const std::string& name);
};
constexpr auto lines_of_kinds = std::to_array<LineOf>({
    {"device", device_line}, {"node", node_line}, {"link", link_line}, {"model", model_line},
    {"framework", framework_line},
});

std::string line_of(const CatalogKind& kind, const std::string& name) {
    const auto found = std::find_if(lines_of_kinds.begin(), lines_of_kinds.end(),
                                    [&](const LineOf& entry) { return entry.kind == kind.name; });
    ORRERY_CHECK(found != lines_of_kinds.end());
    return found->line(name);
}

/// Gives the figures of a model, which are its authors' own file, the origin of that file, and the counted parameters.
void add_model_origin(const Json& json, const std::string& name, CatalogPage& page) {
    if (const auto origin = json.find(model_origin); origin != json.end()) {
        for (CatalogFigure& figure : page.figures) {
            figure.source = text_member(*origin, "source");
            figure.date = text_member(*origin, "date");
        }
    }
    const Result<TrainedModel> model = find_trained_model(name);
    if (!model) return;
    if (model->family) {
        page.figures.push_back({"parameters", format_count(family_parameters(*model->family)),
                                "counted from the figures above", {}, {}});
        return;
    }
    const ParameterCount count = count_parameters(model->architecture);
    page.figures.push_back({"parameters", format_count(count.total), "counted from the figures above", {}, {}});
    page.figures.push_back({"parameters_active", format_count(count.active), "those that one token meets", {}, {}});
}

/// Rent of a device as one figure: the median in use, and every offer beside it.
void add_rent(const std::string& device, CatalogPage& page) {
    const std::string file = existing_file("hardware/catalog/prices", device);
    if (file.empty()) return;
    const Result<Json> json = parse_json_file(file);
    if (!json || !json->is_object() || !json->contains("offers")) return;
    CatalogFigure rent{"rent", fmt::format("{:.4g} USD/h", device_hour_price(device).si()),
                       "median of the on-demand offers below, or of the reserved ones where there are none", {}, {}};
    for (const Json& offer : (*json)["offers"]) {
        const std::string sku = text_member(offer, "sku");
        const std::string who = text_member(offer, "provider") + (sku.empty() ? "" : " " + sku);
        rent.alternatives.push_back(
            with_source(offer, text_member(offer, "value") + " " + text_member(offer, "kind") + ", " + who));
    }
    page.figures.push_back(std::move(rent));
}

Result<CatalogPage> page_of(const CatalogKind& kind, const std::string& name) {
    const Result<std::string> file = entry_file(kind, name);
    if (!file) return file.problems();
    const Result<Json> json = kind.name == "framework" ? framework_json(name) : parse_json_file(*file);
    if (!json) return json.problems();
    CatalogPage page{std::string(kind.name), name, line_of(kind, name), {}, {}};
    if (json->is_object()) add_figures(*json, "", page);
    if (kind.name == "model") add_model_origin(*json, name, page);
    if (kind.name == "device") add_rent(name, page);
    return page;
}

}  // namespace

Result<std::vector<CatalogPage>> list_catalog(std::string_view kind) {
    const CatalogKind* found = find_catalog_kind(kind);
    if (found == nullptr) {
        std::string all;
        for (const CatalogKind& one : catalog_kinds()) all += (all.empty() ? "" : ", ") + std::string(one.plural);
        return Problem{"list", "\"" + std::string(kind) + "\" is no kind of catalogue entry", "use one of: " + all};
    }
    std::vector<CatalogPage> pages;
    for (const std::string& name : names_in(found->folder)) {
        pages.push_back({std::string(found->name), name, line_of(*found, name), {}, {}});
    }
    return pages;
}

Result<CatalogPage> show_catalog(std::string_view name) {
    std::vector<std::string> names;
    for (const CatalogKind& kind : catalog_kinds()) {
        if (!existing_file(kind.folder, name).empty()) return page_of(kind, std::string(name));
        const std::vector<std::string> of_kind = names_in(kind.folder);
        names.insert(names.end(), of_kind.begin(), of_kind.end());
    }
    std::sort(names.begin(), names.end());
    const std::string nearest = nearest_name(name, names);
    std::string_view plural = catalog_kinds().front().plural;
    for (const CatalogKind& kind : catalog_kinds()) {
        if (!existing_file(kind.folder, nearest).empty()) plural = kind.plural;
    }
    return Problem{"show", "is \"" + std::string(name) + "\", which the catalogue does not have",
                   name_remedy(name, names, plural)};
}

}  // namespace orrery
