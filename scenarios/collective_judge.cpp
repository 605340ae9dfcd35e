// Fits on parts of measured tables, judged on the rest.
#include "scenarios/collective_judge.hpp"

#include "network/collective_anchors.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/collective_file.hpp"
#include "scenarios/json.hpp"
#include "scenarios/validate_kinds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

/// Generations with a whole table in the catalogue.
constexpr std::array<std::string_view, 5> measured_generations{"a100-sxm-80", "h100-sxm", "h200-sxm", "b200-sxm", "gb200"};

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

Result<MeasuredDomain> domain_of(const Device& device, std::string_view node_name) {
    const Result<Node> node = find_node(node_name);
    if (!node) return node.problems();
    return MeasuredDomain{device.scale_up_bandwidth, node->scale_up_domain, node->scale_up};
}

double error_on(const CollectiveParameters& parameters, const MeasuredDomain& domain, std::span<const CollectiveSample> samples) {
    const std::vector<Seconds> times = predicted_times(parameters, domain, samples);
    double sum = 0.0;
    for (std::size_t i = 0; i < samples.size(); ++i) sum += std::abs(times[i] / samples[i].time - 1.0);
    return samples.empty() ? 0.0 : sum / static_cast<double>(samples.size());
}

std::vector<CollectiveSample> without(std::span<const CollectiveSample> samples, std::span<const CollectiveSample> anchors) {
    std::vector<CollectiveSample> rest;
    for (const CollectiveSample& s : samples) {
        const bool is_anchor = std::any_of(anchors.begin(), anchors.end(), [&](const CollectiveSample& a) {
            return a.kind == s.kind && a.ranks == s.ranks && a.size == s.size && a.type == s.type;
        });
        if (!is_anchor) rest.push_back(s);
    }
    return rest;
}

Result<CollectiveJudgement> judge_table(const std::string& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text) return text.problems();
    const auto samples = parse_nccl_table(*text, path);
    if (!samples) return samples.problems();
    CollectiveJudgement judged;
    judged.table = path.substr(path.find_last_of('/') + 1);
    const NamedMachine* machine = machine_named(judged.table.substr(0, judged.table.find('.')));
    if (machine == nullptr) return Problem{path, "is of a system that the catalogue does not have", "name the file SYSTEM.nccl-VERSION.nccl.csv"};
    judged.device = machine->device;
    const Result<Device> device = find_device(machine->device);
    if (!device) return device.problems();
    const auto own = find_collective_parameters(*device);
    if (!own) return own.problems();
    const Result<MeasuredDomain> domain = domain_of(*device, machine->node);
    if (!domain) return domain.problems();
    const auto others = other_generations(judged.device);
    if (!others) return others.problems();
    std::vector<CollectiveSample> inside;
    for (const CollectiveSample& s : *samples) {
        if (s.ranks <= domain->devices) inside.push_back(s);
    }
    judged.quality = judge_fit(**own, *domain, inside, 1);
    const CollectiveParameters pooled = pooled_parameters(*others, (*own)->nvls_efficiency > 0.0);
    for (const int wanted : {5, 10, 20}) {
        const std::vector<CollectiveSample> anchors = anchors_of(inside, wanted);
        CollectiveParameters fitted = fit_anchors(pooled, *domain, anchors);
        judged.by_anchors.emplace_back(wanted, error_on(fitted, *domain, without(inside, anchors)));
    }
    for (CollectiveParameters other : *others) {
        other.residuals.clear();
        judged.by_others.emplace_back(other.name, error_on(other, *domain, inside));
    }
    std::vector<CollectiveSample> large;
    std::copy_if(inside.begin(), inside.end(), std::back_inserter(large), [](const CollectiveSample& s) { return s.size >= 16.0_MiB; });
    judged.pooled_large = error_on(pooled, *domain, large);
    return judged;
}

/// nccl-tests -J: "results" with "size", "type" and "out_of_place": {"time"}, microseconds; "rank" once for each device.
Result<std::vector<CollectiveSample>> read_nccl_json(const std::string& text, const std::string& file) {
    const Result<Json> json = parse_json_text(text, file);
    if (!json) return json.problems();
    std::optional<CollectiveKind> kind = perf_test_kind(text);
    if (!kind) kind = perf_test_kind(file);
    int ranks = 0;
    for (std::size_t at = text.find("\"rank\""); at != std::string::npos; at = text.find("\"rank\"", at + 1)) ++ranks;
    const auto results = json->is_object() ? json->find("results") : json->end();
    if (!kind) return Problem{file, "does not name its test", "put the test's name into the file's, as all_reduce_perf.json"};
    if (ranks < 2) return Problem{file, "lists " + std::to_string(ranks) + " ranks", "give all that nccl-tests wrote"};
    std::vector<CollectiveSample> samples;
    if (json->is_object() && results != json->end() && results->is_array()) {
        for (const Json& row : *results) {
            if (!row.is_object() || !row.contains("size") || !row.contains("out_of_place")) continue;
            const Json& place = row["out_of_place"];
            if (!row["size"].is_number() || !place.is_object() || !place.contains("time") || !place["time"].is_number()) continue;
            const double size = row["size"].get<double>();
            const double time = place["time"].get<double>();
            const std::string type = row.contains("type") && row["type"].is_string() ? row["type"].get<std::string>() : "float";
            if (size > 0.0 && time > 0.0) samples.push_back({*kind, perf_type(type), ranks, Bytes::from_si(size), Seconds::from_si(time * 1e-6)});
        }
    }
    if (samples.empty()) return Problem{file, "has no results with a size and a time", "give what nccl-tests wrote with -J"};
    return samples;
}

}  // namespace

