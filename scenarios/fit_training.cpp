// The fit of training constants, and its way into the catalogue's files.
#include "scenarios/fit_training.hpp"

#include "scenarios/date.hpp"
#include "scenarios/training_row.hpp"
#include "sim/price_experts.hpp"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

namespace orrery {
namespace {

constexpr double loss_cap = 0.6;          // of one row's |ln(predicted / measured)|: outliers do not steer
constexpr double prior_pull = 0.02;       // per e-fold of a device's multiplier, a twentieth of a typical row's weight
constexpr std::size_t rows_per_constant = 20;    // fewer rows cannot tell a framework's constants apart
constexpr double soft_row_weight = 0.25;    // rows of which something had to be guessed
constexpr int rounds_max = 30;

/// A framework constant that may be fitted, and between which bounds it stays physical.
struct FrameworkKnob {
    std::string_view name;
    double min;
    double max;
    double (*get)(const FrameworkProfile&);
    void (*set)(FrameworkProfile&, double);
    bool is_time = false;  // stored with a unit
};
// clang-format off
constexpr std::array<FrameworkKnob, 20> framework_knobs{{
    {"streaming_efficiency", 0.4, 0.95, [](const FrameworkProfile& f) { return f.streaming_efficiency; }, [](FrameworkProfile& f, double v) { f.streaming_efficiency = v; }},
    {"matrix_slowdown", 0.8, 1.5, [](const FrameworkProfile& f) { return f.matrix_slowdown; }, [](FrameworkProfile& f, double v) { f.matrix_slowdown = v; }},
    {"attention_slowdown", 0.6, 1.6, [](const FrameworkProfile& f) { return f.attention_slowdown; }, [](FrameworkProfile& f, double v) { f.attention_slowdown = v; }},
    {"host_forward", 0.0, 3e-3, [](const FrameworkProfile& f) { return f.host_forward.si(); }, [](FrameworkProfile& f, double v) { f.host_forward = Seconds::from_si(v); }, true},
    {"host_backward", 0.0, 3e-3, [](const FrameworkProfile& f) { return f.host_backward.si(); }, [](FrameworkProfile& f, double v) { f.host_backward = Seconds::from_si(v); }, true},
    {"tensor_exposed", 0.0, 1.0, [](const FrameworkProfile& f) { return f.tensor_exposed; }, [](FrameworkProfile& f, double v) { f.tensor_exposed = v; }},
    {"gradient_overlap", 0.0, 1.0, [](const FrameworkProfile& f) { return f.gradient_overlap; }, [](FrameworkProfile& f, double v) { f.gradient_overlap = v; }},
    {"contention", 0.0, 0.4, [](const FrameworkProfile& f) { return f.contention; }, [](FrameworkProfile& f, double v) { f.contention = v; }},
    {"fixed", 0.0, 0.1, [](const FrameworkProfile& f) { return f.fixed.si(); }, [](FrameworkProfile& f, double v) { f.fixed = Seconds::from_si(v); }, true},
    {"wide_streaming_share", 0.0, 1.0, [](const FrameworkProfile& f) { return f.wide_streaming_share; }, [](FrameworkProfile& f, double v) { f.wide_streaming_share = v; }},
    {"immature_matrix_slowdown", 1.0, 2.0, [](const FrameworkProfile& f) { return f.immature_matrix_slowdown; }, [](FrameworkProfile& f, double v) { f.immature_matrix_slowdown = v; }},
    {"immature_attention_slowdown", 1.0, 3.5, [](const FrameworkProfile& f) { return f.immature_attention_slowdown; }, [](FrameworkProfile& f, double v) { f.immature_attention_slowdown = v; }},
    {"convolution_slowdown", 0.8, 1.5, [](const FrameworkProfile& f) { return f.convolution_slowdown; }, [](FrameworkProfile& f, double v) { f.convolution_slowdown = v; }},
    {"host_launch", 0.0, 3e-5, [](const FrameworkProfile& f) { return f.host_launch.si(); }, [](FrameworkProfile& f, double v) { f.host_launch = Seconds::from_si(v); }, true},
    {"host_partial_graphs", 0.0, 1.0, [](const FrameworkProfile& f) { return f.host_partial_graphs; }, [](FrameworkProfile& f, double v) { f.host_partial_graphs = v; }},
    {"expert_matrix_slowdown", 0.8, 2.0, [](const FrameworkProfile& f) { return f.expert_matrix_slowdown; }, [](FrameworkProfile& f, double v) { f.expert_matrix_slowdown = v; }},
    {"expert_exchange_slowdown", 0.8, 2.0, [](const FrameworkProfile& f) { return f.expert_exchange_slowdown; }, [](FrameworkProfile& f, double v) { f.expert_exchange_slowdown = v; }},
    {"expert_exposed_overlapped", 0.0, 1.0, [](const FrameworkProfile& f) { return f.expert_exposed_overlapped; }, [](FrameworkProfile& f, double v) { f.expert_exposed_overlapped = v; }},
    {"expert_host_wait", 0.0, 10e-3, [](const FrameworkProfile& f) { return f.expert_host_wait.si(); }, [](FrameworkProfile& f, double v) { f.expert_host_wait = Seconds::from_si(v); }, true},
    {"expert_host_floor", 0.0, 30e-3, [](const FrameworkProfile& f) { return f.expert_host_floor.si(); }, [](FrameworkProfile& f, double v) { f.expert_host_floor = Seconds::from_si(v); }, true},
}};
// clang-format on

class Fitter {
  public:
    Fitter(std::vector<PreparedTraining> rows, std::vector<std::string> only,
           const std::function<void(const std::string&)>& progress)
        : rows_(std::move(rows)), only_(std::move(only)), progress_(progress) {
        std::map<std::string, std::size_t> of_source;
        for (const PreparedTraining& row : rows_) ++of_source[row.source];
        double sum = 0.0;
        for (const PreparedTraining& row : rows_) {
            const double whole = row.note.empty() ? 1.0 : soft_row_weight;
            weights_.push_back(whole / std::sqrt(static_cast<double>(of_source[row.source])));
            sum += weights_.back();
        }
        for (double& weight : weights_) weight /= sum;
        predicted_.resize(rows_.size());
    }

