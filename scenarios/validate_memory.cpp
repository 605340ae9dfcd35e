// Rows of measured training memory: what a rank allocated, reserved, or what its device showed.
#include "models/memory.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/validate_kinds.hpp"
#include "scenarios/validate_row.hpp"

#include <array>

namespace orrery {
namespace {

enum class Counted : std::uint8_t { allocated, reserved, device };

/// What a row's figure counts, by the words of its unit; nothing where they do not say.
std::optional<Counted> counted_by(const Json& row) {
    if (row_says(row, "unit", "allocated") || row_says(row, "unit", "model states")) return Counted::allocated;
    if (row_says(row, "unit", "reserved")) return Counted::reserved;
    if (row_says(row, "unit", "device") || row_says(row, "unit", "nvidia-smi")) return Counted::device;
    return std::nullopt;
}

std::optional<double> measured_bytes(const Json& row) {
    constexpr double mib = 1024.0 * 1024.0;  // the profilers print torch's bytes over 2^20 as "MB"
    if (const auto value = row_number(row, "measured_mb")) return *value * mib;
    if (const auto value = row_number(row, "measured_gib")) return *value * 1024.0 * mib;
    if (const auto value = row_number(row, "measured_gb")) return *value * 1e9;
    return std::nullopt;
}

/// True for rows that say that the run ended for want of memory.
bool ran_out_of_memory(const Json& row) {
    const auto found = row.find("oom");
    return found != row.end() && found->is_boolean() && found->get<bool>();
}

struct UnknownPart {
    const char* key;
    std::string_view part;
    std::string_view reason;
};
constexpr std::array<UnknownPart, 8> unknown_parts{{
    {"method", "lora", "adapter fine-tuning is not in this version"},
    {"model", "lora", "adapter fine-tuning is not in this version"},
    {"model", "mla", "latent attention is not in this version"},
    {"model", "mamba", "state-space layers are not in this version"},
    {"note", "offload", "offload is not in this version"},
    {"activation_recompute", "not stated", "recomputation is not stated"},
    {"activation_recompute", "mlp", "recomputation of single modules is not in this version"},
    {"activation_recompute", "layernorm", "recomputation of single modules is not in this version"},
}};

/// Why a row cannot be predicted, or nothing.
std::optional<std::string> not_predictable(const Json& row) {
    for (const UnknownPart& one : unknown_parts) {
        if (row_says(row, one.key, one.part)) return std::string(one.reason);
    }
    for (const char* key : {"gpus", "tp", "pp", "seq"}) {
        if (!row_count(row, key)) return std::string(key) + " is absent";
    }
    if (row_text(row, "dtype").empty()) return "dtype is absent: the types of weights and states are not stated";
    if (!ran_out_of_memory(row) && !counted_by(row)) {
        return "the unit does not say whether the figure is what was allocated, reserved, or used of the device";
    }
    if (!ran_out_of_memory(row) && !measured_bytes(row)) return "no measured_mb, measured_gb or measured_gib";
    return std::nullopt;
}

/// "Llama2-7B truncated to 1 layer(s)" is llama2-7b, "Llama-3.1-8B" llama3.1-8b: how the catalogue writes them.
std::string catalog_name_of(const std::string& text) {
    std::string name = lower_case(text.substr(0, text.find(' ')));
    if (name.rfind("llama-", 0) == 0) name.erase(5, 1);
    if (name.rfind("llama3-", 0) == 0) name.insert(6, ".1");  // Llama 3 and 3.1 have the same layers
    return name;
}

/// The model as the row spells it out (keys as in training rows), else the catalogue's of that name.
Result<Architecture> architecture_of_memory(const Json& row) {
    Architecture a;
    if (row_count(row, "n_layers") && row_count(row, "d_model") && row_count(row, "n_heads") &&
        row_count(row, "vocab")) {
        a.name = row_text(row, "model");
        a.layers = *row_count(row, "n_layers");
        a.hidden = *row_count(row, "d_model");
        a.heads = *row_count(row, "n_heads");
        a.kv_heads = row_count(row, "n_kv_heads").value_or(a.heads);
        a.head_size = a.hidden / std::max(a.heads, 1);
        a.ffn = row_count(row, "d_ff").value_or(4 * a.hidden);
        a.vocabulary = *row_count(row, "vocab");
        const bool gated = row_says(row, "activation", "swiglu");
        a.activation = gated ? Activation::swiglu : Activation::gelu;
        a.positions = gated ? Positions::rotary : Positions::learned;
        a.positions_max = gated ? 0 : *row_count(row, "seq");
        a.norm = gated ? Norm::rms_norm : Norm::layer_norm;
        a.attention_bias = a.linear_bias = a.tied_embeddings = !gated;
        return a;
    }
    Result<Architecture> model = find_model(catalog_name_of(row_text(row, "model")));
    if (!model)
        return Problem{"row", "neither n_layers, d_model, n_heads and vocab, nor a model of the catalogue", "add them"};
    a = *model;
    if (const auto layers = row_count(row, "layers")) a.layers = *layers;
    return a;
}

std::optional<DataType> type_of_memory(const Json& row) {
    for (const auto& [word, type] : {std::pair{"bf16", DataType::bf16}, std::pair{"fp16", DataType::fp16},
                                     std::pair{"fp8", DataType::fp8}, std::pair{"fp32", DataType::fp32}}) {
        if (row_says(row, "dtype", word)) return type;
    }
    return std::nullopt;
}

bool has_flag(const Json& row, const std::string& flag) {
    return (row_text(row, "flags") + "_").find("_" + flag + "_") != std::string::npos;
}

/// The run of a row. Galvatron's profiles do not state their schedule; the figures themselves do: states grow by 2
/// bytes a parameter on 8 devices (16 bytes, fully sharded), and with tensor parallelism by two gathered inputs of all
/// the sequences of a replica, which therefore are one micro-batch.
Result<TrainingRun> run_of_memory(const Json& row, CatalogCache& catalog) {
    const auto incomplete = [](const std::string& reason) { return Problem{"row", reason, "complete the row"}; };
    Result<Architecture> architecture = architecture_of_memory(row);
    if (!architecture) return architecture.problems();
    const auto type = type_of_memory(row);
    if (!type) return incomplete("dtype is of no known type");
    const bool galvatron = row_says(row, "framework", "galvatron");
    TrainingSpec spec;
    spec.model = "row";
    spec.precision = *type;
    spec.sequence = *row_count(row, "seq");
    Parallelism& p = spec.parallelism;
    p.tensor = *row_count(row, "tp");
    p.pipeline = *row_count(row, "pp");
    p.context = row_count(row, "cp").value_or(1);
    const int replica = p.tensor * p.pipeline * p.context;
    if (*row_count(row, "gpus") % replica != 0) return incomplete("tp pp cp does not divide gpus");
    p.data = *row_count(row, "gpus") / replica;
    p.virtual_stages = row_count(row, "vpp").value_or(1);
    p.schedule = p.virtual_stages > 1 ? PipelineSchedule::interleaved : PipelineSchedule::one_f_one_b;
    p.zero = static_cast<int>(row_number(row, "zero_stage").value_or(0.0));
    p.sequence_parallel = has_flag(row, "sp");
    spec.global_batch = row_count(row, "gbs").value_or(row_count(row, "mbs").value_or(1) * p.data);
    if (galvatron) {
        p.schedule = PipelineSchedule::gpipe;
        p.fsdp = true;
        p.split_vocabulary = has_flag(row, "vtp");
    }
    const int replica_share = spec.global_batch / p.data;
    if (!row_count(row, "mbs") && !galvatron) return incomplete("mbs is absent");
    spec.micro_batch = row_count(row, "mbs").value_or(std::max(replica_share, 1));
    const bool full = row_says(row, "activation_recompute", "full") || has_flag(row, "c");
    spec.recompute = full                                                 ? Recompute::full
                     : row_says(row, "activation_recompute", "selective") ? Recompute::selective
                                                                          : Recompute::none;
    const auto flash = row.find("flash_attention");
    spec.flash_attention = flash == row.end() || !flash->is_boolean() || flash->get<bool>();
    const bool old = !spec.flash_attention;
    spec.framework = galvatron ? "galvatron" : p.fsdp ? "pytorch-fsdp" : old ? "megatron-2021" : "megatron-core";
    if (row_says(row, "optimizer", "8-bit")) spec.optimizer = Optimizer::adam_8bit;
    Result<FrameworkProfile> profile = catalog.framework(spec.framework);
    if (!profile) return profile.problems();
    TrainingRun run{*architecture, spec, *profile, {}};
    return run;
}

/// `capacity` of the device, 0 where it is not known: the allocator keeps freed memory up to it.
double counted_bytes(const MemoryBreakdown& memory, Counted counted, Bytes capacity) {
    Bytes bytes = memory.total();
    if (counted == Counted::device) {
        const Bytes shown = memory.shown();
        return (capacity > Bytes{} && shown > capacity ? std::max(bytes, capacity) : shown).si();
    }
    bytes = bytes - memory.other;
    if (counted == Counted::reserved) bytes += memory.fragmentation;
    return bytes.si();
}

/// Did it end for want of memory, and do we say so: 1 for yes.
RowOutcome predict_exhaustion(const std::string& id, const std::string& source, const MemoryBreakdown& memory,
                              const Device& device) {
    const bool exceeds = memory.total() > device.memory_capacity;
    return {source, {{id, source, "out_of_memory", 1.0, exceeds ? 1.0 : 0.0, "1: does not fit"}}, {}};
}

}  // namespace

bool is_memory_row(const Json& row) {
    if (!row.is_object() || row.contains("n_accel")) return false;
    return row.contains("measured_mb") || row.contains("measured_gb") || row.contains("measured_gib") ||
           row.contains("oom");
}

RowTask prepare_memory(const Json& row, const std::string& id, CatalogCache& catalog) {
    const std::string source = row_text(row, "source").empty() ? "memory" : row_text(row, "source");
    if (const auto reason = not_predictable(row)) return skipped_row(source, *reason);
    const Result<TrainingRun> run = run_of_memory(row, catalog);
    if (!run) return skipped_row(source, run.problems().front().problem);
    std::optional<Device> device;
    if (const NamedMachine* machine = machine_named(row_text(row, "gpu")); machine != nullptr) {
        const Result<Device> found = catalog.device(std::string(machine->device));
        if (!found) return skipped_row(source, found.problems().front().problem);
        device = *found;
    }
    const bool exhausted = ran_out_of_memory(row);
    if (exhausted && !device) return skipped_row(source, "no catalogue entry for the gpu");
    const double measured = measured_bytes(row).value_or(0.0);
    const Counted counted = counted_by(row).value_or(Counted::device);
    const auto rank = row_number(row, "rank");
    const std::string row_id = row_text(row, "id").empty() ? id : row_text(row, "id");
    return [=, one = *run]() -> RowOutcome {
        const Result<StepGraph> graph = build_step_graph(one.architecture, one.spec, one.framework);
        if (!graph) return {source, {}, graph.problems().front().problem};
        const Parallelism& p = one.spec.parallelism;
        MemoryBreakdown memory = memory_of(one.architecture, one.spec, one.framework, *graph);
        if (rank && *rank >= 0.0 && *rank < p.devices()) {
            const int stage = static_cast<int>(*rank) / (p.devices() / p.pipeline);
            memory = memory_of_stage(one.architecture, one.spec, one.framework, *graph, stage);
        }
        if (exhausted) return predict_exhaustion(row_id, source, memory, *device);
        const std::string note = rank ? "of rank " + std::to_string(static_cast<int>(*rank)) : "of the fullest rank";
        return {source, {{row_id, source, "peak_bytes", measured, counted_bytes(memory, counted, device ? device->memory_capacity : Bytes{}), note}}, {}};
    };
}

std::string memory_configuration(const Json& row) {
    Json configuration = Json::object();
    for (const char* key : {"source",
                            "model",
                            "framework",
                            "gpu",
                            "gpus",
                            "pp",
                            "vpp",
                            "tp",
                            "cp",
                            "flags",
                            "layers",
                            "gbs",
                            "mbs",
                            "seq",
                            "rank",
                            "dtype",
                            "activation_recompute",
                            "zero_stage",
                            "n_layers",
                            "d_model",
                            "optimizer",
                            "table"}) {
        if (const auto found = row.find(key); found != row.end()) configuration[key] = *found;
    }
    return canonical_dump(configuration);
}

double predicted_peak_bytes(const TrainingRun& run) {
    const Result<StepGraph> graph = build_step_graph(run.architecture, run.spec, run.framework);
    return graph ? memory_of(run.architecture, run.spec, run.framework, *graph).total().si() : 0.0;
}

}  // namespace orrery
