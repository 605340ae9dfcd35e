// The fit on published trainings, whole or with one source left out.
#include "scenarios/training_fitter.hpp"

#include "hardware/rng.hpp"
#include "kernels/least_squares.hpp"
#include "scenarios/framework_knobs.hpp"
#include "sim/price_experts.hpp"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

namespace orrery {
namespace {

constexpr double error_cap = 0.6;         // of one row's |ln(predicted / measured)|: outliers do not steer
constexpr double soft_error = 0.03;       // errors beyond this count linearly
constexpr double device_pull = 0.02;       // per e-fold of a device's constant, of a typical row's weight
constexpr double framework_pull = 0.003;   // the same of a framework's: they differ more
constexpr std::size_t rows_per_constant = 20;  // fewer rows cannot tell a framework's constants apart
constexpr double soft_row_weight = 0.25;  // rows of which something had to be guessed
constexpr int iterations_max = 40;
constexpr int iterations_left_out = 8;    // seven fits instead of one: an answer in minutes
constexpr double slowdown_neutral = 1.15;  // of a device in training against its isolated kernels
// Biases, dropouts, casts and transposes as kernels of their own double what a layer launches.
constexpr double unfused_launches = 2.0;
constexpr std::string_view slowdown_name = "training_slowdown.";
constexpr std::string_view convolution_name = "convolution_slowdown.";

bool is_of_device(std::string_view knob) { return knob.starts_with(slowdown_name) || knob.starts_with(convolution_name); }

double neutral_of(const FrameworkKnob& knob, const FrameworkProfile& framework) {
    const bool of_launches = knob.name == "host_forward" || knob.name == "host_backward";
    return knob.neutral * (of_launches && !framework.fused_kernels ? unfused_launches : 1.0);
}

/// Whether a constant of mixtures acts on a row.
bool acts_on_experts(std::string_view knob, const PreparedTraining& row) {
    const TrainingRun& run = row.variants.front();
    const TrainingSpec& spec = run.spec;
    if (run.family || run.architecture.experts == 0) return false;
    const bool overlaps = spec.overlap.experts == std::optional(true);
    const bool waits = !spec.token_drop && spec.launch_graphs != LaunchGraphs::full_iteration;
    const TokenDispatcher dispatcher = dispatcher_of(spec, row.cluster.fabric.domain, row.cluster.node.devices);
    const bool plain = dispatcher == TokenDispatcher::all_to_all;
    if (knob == "expert_exchange_slowdown") return spec.parallelism.expert > 1;
    if (knob == "expert_exposed_overlapped") return overlaps && spec.parallelism.expert > 1;
    if (knob == "expert_host_wait") return waits && spec.launch_graphs == LaunchGraphs::none;
    if (knob == "expert_host_floor")
        return waits && (plain || (overlaps && spec.launch_graphs == LaunchGraphs::none));
    return spec.launch_graphs != LaunchGraphs::full_iteration;
}

/// Whether a constant of its framework acts on a row.
bool acts_on(std::string_view knob, const PreparedTraining& row) {
    const TrainingRun& run = row.variants.front();
    const FrameworkProfile& framework = run.framework;
    const bool immature = framework.library_year - row.cluster.device.year < 2;
    const bool assumes_none =
        framework.immature_matrix_slowdown == 1.0 && framework.immature_attention_slowdown == 1.0;
    const bool of_layers = knob == "convolution_slowdown" || knob == "host_launch";
    if (of_layers && !run.family) return false;
    if (run.family && (knob == "gradient_overlap" || knob == "contention")) return false;
    if (knob.starts_with("immature_") && (!immature || assumes_none)) return false;
    if (knob == "immature_attention_slowdown" || knob == "attention_slowdown") return run.spec.flash_attention;
    if (knob == "tensor_exposed" || knob == "host_tensor_parallel") return run.spec.parallelism.tensor > 1;
    if (knob == "contention") return run.spec.parallelism.shards_parameters();
    if (knob == "host_partial_graphs") return run.spec.launch_graphs == LaunchGraphs::partial;
    if (knob.starts_with("expert_")) return acts_on_experts(knob, row);
    return true;
}

}  // namespace

TrainingFitter::TrainingFitter(std::vector<PreparedTraining> rows, FitScope scope, Progress progress)
    : rows_(std::move(rows)), left_out_(std::move(scope.left_out)), only_(std::move(scope.only)),
      progress_(std::move(progress)) {
    std::map<std::string, std::size_t> of_source;
    for (const PreparedTraining& row : rows_) ++of_source[row.source];
    double sum = 0.0;
    for (const PreparedTraining& row : rows_) {
        const double whole = row.note.empty() ? 1.0 : soft_row_weight;
        const double weight = whole / std::sqrt(static_cast<double>(of_source[row.source]));
        weights_.push_back(!left_out_.empty() && row.source == left_out_ ? 0.0 : weight);
        sum += weights_.back();
    }
    for (double& weight : weights_) weight /= std::max(sum, 1e-30);
    predicted_.resize(rows_.size());
    make_device_knobs();
    make_convolution_knobs();
    make_framework_knobs();
}

TrainingFit TrainingFitter::fit() {
    if (!left_out_.empty()) begin_neutral();
    predict_all();
    TrainingFit result;
    result.before = error_statistics(comparisons(false));
    descend();
    if (!left_out_.empty()) {
        borrow_from_kin();
        predict_all();
    }
    for (const Knob& knob : knobs_) result.knobs.push_back(knob.constant);
    result.after = error_statistics(comparisons(false));
    return result;
}

std::vector<Comparison> TrainingFitter::comparisons(bool left_out) const {
    std::vector<Comparison> all;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        const PreparedTraining& row = rows_[i];
        if (!predicted_[i] || (weights_[i] == 0.0) != left_out) continue;
        all.push_back({row.id, row.source, "step_time_s", row.measured_step_s, *predicted_[i], row.note});
    }
    return all;
}

