// Rows of convolutional and diffusion networks: which network, which software, what was measured.
#include "scenarios/layered_row.hpp"

#include "scenarios/catalog.hpp"
#include "scenarios/catalog_files.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

/// Names of rows that differ from the catalogue's.
struct RowModelName {
    std::string_view row;
    std::string_view input_size;  // must be the row's, where not empty
    std::string_view model;
};
constexpr std::array<RowModelName, 6> row_model_names{{
    {"nnunet", "2", "nnunet-2d"},
    {"nnunet", "3", "nnunet-3d"},
    {"efficientnet-efficientnet-b0", "", "efficientnet-b0"},
    {"efficientnet-efficientnet-b4", "", "efficientnet-b4"},
    {"efficientnet-efficientnet-widese-b0", "", "efficientnet-widese-b0"},
    {"efficientnet-efficientnet-widese-b4", "", "efficientnet-widese-b4"},
}};

bool is_diffusion(const ModelFamily& family) {
    return std::holds_alternative<LatentUNet>(family) || std::holds_alternative<DiffusionTransformer>(family);
}

/// NVIDIA's reference code: MXNet for classification, segmentation and single-shot detection until 2024, PyTorch for
/// the other detectors, NeMo for diffusion (training_results repositories of MLCommons, v0.7 to v4.1).
std::string reference_framework(const ModelFamily& family) {
    if (is_diffusion(family)) return "nemo-diffusion";
    const bool pytorch = std::holds_alternative<RetinaNet>(family) || std::holds_alternative<MaskRcnn>(family);
    return pytorch ? "pytorch-ngc" : "mxnet-ngc";
}

std::string layered_framework(const Row& row, const ModelFamily& family, const Device& device) {
    if (device.kind == DeviceKind::tpu) return "xla-convolutions";
    if (row.says("framework", "megatron-bridge")) return "megatron-core";
    const bool mxnet = row.says("framework", "mxnet");
    const bool pytorch = row.says("framework", "pytorch");
    if (row.says("framework", "paddle")) return "paddle";
    if (!mxnet && !pytorch && (row.says("framework", "tensorflow") || row.says("framework", "tf"))) return "tensorflow-xla";
    if (mxnet && !pytorch && !is_diffusion(family)) return "mxnet-ngc";
    if (pytorch && !mxnet && !is_diffusion(family)) {
        const bool container = row.says("framework", "release") || row.says("framework", "ngc") ||
                               row.says("framework", "nvidia") || row.says("framework", "1.6");
        if (container && (row.says("framework", "20.06") || row.says("framework", "1.6"))) return "pytorch-ngc-2020";
        return container ? "pytorch-ngc" : "pytorch-ddp";
    }
    return reference_framework(family);
}

/// The catalogue's own note on a model: how many samples an epoch has; 0 where it does not say.
double training_set_of(const std::string& model) {
    const CatalogKind* kind = find_catalog_kind("model");
    const Result<std::string> file = entry_file(*kind, model);
    if (!file) return 0.0;
    const Result<Json> json = parse_json_file(*file);
    if (!json || !json->contains("_orrery")) return 0.0;
    return Row((*json)["_orrery"]).number("training_set").value_or(0.0);
}

/// Samples per second of the whole job that epochs and time to train come to, evaluation included; 0 if not known.
double rate_by_epochs(const Json& extra, const Row& row, double training_set) {
    const auto epochs = extra.find("final_epoch_num");
    const auto minutes = row.number("time_to_train_min");
    if (epochs == extra.end() || !epochs->is_array() || epochs->empty() || !minutes || training_set <= 0.0) return 0.0;
    std::vector<double> counts;
    for (const Json& one : *epochs) {
        if (one.is_number()) counts.push_back(one.get<double>());
    }
    if (counts.empty()) return 0.0;
    std::sort(counts.begin(), counts.end());
    return counts[counts.size() / 2] * training_set / (*minutes * 60.0);
}

struct MeasuredRate {
    double samples_per_s = 0.0;  // of the whole job
    std::string note;
};

/// As printed; a logged rate that is less than the run's own average must be one device's; else from the time to train.
MeasuredRate measured_rate(const Row& row, const Json& json, const std::string& model, int devices) {
    const Json extra = json.contains("measured_extra") ? json["measured_extra"] : Json::object();
    const double by_epochs = rate_by_epochs(extra, row, training_set_of(model));
    const double printed = row.number("samples_per_s").value_or(0.0);
    if (printed > 0.0) {
        const bool of_one = devices > 1 && by_epochs > 1.2 * printed && Row(extra).says("throughput_source", "tracked_stats");
        return of_one ? MeasuredRate{printed * devices, "logged rate taken as one device's: epochs and time to train say more"}
                      : MeasuredRate{printed, {}};
    }
    if (const auto average = Row(extra).number("avg_samples_per_s_incl_eval"); average && *average > 0.0)
        return {*average, "from time to train, evaluation included"};
    if (by_epochs > 0.0) return {by_epochs, "from epochs and time to train, evaluation included"};
    return {};
}

