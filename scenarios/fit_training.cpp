// The fit of training constants, and its way into the catalogue's files.
#include "scenarios/fit_training.hpp"

#include "scenarios/date.hpp"
#include "scenarios/framework_knobs.hpp"
#include "scenarios/training_fitter.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

namespace orrery {
namespace {

constexpr std::string_view fit_source = "fitted on published training runs by `orrery calibrate --trainings`";

Json figure(const TrainingKnob& knob) {
    const double rounded = std::round(knob.value * 1e7) / 1e7;
    const std::span<const FrameworkKnob> knobs = framework_knobs();
    const auto known = std::find_if(knobs.begin(), knobs.end(), [&](const FrameworkKnob& one) { return one.name == knob.name; });
    const bool is_time = known != knobs.end() && known->is_time;
    Json json = {{"value", rounded}, {"source", std::string(fit_source) + ", " + std::to_string(knob.rows) + " rows"}, {"date", today()}};
    if (is_time) json["value"] = std::to_string(static_cast<int>(std::lround(knob.value * 1e9))) + " ns";
    return json;
}

}  // namespace

Result<TrainingFit> fit_training(const std::vector<std::string>& tables, const std::vector<std::string>& only,
                                 const TrainingProgress& progress) {
    Result<std::vector<PreparedTraining>> rows = prepare_trainings(tables);
    if (!rows) return rows.problems();
    return TrainingFitter(std::move(rows).value(), {"", only}, progress).fit();
}

Result<std::vector<LeftOutSource>> leave_one_source_out(const std::vector<std::string>& tables,
                                                        const TrainingProgress& progress) {
    const Result<std::vector<PreparedTraining>> rows = prepare_trainings(tables);
    if (!rows) return rows.problems();
    std::set<std::string> sources;
    for (const PreparedTraining& row : *rows) sources.insert(row.source);
    if (sources.size() < 2) {
        return Problem{tables.front(), "holds one source only", "leaving it out leaves nothing to fit to: add tables"};
    }
    std::vector<LeftOutSource> all;
    for (const std::string& source : sources) {
        TrainingFitter fitter(*rows, {source, {}}, [](const std::string&) {});
        fitter.fit();
        all.push_back({source, fitter.comparisons(true)});
        progress("left out " + source);
    }
    return all;
}

Result<std::vector<std::string>> store_training_fit(const TrainingFit& fit, const std::string& directory) {
    std::map<std::string, Json> files;
    Problems problems;
    const auto file_of = [&](const std::string& path) -> Json* {
        auto place = files.find(path);
        if (place == files.end()) {
            const std::string owner = std::filesystem::path(path).stem().string();
            std::error_code ignored;
            const bool is_new = path.find("calibration") != std::string::npos && !std::filesystem::exists(path, ignored);
            Result<Json> json = is_new ? Result<Json>(Json{{"device", owner}}) : parse_json_file(path);
            if (!json) {
                problems.insert(problems.end(), json.problems().begin(), json.problems().end());
                return nullptr;
            }
            place = files.emplace(path, std::move(json).value()).first;
        }
        return &place->second;
    };
    for (const TrainingKnob& knob : fit.knobs) {
        const std::size_t dot = knob.name.find('.');
        if (dot == std::string::npos) {
            if (Json* json = file_of(directory + "/models/frameworks/" + knob.owner + ".json")) (*json)[knob.name] = figure(knob);
        } else if (Json* json = file_of(directory + "/hardware/calibration/" + knob.owner + ".json")) {
            const std::string type = knob.name.substr(dot + 1);
            const bool convolutions = knob.name.starts_with("convolution_");
            (*json)["training"][convolutions ? "convolution_slowdown" : "slowdown"][type] = std::round(knob.value * 1e4) / 1e4;
            if (type == "bf16" && !convolutions) (*json)["training"]["slowdown"]["fp16"] = std::round(knob.value * 1e4) / 1e4;
            (*json)["training"][convolutions ? "convolution_source" : "source"] = fit_source;
        }
    }
    if (!problems.empty()) return problems;
    std::vector<std::string> written;
    for (const auto& [path, json] : files) {
        const Result<std::size_t> bytes = write_text_file(path, dump(json));
        if (!bytes) return bytes.problems();
        written.push_back(path);
    }
    return written;
}

}  // namespace orrery