void TrainingFitter::predict(const std::vector<std::size_t>& which) {
    tbb::parallel_for(std::size_t{0}, which.size(), [&](std::size_t i) {
        const Result<double> step = predict_step(rows_[which[i]]);
        predicted_[which[i]] = step ? std::optional(*step) : std::nullopt;
    });
}

void TrainingFitter::predict_all() {
    std::vector<std::size_t> all(rows_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    predict(all);
}

void TrainingFitter::descend() {
    std::vector<FitParameter> parameters;
    for (const Knob& knob : knobs_) {
        if (!knob.told) continue;
        const TrainingKnob& c = knob.constant;
        parameters.push_back({c.value, c.min, c.max, c.min > 0.0});
    }
    if (parameters.empty()) return;
    const Residuals residuals = [&](const std::vector<double>& values, std::vector<double>& out) {
        move_to(values);
        write_residuals(out);
    };
    FitOptions options;
    options.starts = 1;
    options.iterations = left_out_.empty() ? iterations_max : iterations_left_out;
    options.soft = soft_error;
    options.search_coordinates = false;
    Rng unused(1);  // one start, which is where the constants stand
    const FitResult fit = fit_least_squares(residuals, parameters, options, unused);
    move_to(fit.parameters);
    progress_("fitted " + std::to_string(parameters.size()) + " constants");
}

// Only rows that a changed constant acts on are predicted anew.
void TrainingFitter::move_to(const std::vector<double>& values) {
    std::vector<bool> touched(rows_.size(), false);
    std::size_t next = 0;
    for (Knob& knob : knobs_) {
        if (!knob.told) continue;
        const double value = values[next++];
        if (value == knob.constant.value) continue;
        knob.constant.value = value;
        knob.apply(value);
        for (const std::size_t row : knob.acts_on) touched[row] = touched[row] || weights_[row] > 0.0;
    }
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (touched[i]) which.push_back(i);
    }
    predict(which);
}

// One residual a row, in units of a row of mean weight, and one a constant: its pull back to where it began.
void TrainingFitter::write_residuals(std::vector<double>& residuals) const {
    residuals.clear();
    const auto rows = static_cast<double>(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (weights_[i] == 0.0) continue;
        const double error = predicted_[i] ? std::log(*predicted_[i] / rows_[i].measured_step_s) : 0.0;
        residuals.push_back(weights_[i] * rows * std::clamp(error, -error_cap, error_cap));
    }
    for (const Knob& knob : knobs_) {
        if (!knob.told) continue;
        const double value = knob.constant.value;
        const double away = knob.began > 0.0 && value > 0.0 ? std::log(value / knob.began) : 0.0;
        const double pull = is_of_device(knob.constant.name) ? device_pull : framework_pull;
        residuals.push_back(pull * weight_of(knob) * rows * away);
    }
}

double TrainingFitter::weight_of(const Knob& knob) const {
    double sum = 0.0;
    for (const std::size_t row : knob.acts_on) sum += weights_[row];
    return sum;
}

std::size_t TrainingFitter::counting(const std::vector<std::size_t>& rows) const {
    return static_cast<std::size_t>(
        std::count_if(rows.begin(), rows.end(), [&](std::size_t row) { return weights_[row] > 0.0; }));
}

void TrainingFitter::add(Knob knob) {
    const TrainingKnob& c = knob.constant;
    const auto names = [&](const std::string& name) { return name == c.owner || name == c.owner + "." + c.name; };
    if (only_.empty() || std::any_of(only_.begin(), only_.end(), names)) knobs_.push_back(std::move(knob));
}