std::optional<DataType> layered_precision(const Row& row, const Device& device) {
    const std::string text = row.lower("precision");
    if (text.find("bf16") != std::string::npos) return DataType::bf16;
    if (text.find("fp16") != std::string::npos) return DataType::fp16;
    if (text.find("tf32") != std::string::npos) return DataType::tf32;
    if (text.find("fp32") != std::string::npos) return DataType::fp32;
    if (!text.empty()) return std::nullopt;
    return device.matrix_peak[DataType::fp16] > FlopPerSecond{} ? DataType::fp16 : DataType::bf16;
}

Parallelism layered_parallelism(const Row& row, int devices) {
    Parallelism plan;
    plan.tensor = std::max(1, row.integer("tp").value_or(1));
    plan.context = std::max(1, row.integer("cp").value_or(1));
    plan.data = devices / (plan.tensor * plan.context);
    plan.fsdp = !row.text("fsdp").empty();
    plan.zero = plan.fsdp ? 3 : row.says("framework", "megatron") ? 1 : 0;
    return plan;
}

/// Samples of one device and pass where the row states no batch.
int filling_batch(TrainingRun run, const Cluster& cluster) {
    for (int batch = 256; batch > 1; batch /= 2) {
        run.spec.micro_batch = batch;
        run.spec.global_batch = batch * run.spec.parallelism.data;
        const Result<StepGraph> graph = training_graph(run);
        if (graph && training_memory(run, *graph).total() <= cluster.device.memory_capacity) return batch;
    }
    return 1;
}

/// Sets the batch as stated, in whole passes; devices whose share is larger set the pace.
std::string set_batch(const Row& row, const Cluster& cluster, TrainingRun& run) {
    const int data = run.spec.parallelism.data;
    const auto global = row.integer("global_batch");
    if (!global) {
        run.spec.micro_batch = filling_batch(run, cluster);
        run.spec.global_batch = run.spec.micro_batch * data;
        return "batch not stated: the largest power of two to 256 that fits";
    }
    const int share = (*global + data - 1) / data;
    const int stated = row.integer("micro_batch").value_or(share);
    run.spec.micro_batch = stated > 0 && share % stated == 0 ? stated : share;
    run.spec.global_batch = share * data;
    return {};
}

/// Arithmetic per second as printed, for rows without a rate: useful arithmetic counted here.
std::optional<double> step_by_flops(const Row& row, const TrainingRun& run, int devices) {
    const auto tflops = row.number("model_tflops_per_accel");
    const Result<StepGraph> graph = training_graph(run);
    if (!tflops || *tflops <= 0.0 || !graph) return std::nullopt;
    return graph->model_flop.si() / (*tflops * 1e12 * devices);
}

Problem layered_problem(const std::string& reason) { return {"row", reason, "complete the row"}; }

}  // namespace

std::optional<std::string> layered_model_of(const Row& row) {
    std::string name = row.lower("model");
    for (const RowModelName& one : row_model_names) {
        if (one.row == name && (one.input_size.empty() || one.input_size == row.text("input_size"))) name = one.model;
    }
    const CatalogKind* kind = find_catalog_kind("model");
    if (name.find('/') != std::string::npos || existing_file(kind->folder, name).empty()) return std::nullopt;
    const Result<TrainedModel> model = find_trained_model(name);
    return model && model->family ? std::optional(name) : std::nullopt;
}

Result<PreparedTraining> prepare_layered(const Row& row, const std::string& name, CatalogCache& catalog) {
    const auto devices = row.integer("n_accel");
    if (!devices || *devices < 1) return layered_problem("n_accel is absent");
    Result<PreparedTraining> begun = row_on_machine(row, catalog);
    if (!begun) return begun.problems();
    PreparedTraining prepared = std::move(begun).value();
    if (row.number("global_batch").value_or(*devices) < *devices)
        return layered_problem("fewer samples than devices: splitting one image over devices is not in this version");
    const auto precision = layered_precision(row, prepared.cluster.device);
    if (!precision) return layered_problem("precision is none that this family is trained in");
    TrainingRun run;
    run.family = find_trained_model(name)->family;
    run.spec.model = "row";
    run.spec.precision = *precision;
    run.spec.optimizer = is_diffusion(*run.family) ? Optimizer::adamw : Optimizer::sgd;
    run.spec.sequence = row.integer("seq_len").value_or(1);
    run.spec.parallelism = layered_parallelism(row, *devices);
    run.spec.framework = layered_framework(row, *run.family, prepared.cluster.device);
    const Result<FrameworkProfile> framework = catalog.framework(run.spec.framework);
    if (!framework) return framework.problems();
    run.framework = *framework;
    prepared.note = set_batch(row, prepared.cluster, run);
    const MeasuredRate rate = measured_rate(row, row.json(), name, *devices);
    if (rate.samples_per_s > 0.0) {
        prepared.measured_step_s = run.spec.global_batch / rate.samples_per_s;
    } else if (const auto step = step_by_flops(row, run, *devices)) {
        prepared.measured_step_s = *step;
    } else {
        return layered_problem("no step time and no samples per second");
    }
    if (!rate.note.empty()) prepared.note += (prepared.note.empty() ? "" : "; ") + rate.note;
    prepared.variants.push_back(std::move(run));
    return prepared;
}

}  // namespace orrery