    TrainingFit fit() {
        make_knobs();
        std::vector<std::size_t> all(rows_.size());
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
        predict(all);
        TrainingFit result;
        result.before = statistics();
        double step = 0.10;
        double best = loss();
        for (int round = 0; round < rounds_max; ++round) {
            const double before = best;
            for (std::size_t k = 0; k < knobs_.size(); ++k) best = improve(k, step, best);
            progress_("round " + std::to_string(round + 1) + ": loss " + std::to_string(best));
            if (before - best < 3e-4) step /= 2.0;
            if (step < 0.005) break;
        }
        result.knobs = knobs_;
        result.after = statistics();
        return result;
    }

  private:
    std::vector<PreparedTraining> rows_;
    std::vector<std::string> only_;
    std::function<void(const std::string&)> progress_;
    std::vector<double> weights_;
    std::vector<std::optional<double>> predicted_;
    std::vector<TrainingKnob> knobs_;
    std::vector<double> began_;
    std::vector<std::vector<std::size_t>> acts_on_;
    std::vector<std::function<void(double)>> apply_;

    void predict(const std::vector<std::size_t>& which) {
        tbb::parallel_for(std::size_t{0}, which.size(), [&](std::size_t i) {
            const Result<double> step = predict_step(rows_[which[i]]);
            predicted_[which[i]] = step ? std::optional(*step) : std::nullopt;
        });
    }

    [[nodiscard]] double loss() const {
        double sum = 0.0;
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            if (predicted_[i]) sum += weights_[i] * std::min(std::abs(std::log(*predicted_[i] / rows_[i].measured_step_s)), loss_cap);
        }
        for (std::size_t k = 0; k < knobs_.size(); ++k) {
            if (began_[k] > 0.0 && knobs_[k].value > 0.0) {
                sum += prior_pull * weights_share(k) * std::abs(std::log(knobs_[k].value / began_[k]));
            }
        }
        return sum;
    }

    [[nodiscard]] double weights_share(std::size_t knob) const {
        double sum = 0.0;
        for (const std::size_t row : acts_on_[knob]) sum += weights_[row];
        return sum;
    }

    [[nodiscard]] ErrorStatistics statistics() const {
        std::vector<Comparison> comparisons;
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            if (predicted_[i]) comparisons.push_back({rows_[i].id, rows_[i].source, "step_time_s", rows_[i].measured_step_s, *predicted_[i], ""});
        }
        return error_statistics(comparisons);
    }

    void add_knob(TrainingKnob knob, std::vector<std::size_t> rows, std::function<void(double)> apply) {
        const auto is_knob = [&](const std::string& name) { return name == knob.owner || name == knob.owner + "." + knob.name; };
        if (!only_.empty() && std::none_of(only_.begin(), only_.end(), is_knob)) return;
        knob.rows = rows.size();
        began_.push_back(knob.value);
        knobs_.push_back(std::move(knob));
        acts_on_.push_back(std::move(rows));
        apply_.push_back(std::move(apply));
    }

