// Reads outputs and tables, checks them against the link, fits.
#include "scenarios/collective_calibrate.hpp"

#include "network/collective_anchors.hpp"
#include "network/collective_play.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/catalog_files.hpp"
#include "scenarios/collective_file.hpp"
#include "scenarios/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

constexpr std::array<std::string_view, 5> measured_generations{"a100-sxm-80", "h100-sxm", "h200-sxm", "b200-sxm", "gb200"};
constexpr double alike_error_max = 0.1;  // siblings H100-H200 and B200-GB200 are at 6 to 8 %, other pairs at 12 and more
constexpr std::size_t full_table = 100;   // keys from which all parameters are free; fewer are anchors
constexpr std::size_t impossible_shown = 20;

bool is_nccl_csv(const std::string& file) { return file.ends_with(".nccl.csv"); }

/// nccl-tests -J: "results" with "size", "type" and "out_of_place": {"time"}, microseconds; "rank" once for each device.
Result<NcclLog> read_nccl_json(const std::string& text, const std::string& file) {
    const Result<Json> json = parse_json_text(text, file);
    if (!json) return json.problems();
    std::optional<CollectiveKind> kind = perf_test_kind(text);
    if (!kind) kind = perf_test_kind(file);
    int ranks = 0;
    for (std::size_t at = text.find("\"rank\""); at != std::string::npos; at = text.find("\"rank\"", at + 1)) ++ranks;
    const auto results = json->is_object() ? json->find("results") : json->end();
    if (!kind) return Problem{file, "does not name its test", "put the test's name into the file's, as all_reduce_perf.json"};
    if (ranks < 2) return Problem{file, "lists " + std::to_string(ranks) + " ranks", "give all that nccl-tests wrote"};
    NcclLog log;
    if (json->is_object() && results != json->end() && results->is_array()) {
        for (const Json& row : *results) {
            if (!row.is_object() || !row.contains("size") || !row.contains("out_of_place")) continue;
            const Json& place = row["out_of_place"];
            if (!row["size"].is_number() || !place.is_object() || !place.contains("time") || !place["time"].is_number()) continue;
            const double size = row["size"].get<double>();
            const double time = place["time"].get<double>();
            const std::string type = row.contains("type") && row["type"].is_string() ? row["type"].get<std::string>() : "float";
            if (size > 0.0 && time > 0.0) log.samples.push_back({*kind, perf_type(type), ranks, Bytes::from_si(size), Seconds::from_si(time * 1e-6), 1});
        }
    }
    if (log.samples.empty()) return Problem{file, "has no results with a size and a time", "give what nccl-tests wrote with -J"};
    return log;
}

Result<NcclLog> read_measurement(const std::string& file) {
    const Result<std::string> text = read_text_file(file);
    if (!text) return text.problems();
    if (is_nccl_csv(file)) {
        auto samples = parse_nccl_table(*text, file);
        if (!samples) return samples.problems();
        return NcclLog{std::move(samples).value(), {}};
    }
    const std::size_t first = text->find_first_not_of(" \t\r\n");
    return first != std::string::npos && (*text)[first] == '{' ? read_nccl_json(*text, file) : parse_nccl_tests(*text, file);
}

/// Rows that a link of this rate cannot have carried. In-switch sums need half of a ring's bytes.
void refuse_impossible(const std::vector<CollectiveSample>& samples, const std::string& file, const Device& device, bool sums_in_switch,
                       Problems& problems) {
    for (const CollectiveSample& s : samples) {
        if (s.domains > 1 || s.ranks < 2) continue;
        const double n = s.ranks;
        const bool sums = sums_in_switch && s.kind == CollectiveKind::all_reduce;
        const double sent = sums ? (n + 1.0) / n : bus_factor(s.kind, s.ranks);
        const double rate = s.size.si() * sent / s.time.si();
        if (rate <= 1.02 * device.scale_up_bandwidth.si() || problems.size() >= impossible_shown) continue;
        problems.push_back({file, fmt::format("has {} of {:.0f} bytes in {:.4g} us among {}: {:.0f} GB/s over a link of {:.0f}", name_of(s.kind),
                                              s.size.si(), s.time.si() * 1e6, s.ranks, rate / 1e9, device.scale_up_bandwidth.si() / 1e9),
                            "check --device and the unit of its times"});
    }
}

/// The node whose ports a log of several hosts is held to.
Result<Node> node_of(const CollectiveCalibrationOptions& options) {
    if (!options.node.empty()) return find_node(options.node);
    for (const std::string& name : names_in(find_catalog_kind("node")->folder)) {
        const Result<Node> node = find_node(name);
        if (node && node->device == options.device && node->nics > 0) return node;
    }
    return Problem{"--node", "is missing, and no catalogue node has " + options.device, "name the node that the log was made on"};
}