bool is_nccl_tests_file(const std::string& file) {
    const Result<std::string> text = read_text_file(file);
    return text && is_nccl_tests(*text);
}

Result<std::vector<CollectiveJudgement>> judge_collectives(const std::vector<std::string>& tables) {
    std::vector<CollectiveJudgement> judgements;
    for (const std::string& table : tables) {
        Result<CollectiveJudgement> judged = judge_table(table);
        if (!judged) return judged.problems();
        judgements.push_back(std::move(judged).value());
    }
    return judgements;
}

std::string judgement_text(const std::vector<CollectiveJudgement>& judgements) {
    std::string text = fmt::format("{:<34} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "mean errors in %", "rows", "physics", "unseen",
                                   "size out", "interpol", "20", "10", "5 pts", ">=16 MiB");
    CollectiveFitQuality sum;
    double counts[3] = {0.0, 0.0, 0.0};
    double large = 0.0;
    for (const CollectiveJudgement& j : judgements) {
        const auto& q = j.quality;
        text += fmt::format("{:<34} {:>6} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f}\n", j.table, q.rows, 100 * q.physical_error,
                            100 * q.calibrated_error, 100 * q.gap_error, 100 * q.interpolation_error, 100 * j.by_anchors[2].second,
                            100 * j.by_anchors[1].second, 100 * j.by_anchors[0].second, 100 * j.pooled_large);
        sum.physical_error += q.physical_error;
        sum.calibrated_error += q.calibrated_error;
        sum.gap_error += q.gap_error;
        sum.interpolation_error += q.interpolation_error;
        for (std::size_t i = 0; i < 3; ++i) counts[i] += j.by_anchors[i].second;
        large += j.pooled_large;
    }
    const double share = judgements.empty() ? 0.0 : 100.0 / static_cast<double>(judgements.size());
    text += fmt::format("{:<34} {:>6} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f}\n\n", "mean of tables", "", share * sum.physical_error,
                        share * sum.calibrated_error, share * sum.gap_error, share * sum.interpolation_error, share * counts[2], share * counts[1],
                        share * counts[0], share * large);
    for (const CollectiveJudgement& j : judgements) {
        text += fmt::format("{:<34} by parameters of", j.table);
        for (const auto& [name, error] : j.by_others) text += fmt::format("  {} {:.1f}", name, 100 * error);
        text += "\n";
    }
    return text;
}

Result<CollectiveCalibration> calibrate_collectives(const std::vector<std::string>& files, const std::string& device_name) {
    const Result<Device> device = find_device(device_name);
    if (!device) return device.problems();
    std::vector<CollectiveSample> samples;
    Problems problems;
    for (const std::string& file : files) {
        const Result<std::string> text = read_text_file(file);
        if (!text) {
            problems.insert(problems.end(), text.problems().begin(), text.problems().end());
            continue;
        }
        const bool is_json = text->find_first_not_of(" \t\r\n") != std::string::npos && (*text)[text->find_first_not_of(" \t\r\n")] == '{';
        const auto read = is_json ? read_nccl_json(*text, file) : parse_nccl_tests(*text, file);
        if (read) {
            samples.insert(samples.end(), read->begin(), read->end());
        } else {
            problems.insert(problems.end(), read.problems().begin(), read.problems().end());
        }
    }
    for (const CollectiveSample& s : samples) {
        if (s.ranks <= std::max(device->scale_up_domain, 2)) continue;
        problems.push_back({"--from", fmt::format("has {} ranks, more than the {} of one scale-up domain", s.ranks, device->scale_up_domain), "give runs inside one domain"});
        break;
    }
    if (!problems.empty()) return problems;
    const auto others = other_generations(device_name);
    if (!others) return others.problems();
    const auto own = find_collective_parameters(*device);
    if (!own) return own.problems();
    const bool known = (*own)->name == device_name;
    CollectiveParameters prior = known ? **own : pooled_parameters(*others, (*own)->nvls_efficiency > 0.0);
    const MeasuredDomain domain{device->scale_up_bandwidth, device->scale_up_domain, ScaleUp::switched};
    CollectiveCalibration calibration;
    calibration.samples = static_cast<int>(samples.size());
    calibration.parameters = fit_anchors(prior, domain, samples);
    calibration.parameters.name = device_name;
    calibration.parameters.source = fmt::format("nccl-tests of {} sizes; beyond them {}", samples.size(), known ? "its own table's parameters" : "other generations' parameters");
    calibration.parameters.residuals = tabulate_residuals(calibration.parameters, domain, samples);
    calibration.parameters.quality.reset();
    return calibration;
}

}  // namespace orrery