    void make_knobs() {
        std::map<std::pair<std::string, DataType>, std::vector<std::size_t>> by_device;
        std::map<std::pair<std::string, DataType>, std::vector<std::size_t>> layered;
        std::map<std::string, std::vector<std::size_t>> of_device;
        std::map<std::string, std::vector<std::size_t>> by_framework;
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            DataType type = rows_[i].variants.front().spec.precision;
            if (type == DataType::fp16) type = DataType::bf16;  // the same matrix units at the same rate
            if (rows_[i].variants.front().family) {
                layered[{rows_[i].cluster.device.name, rows_[i].variants.front().spec.precision}].push_back(i);
            } else {
                by_device[{rows_[i].cluster.device.name, type}].push_back(i);
            }
            of_device[rows_[i].cluster.device.name].push_back(i);
            by_framework[rows_[i].variants.front().framework.name].push_back(i);
        }
        for (const auto& [key, members] : by_device) {
            const auto& calibration = *rows_[members.front()].cluster.device.calibration;
            const double value = calibration.training_slowdown[key.second].value_or(1.15);
            const DataType type = key.second;
            // Head and router stay 16 bit in 8- and 4-bit trainings.
            const std::vector<std::size_t>& affected = type == DataType::bf16 ? of_device[key.first] : members;
            add_knob({key.first, "training_slowdown." + std::string(name_of(type)), value, 0.7, 2.2, 0}, affected,
                     [this, members, type](double v) { set_slowdown(members, type, v); });
        }
        for (const auto& [key, members] : layered) add_convolution_knob(key.first, key.second, members);
        for (const auto& [name, members] : by_framework) {
            for (const FrameworkKnob& knob : framework_knobs) {
                const double value = knob.get(rows_[members.front()].variants.front().framework);
                if (value == 0.0) continue;  // a zero says that the framework does not do this at all
                const std::vector<std::size_t> affected = affected_by(knob.name, members);
                if (affected.size() < rows_per_constant) continue;
                add_knob({name, std::string(knob.name), value, knob.min, knob.max, 0}, affected, [this, members, &knob](double v) {
                    for (const std::size_t row : members) {
                        for (TrainingRun& run : rows_[row].variants) knob.set(run.framework, v);
                    }
                });
            }
        }
    }

    /// The device's factor on convolutions of a number format; networks without any are left aside.
    void add_convolution_knob(const std::string& device, DataType type, const std::vector<std::size_t>& members) {
        const Calibration& calibration = *rows_[members.front()].cluster.device.calibration;
        const auto& products = calibration.training_slowdown[type];
        const double value = calibration.convolution_slowdown[type].value_or(products.value_or(1.15));
        add_knob({device, "convolution_slowdown." + std::string(name_of(type)), value, 0.6, 2.5, 0}, members,
                 [this, members, type](double v) {
                     auto changed = std::make_shared<Calibration>(*rows_[members.front()].cluster.device.calibration);
                     changed->convolution_slowdown[type] = v;
                     set_calibration(members, changed);
                 });
    }

    /// Of a framework's rows, those on which the constant acts.
    [[nodiscard]] std::vector<std::size_t> affected_by(std::string_view knob, const std::vector<std::size_t>& members) const {
        std::vector<std::size_t> affected;
        for (const std::size_t i : members) {
            const TrainingRun& run = rows_[i].variants.front();
            const bool immature = run.framework.library_year - rows_[i].cluster.device.year < 2;
            const bool pipelined_gradients = !run.spec.parallelism.shards_parameters();
            const bool assumes_none = run.framework.immature_matrix_slowdown == 1.0 && run.framework.immature_attention_slowdown == 1.0;
            const bool of_layers = knob == "convolution_slowdown" || knob == "host_launch";
            if (of_layers && !run.family) continue;
            if (run.family && (knob == "gradient_overlap" || knob == "contention")) continue;
            if (knob.starts_with("immature_") && (!immature || assumes_none)) continue;
            if (knob == "immature_attention_slowdown" && !run.spec.flash_attention) continue;
            if (knob == "attention_slowdown" && !run.spec.flash_attention) continue;
            if (knob == "tensor_exposed" && run.spec.parallelism.tensor == 1) continue;
            if (knob == "contention" && pipelined_gradients) continue;
            if (knob == "host_partial_graphs" && run.spec.launch_graphs != LaunchGraphs::partial) continue;
            if (knob.starts_with("expert_") && !acts_on_experts(knob, rows_[i])) continue;
            affected.push_back(i);
        }
        return affected;
    }

    /// Whether a constant of mixtures acts on a row.
    static bool acts_on_experts(std::string_view knob, const PreparedTraining& row) {
        const TrainingRun& run = row.variants.front();
        const TrainingSpec& spec = run.spec;
        if (run.family || run.architecture.experts == 0) return false;
        const bool overlaps = spec.overlap.experts == std::optional(true);
        const bool waits = !spec.token_drop && spec.launch_graphs != LaunchGraphs::full_iteration;
        const bool plain = dispatcher_of(spec, row.cluster.fabric.domain, row.cluster.node.devices) == TokenDispatcher::all_to_all;
        if (knob == "expert_exchange_slowdown") return spec.parallelism.expert > 1;
        if (knob == "expert_exposed_overlapped") return overlaps && spec.parallelism.expert > 1;
        if (knob == "expert_host_wait") return waits && spec.launch_graphs == LaunchGraphs::none;
        if (knob == "expert_host_floor") return waits && (plain || (overlaps && spec.launch_graphs == LaunchGraphs::none));
        return spec.launch_graphs != LaunchGraphs::full_iteration;
    }

    void set_slowdown(const std::vector<std::size_t>& members, DataType type, double value) {
        auto changed = std::make_shared<Calibration>(*rows_[members.front()].cluster.device.calibration);
        changed->training_slowdown[type] = value;
        if (type == DataType::bf16) changed->training_slowdown[DataType::fp16] = value;
        set_calibration(members, changed);
    }

    /// Of every row on the members' device.
    void set_calibration(const std::vector<std::size_t>& members, const std::shared_ptr<const Calibration>& changed) {
        const std::string device = rows_[members.front()].cluster.device.name;
        for (PreparedTraining& row : rows_) {
            if (row.cluster.device.name == device) row.cluster.device.calibration = changed;
        }
    }

    /// Tries a step up and down from where the knob stands; keeps what helps.
    double improve(std::size_t k, double step, double best) {
        for (const double factor : {1.0 + step, 1.0 / (1.0 + step)}) {
            for (int leap = 0; leap < 8; ++leap) {
                const double old_value = knobs_[k].value;
                const double value = std::clamp(old_value * factor, knobs_[k].min, knobs_[k].max);
                if (value == old_value) break;
                const std::vector<std::optional<double>> saved = predicted_;
                knobs_[k].value = value;
                apply_[k](value);
                predict(acts_on_[k]);
                const double now = loss();
                if (now < best - 1e-7) {
                    best = now;
                    continue;
                }
                knobs_[k].value = old_value;
                apply_[k](old_value);
                predicted_ = saved;
                break;
            }
        }
        return best;
    }
};

