// The rule for whole training rows, and the defaults that frameworks document where a row is silent.
#include "scenarios/training_row.hpp"

#include "scenarios/catalog.hpp"
#include "scenarios/layered_row.hpp"
#include "scenarios/training_row_encoder.hpp"
#include "scenarios/training_row_family.hpp"
#include "scenarios/training_row_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <sstream>

namespace orrery {
namespace {

/// How tables write a device, and which catalogue node it usually sits in.
struct AcceleratorName {
    std::string_view part;      // of the lower-case text
    std::string_view also;      // must be there too
    std::string_view device;
    std::string_view node;
};
constexpr std::array<AcceleratorName, 24> accelerator_names{{
    {"a100", "pcie", "a100-pcie-40", "a100-pcie-8"},
    {"a100", "40gb", "a100-sxm-40", "dgx-a100"},
    {"a100", "", "a100-sxm-80", "dgx-a100"},
    {"v100", "16gb", "v100-sxm-16", "dgx-1-v100"},
    {"v100", "", "v100-sxm-32", "dgx-1-v100"},
    {"gb300", "", "gb300", "gb300-nvl72"},
    {"gb200", "", "gb200", "gb200-nvl72"},
    {"b300", "", "b300-sxm", "dgx-b300"},
    {"b200", "", "b200-sxm", "dgx-b200"},
    {"h200", "", "h200-sxm", "dgx-h200"},
    {"h100", "nvl", "h100-nvl", "dgx-h100"},
    {"h100", "", "h100-sxm", "dgx-h100"},
    {"h800", "", "h800-sxm", "dgx-h100"},
    {"l40s", "", "l40s", "l40s-server"},
    {"tpu", "v3", "tpu-v3", ""},
    {"tpu", "v4", "tpu-v4", ""},
    {"tpu", "v5e", "tpu-v5e", ""},
    {"tpu", "v5p", "tpu-v5p", ""},
    {"tpu", "trillium", "tpu-v6e", ""},
    {"tpu", "v6e", "tpu-v6e", ""},
    {"gaudi", "2", "gaudi2", ""},
    {"a800", "", "a800-sxm-80", "dgx-a100"},
    {"l4", "", "l4", "dgx-a100"},
    {"ipu", "gc200", "ipu-gc200", ""},
}};

Problem not_whole(const std::string& reason) { return {"row", reason, "complete the row"}; }

const AcceleratorName* accelerator_of(const Row& row) {
    std::string text = row.lower("accelerator");
    if (text == "tpu") text += " " + row.lower("platform");  // the version is in the platform's name only
    for (const AcceleratorName& name : accelerator_names) {
        if (text.find(name.part) == std::string::npos) continue;
        const bool small_memory = name.also == "40gb" && row.number("accel_mem_gb") == std::optional(40.0);
        if (small_memory || text.find(name.also) != std::string::npos) return &name;
    }
    return nullptr;
}

std::string framework_of(const Row& row, bool sharded) {
    if (is_jax(row)) return "jax-xla";
    if (row.says("framework", "zero-3")) return "deepspeed-zero3-2021";
    if (row.says("framework", "llm-foundry")) return "pytorch-fsdp-2023";  // its published tables are of that year
    if (row.says("framework", "fsdp")) return "pytorch-fsdp";
    if (row.flag("flash_attention") == std::optional(false) &&
        (row.says("framework", "megatron-lm") || row.says("framework", "megatron-deepspeed"))) {
        // Sequence parallelism and selective recomputation came in 2022 (Korthikanti et al., arXiv 2205.05198).
        const bool of_2022 = row.flag("sp").value_or(false) || row.lower("recompute").rfind("selective", 0) == 0;
        return of_2022 ? "megatron-2022" : "megatron-2021";
    }
    if (row.says("framework", "megatron") || row.says("framework", "nemo")) return "megatron-core";
    return sharded ? "pytorch-fsdp" : "megatron-core";
}

std::optional<DataType> precision_of(const Row& row, const Device& device) {
    const std::string text = row.lower("precision");
    if (text.find("fp4") != std::string::npos) return DataType::fp4;
    if (text.find("fp8") != std::string::npos) return DataType::fp8;
    if (text.find("bf16") != std::string::npos) return DataType::bf16;
    if (text.find("fp16") != std::string::npos) return DataType::fp16;
    if (text.find("tf32") != std::string::npos) return DataType::tf32;
    if (text.find("fp32") != std::string::npos) return DataType::fp32;
    if (device.matrix_peak[DataType::fp8] <= FlopPerSecond{}) return DataType::bf16;  // no 8-bit unit: it can only be 16
    return std::nullopt;
}

/// Layers whose activations go to the host, where the row says so ("activation offload 20 layers").
std::optional<int> offloaded_layers(const Row& row) {
    int layers = 0;
    const std::string text = row.lower("offload");
    if (std::sscanf(text.c_str(), "activation offload %d", &layers) < 1 || layers < 1) return std::nullopt;
    return layers;
}

/// Why the row's text alone excludes it.
std::optional<std::string> excluded(const Row& row) {
    if (row.text("kind") != "llm") return "kind \"" + row.text("kind") + "\" is not in this version";
    if (row.says("family", "encoder") || row.says("attention", "bidirectional")) return "encoder-decoder models are not in this version";
    if (!row.text("offload").empty() && !offloaded_layers(row)) return "offload of unstated parts";
    for (const std::string_view mark : {"exclude:", "outlier", "inconsistent", "look swapped", "size not given"}) {
        if (row.says("notes", mark)) return "the row's own notes call it defective";
    }
    if (is_jax(row) && row.text("recompute").empty()) return "recomputation not stated and the framework has no default";
    for (const char* key : {"n_layers", "d_model", "n_heads", "vocab", "seq_len", "n_accel", "global_batch"}) {
        if (!row.number(key)) return std::string(key) + " is absent";
    }
    return std::nullopt;
}

/// Degrees, or the reason why they are not fixed.
Result<Parallelism> parallelism_of(const Row& row) {
    Parallelism p;
    const int devices = *row.integer("n_accel");
    const bool sharded = !row.text("fsdp").empty() || row.number("zero_stage") == std::optional(3.0);
    const auto tensor = row.integer("tp");
    const auto pipeline = row.integer("pp");
    if ((!tensor || !pipeline) && !sharded) return not_whole("tp or pp is absent and no sharding is stated");
    p.tensor = std::max(1, tensor.value_or(1));
    p.pipeline = std::max(1, pipeline.value_or(1));
    p.context = std::max(1, row.integer("cp").value_or(1));
    p.sequence_parallel = row.flag("sp");
    const bool has_experts = row.number("n_experts").value_or(0.0) > 1.0;
    if (has_experts && !row.integer("ep") && !sharded) return not_whole("ep is absent and no sharding is stated");
    p.expert = has_experts ? std::max(1, row.integer("ep").value_or(1)) : 1;
    const int replica = p.tensor * p.pipeline * p.context;
    if (devices % replica != 0) return not_whole("tp pp cp does not divide n_accel");
    p.data = devices / replica;
    if (!sharded && row.integer("dp").value_or(p.data) != p.data) return not_whole("dp contradicts n_accel / (tp pp cp)");
    p.virtual_stages = std::max(1, row.integer("vpp").value_or(1));
    p.schedule = p.virtual_stages > 1 ? PipelineSchedule::interleaved : PipelineSchedule::one_f_one_b;
    p.zero = std::min(3, row.integer("zero_stage").value_or(0));
    p.fsdp = !row.text("fsdp").empty();
    if (p.fsdp && !row.says("fsdp", "grad_op")) p.zero = 3;
    const int shard = row.integer("fsdp_shard").value_or(0);
    p.shard = shard > 0 && shard < p.data * p.context ? shard : 0;
    return p;
}

/// The machine as the row describes it; what it leaves out is that of the catalogue node the device usually sits in.
Result<Cluster> cluster_of(const Row& row, const AcceleratorName& name, CatalogCache& catalog) {
    const Result<Device> device = catalog.device(std::string(name.device));
    if (!device) return not_whole("no catalogue entry for the accelerator");
    Cluster cluster;
    cluster.device = *device;
    const int devices = *row.integer("n_accel");
    if (!name.node.empty()) {
        const Result<Node> node = catalog.node(std::string(name.node));
        if (!node) return node.problems();
        cluster.node = *node;
    } else {
        cluster.node.scale_up = ScaleUp::torus;
        cluster.node.scale_up_domain = device->scale_up_domain;
        cluster.node.devices = 4;
        cluster.node.nic_kind = "dcn";
        cluster.node.nics = 4;
        cluster.node.nic_bandwidth = 12.5_GBps;
    }
    const BytesPerSecond per_device = cluster.node.nic_bandwidth * (static_cast<double>(cluster.node.nics) / cluster.node.devices);
    const int stated = row.integer("accel_per_node").value_or(cluster.node.devices);
    int per_node = std::clamp(stated, 1, devices);
    while (devices % per_node != 0) --per_node;
    cluster.node.device = cluster.device.name;
    cluster.node.devices = per_node;
    cluster.node.nics = per_node;
    cluster.node.nic_bandwidth = per_device;
    if (const auto gbps = row.number("inter_gbps_per_accel")) cluster.node.nic_bandwidth = BytesPerSecond::from_si(*gbps * 1.25e8);
    cluster.node.scale_up_domain = std::min(devices, std::max(per_node, cluster.node.scale_up_domain));
    // A cube mesh is one of eight; bigger machines have switches (DGX-2).
    if (row.says("intra_link", "nvswitch") && (is_encoder_row(row) || is_family_row(row))) {
        cluster.node.scale_up = ScaleUp::switched;
    }
    if (cluster.node.scale_up != ScaleUp::torus && cluster.device.scale_up_domain <= 16) cluster.node.scale_up_domain = per_node;
    cluster.nodes = devices / per_node;
    FabricSpec spec;
    spec.topology = cluster.node.scale_up == ScaleUp::torus ? "torus" : cluster.nodes == 1 ? "single-node" : "rail-optimized";
    const auto parameters = catalog.collectives(cluster.device);
    if (!parameters) return parameters.problems();
    Result<Fabric> fabric = build_fabric(spec, cluster.node, cluster.nodes, cluster.device.scale_up_bandwidth, *parameters);
    if (!fabric) return fabric.problems();
    cluster.fabric = std::move(fabric).value();
    return cluster;
}

/// Arithmetic of one step as MaxText counted it before July 2025: gated MLP, attention not halved for causality.
double maxtext_flop(const Row& row) {
    const Architecture a = architecture_of(row);
    const double h = a.hidden;
    const double attention_width = static_cast<double>(a.heads) * a.head_size;
    const double per_layer = 3.0 * h * a.ffn + h * (attention_width + 2.0 * a.kv_heads * a.head_size) + h * attention_width;
    const double s = *row.number("seq_len");
    return 3.0 * s * *row.number("global_batch") * (2.0 * a.layers * per_layer + 2.0 * h * a.vocabulary + 4.0 * s * attention_width * a.layers);
}

/// Seconds of one step as printed or as it follows from what is printed.
std::optional<double> measured_step(const Row& row) {
    if (const auto step = row.number("step_time_s"); step && *step > 0.0) return step;
    const double tokens = *row.number("global_batch") * *row.number("seq_len");
    const auto rate = row.number("tokens_per_s_per_accel");
    if (rate && *rate > 0.0) return tokens / (*rate * *row.number("n_accel"));
    const auto tflops = row.number("model_tflops_per_accel");
    if (is_jax(row) && tflops && *tflops > 0.0) return maxtext_flop(row) / (*tflops * 1e12 * *row.number("n_accel"));
    return std::nullopt;
}

TrainingSpec spec_of(const Row& row, const Parallelism& parallelism, DataType precision) {
    TrainingSpec spec;
    spec.model = "row";
    spec.sequence = *row.integer("seq_len");
    spec.global_batch = *row.integer("global_batch");
    spec.precision = precision;
    spec.flash_attention = row.flag("flash_attention").value_or(true);
    spec.parallelism = parallelism;
    spec.framework = framework_of(row, parallelism.shards_parameters());
    spec.offload.activation_layers = offloaded_layers(row).value_or(0);
    return spec;
}

/// Sequences per pass: stated, or the candidates from which people take the fastest.
std::vector<int> micro_batches_of(const Row& row, const TrainingSpec& spec) {
    const Parallelism& p = spec.parallelism;
    if (const auto stated = row.integer("micro_batch"); stated && *stated > 0) {
        // MaxText counts sequences per chip: one accumulation step holds those of all chips of a tensor group.
        return {is_jax(row) ? *stated * p.tensor : *stated};
    }
    std::vector<int> candidates;
    for (const int size : {1, 2, 4, 8}) {
        if (spec.global_batch % (p.data * size) == 0) candidates.push_back(size);
    }
    return candidates;
}

}  // namespace

Result<Device> CatalogCache::device(const std::string& name) {
    auto place = devices_.find(name);
    if (place == devices_.end()) place = devices_.emplace(name, find_device(name)).first;
    return place->second;
}

Result<Node> CatalogCache::node(const std::string& name) {
    auto place = nodes_.find(name);
    if (place == nodes_.end()) place = nodes_.emplace(name, find_node(name)).first;
    return place->second;
}

Result<FrameworkProfile> CatalogCache::framework(const std::string& name) {
    auto place = frameworks_.find(name);
    if (place == frameworks_.end()) place = frameworks_.emplace(name, find_framework(name)).first;
    return place->second;
}

Result<std::shared_ptr<const CollectiveParameters>> CatalogCache::collectives(const Device& device) {
    auto place = collectives_.find(device.name);
    if (place == collectives_.end()) place = collectives_.emplace(device.name, find_collective_parameters(device)).first;
    return place->second;
}

Result<PreparedTraining> row_on_machine(const Row& row, CatalogCache& catalog) {
    const AcceleratorName* name = accelerator_of(row);
    if (name == nullptr) return not_whole("no catalogue entry for the accelerator");
    Result<Cluster> cluster = cluster_of(row, *name, catalog);
    if (!cluster) return cluster.problems();
    PreparedTraining prepared;
    prepared.id = row.text("id");
    prepared.source = row.text("source_id");
    prepared.cluster = std::move(cluster).value();
    return prepared;
}

namespace {

/// Frameworks compute "fp32" products in tf32 where a device has it: TensorFlow since 2.4, PyTorch 1.7 to 1.11, and
/// NVIDIA's containers of both from 20.06 on (TF32 on Ampere, NVIDIA developer blog, 2020).
DataType default_on(const Device& device, DataType type) {
    const bool has_tf32 = device.matrix_peak[DataType::tf32] > FlopPerSecond{};
    return type == DataType::fp32 && has_tf32 ? DataType::tf32 : type;
}

void read_stated_precision(const Row& row, const Device& device, TrainingSpec& spec) {
    if (row.text("precision").empty()) return;
    spec.precision = default_on(device, precision_of(row, device).value_or(spec.precision));
}

/// Rows of encoders and translation models: data parallel, of possible passes the largest that fits in memory.
Result<PreparedTraining> prepare_encoder(const Row& row, CatalogCache& catalog) {
    if (const auto reason = encoder_excluded(row)) return not_whole(*reason);
    Result<PreparedTraining> begun = row_on_machine(row, catalog);
    if (!begun) return begun.problems();
    PreparedTraining prepared = std::move(begun).value();
    const Device& device = prepared.cluster.device;
    TrainingSpec spec;
    prepared.note = read_encoder_software(row, device.matrix_peak[DataType::fp8] > FlopPerSecond{}, spec);
    read_stated_precision(row, device, spec);
    const auto step = encoder_step(row, spec);
    if (!step) return not_whole("no step time and no throughput");
    prepared.measured_step_s = *step;
    const Result<FrameworkProfile> framework = catalog.framework(spec.framework);
    if (!framework) return framework.problems();
    for (const int micro_batch : encoder_micro_batches(row, spec)) {
        TrainingRun run{encoder_architecture(row), spec, *framework, {}};
        run.spec.micro_batch = micro_batch;
        run.spec.global_batch -= run.spec.global_batch % (micro_batch * spec.parallelism.data);
        const Result<TrainingAnswer> answer = run_training(prepared.cluster, run, Fidelity::estimate, {});
        if (!answer) return answer.problems();
        prepared.variants = {std::move(run)};
        if (answer->fits) break;
    }
    if (prepared.variants.empty()) return not_whole("dp times micro-batch does not divide the global batch");
    return prepared;
}

/// Rows of recommenders and recurrent networks: a catalogue entry, data parallel.
Result<PreparedTraining> prepare_family(const Row& row, CatalogCache& catalog) {
    if (const auto reason = family_excluded(row)) return not_whole(*reason);
    Result<PreparedTraining> begun = row_on_machine(row, catalog);
    if (!begun) return begun.problems();
    PreparedTraining prepared = std::move(begun).value();
    const Device& device = prepared.cluster.device;
    TrainingSpec spec;
    prepared.note = read_family_software(row, spec);
    read_stated_precision(row, device, spec);
    const auto step = family_step(row, spec);
    if (!step) return not_whole("no step time and no throughput");
    prepared.measured_step_s = *step;
    const Result<FrameworkProfile> framework = catalog.framework(spec.framework);
    if (!framework) return framework.problems();
    const Result<TrainedModel> model = find_trained_model(family_entry(row));
    if (!model) return model.problems();
    TrainingRun run{model->architecture, spec, *framework, {}};
    run.family = model->family;
    prepared.variants = {std::move(run)};
    return prepared;
}

}  // namespace

Result<PreparedTraining> prepare_training(const Json& json, CatalogCache& catalog) {
    const Row row(json);
    if (is_encoder_row(row)) return prepare_encoder(row, catalog);
    if (is_family_row(row)) return prepare_family(row, catalog);
    if (row.text("kind") != "llm") {
        if (const auto layered = layered_model_of(row)) return prepare_layered(row, *layered, catalog);
    }
    if (const auto reason = excluded(row)) return not_whole(*reason);
    const auto step = measured_step(row);
    if (!step) return not_whole("no step time and no tokens per second");
    const Result<Parallelism> parallelism = parallelism_of(row);
    if (!parallelism) return parallelism.problems();
    Result<PreparedTraining> begun = row_on_machine(row, catalog);
    if (!begun) return begun.problems();
    PreparedTraining prepared = std::move(begun).value();
    const auto precision = precision_of(row, prepared.cluster.device);
    if (!precision) return not_whole("precision is absent on a device with 8-bit matrix units");
    prepared.measured_step_s = *step;
    TrainingSpec spec = spec_of(row, *parallelism, *precision);
    prepared.note = read_software(row, spec);
    const Result<FrameworkProfile> framework = catalog.framework(spec.framework);
    if (!framework) return framework.problems();
    for (const int micro_batch : micro_batches_of(row, spec)) {
        TrainingRun run{architecture_of(row), spec, *framework, {}};
        run.spec.micro_batch = micro_batch;
        prepared.variants.push_back(std::move(run));
    }
    if (prepared.variants.empty()) return not_whole("dp times micro-batch does not divide the global batch");
    if (prepared.variants.size() > 1) prepared.note = "micro-batch not stated: the fastest of 1, 2, 4, 8";
    if (parallelism->pipeline > 1 && !row.number("vpp") && !row.says("pp_schedule", "1f1b")) {
        prepared.note += (prepared.note.empty() ? "" : "; ") + std::string("virtual stages not stated: 1");
    }
    return prepared;
}

Result<PredictedStep> predict_training(const PreparedTraining& prepared) {
    std::optional<PredictedStep> fastest;
    Problems problems;
    for (const TrainingRun& run : prepared.variants) {
        const Result<TrainingAnswer> answer = run_training(prepared.cluster, run, Fidelity::estimate, {});
        if (!answer) {
            problems = answer.problems();
            continue;
        }
        const double step = answer->outcome.step / 1.0_s;
        if (!fastest || step < fastest->seconds) fastest = PredictedStep{step, answer->expected};
    }
    if (!fastest) return problems;
    return *fastest;
}

Result<double> predict_step(const PreparedTraining& prepared) {
    const Result<PredictedStep> step = predict_training(prepared);
    if (!step) return step.problems();
    return step->seconds;
}

Result<std::vector<Json>> read_json_lines(const std::string& file) {
    const Result<std::string> text = read_text_file(file);
    if (!text) return text.problems();
    std::vector<Json> rows;
    Problems problems;
    std::istringstream lines(*text);
    std::string line;
    for (std::size_t number = 1; std::getline(lines, line) && problems.size() < 20; ++number) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        Result<Json> row = parse_json_text(line, file + " line " + std::to_string(number));
        if (row) {
            rows.push_back(std::move(row).value());
        } else {
            problems.insert(problems.end(), row.problems().begin(), row.problems().end());
        }
    }
    if (!problems.empty()) return problems;
    return rows;
}

Result<std::vector<PreparedTraining>> prepare_trainings(const std::vector<std::string>& tables) {
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
    if (rows.empty()) {
        return Problem{tables.empty() ? "the list of tables" : tables.front(), "holds no whole training row",
                       "see the README for the fields of training tables"};
    }
    return rows;
}

bool is_training_row(const Json& row) { return row.is_object() && row.contains("n_accel") && row.contains("kind"); }

}  // namespace orrery