/// Start, hop, share and residuals of the samples between domains, one fabric for each number of hosts.
Result<CollectiveParameters> calibrated_across(const CollectiveCalibrationOptions& options, const Device& device, CollectiveParameters parameters,
                                               const std::vector<CollectiveSample>& samples) {
    const Result<Node> node = node_of(options);
    if (!node) return node.problems();
    int domains = 1;
    for (const CollectiveSample& s : samples) {
        domains = std::max(domains, s.domains);
        if (s.ranks / s.domains > node->devices) {
            return Problem{"--from", fmt::format("has {} ranks a host, and {} has {} devices", s.ranks / s.domains, node->name, node->devices), "name another --node"};
        }
    }
    FabricSpec spec;
    Result<Fabric> fabric = build_fabric(spec, *node, domains, device.scale_up_bandwidth, std::make_shared<const CollectiveParameters>(parameters));
    if (!fabric) return fabric.problems();
    const CollectiveParameters fitted = fit_across(*fabric, samples);
    parameters.across_start = fitted.across_start;
    parameters.across_hop = fitted.across_hop;
    parameters.across_port_share = fitted.across_port_share;
    const auto residuals = tabulate_residuals(with_parameters(*fabric, parameters), samples);
    parameters.residuals.insert(parameters.residuals.end(), residuals.begin(), residuals.end());
    return parameters;
}

}  // namespace

Result<std::vector<CollectiveParameters>> other_generations(const std::string& device) {
    std::vector<CollectiveParameters> others;
    for (const std::string_view name : measured_generations) {
        if (name == device) continue;
        const Result<Device> found = find_device(name);
        if (!found) return found.problems();
        const auto parameters = find_collective_parameters(*found);
        if (!parameters) return parameters.problems();
        others.push_back(**parameters);
    }
    return others;
}

const CollectiveParameters* generation_alike(const std::vector<CollectiveParameters>& others, const MeasuredDomain& domain,
                                             const std::vector<CollectiveSample>& samples) {
    const CollectiveParameters* best = nullptr;
    double least = alike_error_max;
    for (const CollectiveParameters& one : others) {
        const double error = mean_collective_error(one, domain, samples);
        if (error >= least) continue;
        least = error;
        best = &one;
    }
    return best;
}

bool is_collective_measurement(const std::string& file) {
    if (is_nccl_csv(file)) return true;
    const Result<std::string> text = read_text_file(file);
    return text && (is_nccl_tests(*text) || perf_test_kind(file).has_value());
}

Result<CollectiveCalibration> calibrate_collectives(const CollectiveCalibrationOptions& options) {
    const Result<Device> device = find_device(options.device);
    if (!device) return device.problems();
    const auto own = find_collective_parameters(*device);
    if (!own) return own.problems();
    CollectiveCalibration calibration;
    std::vector<CollectiveSample> inside;
    std::vector<CollectiveSample> across;
    Problems problems;
    for (const std::string& file : options.files) {
        const Result<NcclLog> log = read_measurement(file);
        if (!log) {
            problems.insert(problems.end(), log.problems().begin(), log.problems().end());
            continue;
        }
        refuse_impossible(log->samples, file, *device, (*own)->nvls_efficiency > 0.0, problems);
        for (const CollectiveSample& s : log->samples) {
            if (s.domains == 1 && s.ranks > std::max(device->scale_up_domain, 2)) {
                problems.push_back({file, fmt::format("has {} ranks on one host, more than the {} of a scale-up domain", s.ranks, device->scale_up_domain),
                                    "give runs inside one domain, or of several hosts"});
                break;
            }
            (s.domains == 1 ? inside : across).push_back(s);
        }
        calibration.notes.insert(calibration.notes.end(), log->notes.begin(), log->notes.end());
        calibration.samples += static_cast<int>(log->samples.size());
    }
    if (!problems.empty()) return problems;
    const auto others = other_generations(options.device);
    if (!others) return others.problems();
    const bool known = (*own)->name == options.device;
    CollectiveParameters parameters = known ? **own : pooled_parameters(*others, (*own)->nvls_efficiency > 0.0);
    const MeasuredDomain domain{device->scale_up_bandwidth, device->scale_up_domain, ScaleUp::switched};
    if (!inside.empty()) {
        const bool full = median_samples(inside).size() >= full_table;
        parameters = full ? fit_collectives(parameters, domain, inside) : fit_anchors(parameters, domain, inside);
        parameters.residuals = tabulate_residuals(parameters, domain, inside, known ? nullptr : generation_alike(*others, domain, inside));
        parameters.quality.reset();
    }
    if (!across.empty()) {
        Result<CollectiveParameters> both = calibrated_across(options, *device, std::move(parameters), across);
        if (!both) return both.problems();
        parameters = std::move(both).value();
    }
    parameters.name = options.device;
    parameters.source = fmt::format("{} measured sizes ({} between hosts); beyond them {}", calibration.samples, across.size(),
                                    known ? "the catalogue's parameters of the device" : "other generations' parameters");
    if (!inside.empty()) calibration.error = mean_collective_error(parameters, domain, inside);
    calibration.parameters = std::move(parameters);
    return calibration;
}

}  // namespace orrery