constexpr std::string_view fit_source = "fitted on published training runs by `orrery calibrate --trainings`";

Json figure(const TrainingKnob& knob) {
    const double rounded = std::round(knob.value * 1e7) / 1e7;
    const auto known = std::find_if(framework_knobs.begin(), framework_knobs.end(), [&](const FrameworkKnob& one) { return one.name == knob.name; });
    const bool is_time = known != framework_knobs.end() && known->is_time;
    Json json = {{"value", rounded}, {"source", std::string(fit_source) + ", " + std::to_string(knob.rows) + " rows"}, {"date", today()}};
    if (is_time) json["value"] = std::to_string(static_cast<int>(std::lround(knob.value * 1e9))) + " ns";
    return json;
}

}  // namespace

Result<TrainingFit> fit_training(const std::vector<std::string>& tables, const std::vector<std::string>& only, const std::function<void(const std::string&)>& progress) {
    CatalogCache catalog;
    std::vector<PreparedTraining> rows;
    for (const std::string& table : tables) {
        const Result<std::vector<Json>> lines = read_json_lines(table);
        if (!lines) return lines.problems();
        for (const Json& line : *lines) {
            if (!is_training_row(line)) continue;
            Result<PreparedTraining> row = prepare_training(line, catalog);
            if (row) rows.push_back(std::move(row).value());
        }
    }
    if (rows.empty()) return Problem{tables.empty() ? "--trainings" : tables.front(), "holds no whole training row", "see the README for the fields of training tables"};
    return Fitter(std::move(rows), only, progress).fit();
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