void TrainingFitter::make_device_knobs() {
    std::map<std::pair<std::string, DataType>, std::vector<std::size_t>> by_type;
    std::map<std::string, std::vector<std::size_t>> by_device;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        DataType type = rows_[i].variants.front().spec.precision;
        if (type == DataType::fp16) type = DataType::bf16;  // the same matrix units at the same rate
        if (!rows_[i].variants.front().family) by_type[{rows_[i].cluster.device.name, type}].push_back(i);
        by_device[rows_[i].cluster.device.name].push_back(i);
    }
    for (const auto& [key, members] : by_type) {
        const auto& [device, type] = key;
        const Calibration& calibration = *rows_[members.front()].cluster.device.calibration;
        const double value = calibration.training_slowdown[type].value_or(slowdown_neutral);
        // Head and router stay 16 bit in 8- and 4-bit trainings.
        const std::vector<std::size_t>& affected = type == DataType::bf16 ? by_device[device] : members;
        Knob knob;
        // Isolated kernels bound 16-bit products from below; 8- and 4-bit tables hold a quantise kernel that trainings fuse.
        // Without measured kernels it is the share of the peak that is fitted.
        const double least = calibration.gemm.empty() ? 0.7 : element_bytes(type) >= 2.0 ? 1.0 : 0.85;
        const double most = calibration.gemm.empty() ? 2.2 : 1.6;
        const double start = std::clamp(value, least, most);
        knob.constant = {device, std::string(slowdown_name) + std::string(name_of(type)), start, least, most, affected.size()};
        knob.began = slowdown_neutral;
        knob.told = counting(members) > 0;
        knob.acts_on = affected;
        knob.apply = [this, name = device, kind = type](double v) { set_slowdown(name, kind, v); };
        add(std::move(knob));
    }
}

void TrainingFitter::make_framework_knobs() {
    std::map<std::string, std::vector<std::size_t>> by_framework;
    for (std::size_t i = 0; i < rows_.size(); ++i) by_framework[rows_[i].variants.front().framework.name].push_back(i);
    for (const auto& [name, members] : by_framework) {
        for (const FrameworkKnob& one : framework_knobs()) {
            const double value = one.get(rows_[members.front()].variants.front().framework);
            if (value == 0.0) continue;  // a zero says that the framework does not do this at all
            Knob knob;
            for (const std::size_t row : members) {
                if (acts_on(one.name, rows_[row])) knob.acts_on.push_back(row);
            }
            if (knob.acts_on.empty()) continue;
            knob.told = counting(knob.acts_on) >= rows_per_constant;
            if (!knob.told && left_out_.empty()) continue;
            knob.constant = {name, std::string(one.name), std::clamp(value, one.min, one.max), one.min, one.max,
                             knob.acts_on.size()};
            knob.began = neutral_of(one, rows_[members.front()].variants.front().framework);
            knob.apply = [this, rows = members, &one](double v) {
                for (const std::size_t row : rows) {
                    for (TrainingRun& run : rows_[row].variants) one.set(run.framework, v);
                }
            };
            add(std::move(knob));
        }
    }
}

// Nothing that was fitted with the source that is left out may remain.
void TrainingFitter::begin_neutral() {
    for (Knob& knob : knobs_) {
        knob.constant.value = std::clamp(knob.began, knob.constant.min, knob.constant.max);
        knob.apply(knob.constant.value);
    }
}

// A device without a run gets the geometric mean of its peers; a framework without one keeps what is neutral.
void TrainingFitter::borrow_from_kin() {
    for (Knob& knob : knobs_) {
        if (knob.told || !is_of_device(knob.constant.name)) continue;
        double logs = 0.0;
        int peers = 0;
        for (const Knob& other : knobs_) {
            if (!other.told || other.constant.name != knob.constant.name) continue;
            logs += std::log(other.constant.value);
            ++peers;
        }
        if (peers == 0) continue;
        knob.constant.value = std::exp(logs / peers);
        knob.apply(knob.constant.value);
    }
}

/// The device's factor on convolutions, by number format; only layered networks have any.
void TrainingFitter::make_convolution_knobs() {
    std::map<std::pair<std::string, DataType>, std::vector<std::size_t>> by_type;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        const TrainingRun& run = rows_[i].variants.front();
        if (run.family) by_type[{rows_[i].cluster.device.name, run.spec.precision}].push_back(i);
    }
    for (const auto& [key, members] : by_type) {
        const auto& [device, type] = key;
        const Calibration& calibration = *rows_[members.front()].cluster.device.calibration;
        const auto& products = calibration.training_slowdown[type];
        Knob knob;
        const double value = calibration.convolution_slowdown[type].value_or(products.value_or(slowdown_neutral));
        knob.constant = {device, std::string(convolution_name) + std::string(name_of(type)), value, 0.6, 2.5, members.size()};
        knob.began = value;
        knob.told = counting(members) > 0;
        knob.acts_on = members;
        knob.apply = [this, name = device, kind = type](double v) {
            set_calibration(name, [&](Calibration& one) { one.convolution_slowdown[kind] = v; });
        };
        add(std::move(knob));
    }
}

void TrainingFitter::set_slowdown(const std::string& device, DataType type, double value) {
    set_calibration(device, [&](Calibration& one) {
        one.training_slowdown[type] = value;
        if (type == DataType::bf16) one.training_slowdown[DataType::fp16] = value;
    });
}

/// Of every row on the device.
void TrainingFitter::set_calibration(const std::string& device, const std::function<void(Calibration&)>& change) {
    std::shared_ptr<Calibration> changed;
    for (PreparedTraining& row : rows_) {
        if (row.cluster.device.name != device) continue;
        if (!changed) {
            changed = std::make_shared<Calibration>(*row.cluster.device.calibration);
            change(*changed);
        }
        row.cluster.device.calibration = changed;
    }
}

}  // namespace orrery
