// The checks of a training plan, by theme; each says the nearest values that would work.
#include "models/plan_problems.hpp"

#include "models/option_problems.hpp"
#include "models/pipeline_split.hpp"
#include "models/rank_layout.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace orrery {
namespace {

std::string number_text(std::int64_t value) { return std::to_string(value); }

/// "4 or 8": the nearest numbers below and above `value` that divide `whole`.
std::string nearest_divisors(std::int64_t whole, std::int64_t value) {
    std::int64_t below = std::min(value, whole);
    while (below > 1 && whole % below != 0) --below;
    std::int64_t above = value;
    while (above <= whole && whole % above != 0) ++above;
    if (below < 1) below = 1;
    if (above > whole || above == below) return number_text(below);
    return number_text(below) + " or " + number_text(above);
}

/// "96 or 100": the nearest multiples of `unit` around `value`, at least one unit.
std::string nearest_multiples(std::int64_t value, std::int64_t unit) {
    const std::int64_t below = value / unit * unit;
    return below == 0 ? number_text(unit) : number_text(below) + " or " + number_text(below + unit);
}

class PlanChecker {
  public:
    PlanChecker(const Architecture& architecture, const TrainingSpec& spec)
        : a_(architecture), spec_(spec), plan_(spec.parallelism) {}

    Problems run() {
        sizes();
        tensor();
        sequence();
        batch();
        pipeline();
        arrangement();
        recomputation();
        software();
        offload();
        data();
        experts();
        for (Problem& one : option_problems(a_, spec_)) problems_.push_back(std::move(one));
        stacks();
        return std::move(problems_);
    }

  private:
    void add(const std::string& place, std::string problem, std::string remedy) {
        problems_.push_back({"/workload" + place, std::move(problem), std::move(remedy)});
    }

    void at_least_one(const std::string& place, std::int64_t value) {
        if (value < 1) {
            add(place, "is " + number_text(value), "write a whole number from 1");
            degrees_valid_ = false;
        }
    }

    void sizes() {
        at_least_one("/sequence", spec_.sequence);
        at_least_one("/global_batch", spec_.global_batch);
        at_least_one("/micro_batch", spec_.micro_batch);
        at_least_one("/parallelism/tensor", plan_.tensor);
        at_least_one("/parallelism/context", plan_.context);
        at_least_one("/parallelism/pipeline", plan_.pipeline);
        at_least_one("/parallelism/data", plan_.data);
        at_least_one("/parallelism/expert", plan_.expert);
        at_least_one("/parallelism/virtual_stages", plan_.virtual_stages);
        at_least_one("/parallelism/expert_tensor", plan_.expert_tensor);
        const DataType type = spec_.precision;
        if (type == DataType::fp64 || type == DataType::int8 || type == DataType::int4 || type == DataType::int32) {
            add("/precision", std::string("training in ") + std::string(name_of(type)) + " is not modelled",
                "use bf16, fp16, fp8, fp4, tf32 or fp32");
        }
    }

    /// `size` of `what` must be a multiple of the tensor degree.
    void divides_tensor(std::int64_t size, const std::string& what) {
        if (size % plan_.tensor == 0) return;
        add("/parallelism/tensor",
            number_text(plan_.tensor) + " does not divide the model's " + number_text(size) + " " + what,
            "use " + nearest_divisors(size, plan_.tensor));
    }

    void tensor() {
        if (!degrees_valid_) return;
        const auto has = [&](char block) { return a_.pattern.empty() || a_.pattern.find(block) != std::string::npos; };
        if (has('A')) {
            divides_tensor(a_.heads, "attention heads");
            if (a_.kv_heads % plan_.tensor != 0 && plan_.tensor % a_.kv_heads != 0) {
                add("/parallelism/tensor",
                    number_text(plan_.tensor) + " neither divides the model's " + number_text(a_.kv_heads) +
                        " key-value heads nor is a multiple of them",
                    "use " + nearest_divisors(a_.kv_heads, plan_.tensor) + ", or " +
                        nearest_multiples(plan_.tensor, a_.kv_heads));
            }
        }
        divides_tensor(a_.hidden, "hidden width");
        const bool plain_mlp = a_.pattern.empty() ? a_.experts == 0 || a_.dense_layers > 0 : has('F');
        if (plain_mlp) divides_tensor(a_.ffn, "MLP width");
    }

    void sequence() {
        if (!degrees_valid_) return;
        // Causal attention is balanced by an early and a late chunk for each rank, unless heads are traded.
        const bool trades = plan_.context_kind == ContextKind::ulysses;
        const std::int64_t unit = plan_.context > 1 && !trades ? std::int64_t{2} * plan_.context : plan_.context;
        if (spec_.sequence % unit != 0) {
            add("/sequence",
                number_text(spec_.sequence) + " is no multiple of " + number_text(unit) + ", " +
                    (trades ? "one chunk" : "two chunks") + " for each of " + number_text(plan_.context) +
                    " context-parallel ranks",
                "use " + nearest_multiples(spec_.sequence, unit));
        } else if (plan_.has_sequence_parallel() && spec_.sequence / plan_.context % plan_.tensor != 0) {
            add("/sequence",
                number_text(spec_.sequence / plan_.context) + " tokens a rank are no multiple of tensor " +
                    number_text(plan_.tensor) + ", which sequence parallelism needs",
                "use " + nearest_multiples(spec_.sequence, std::int64_t{plan_.tensor} * plan_.context) +
                    ", or set sequence_parallel to false");
        }
        if (a_.positions == Positions::learned && a_.positions_max > 0 && spec_.sequence > a_.positions_max) {
            add("/sequence",
                number_text(spec_.sequence) + " is longer than the model's table of " + number_text(a_.positions_max) +
                    " positions",
                "use " + number_text(a_.positions_max) + " or less, or a model with a longer table");
        }
    }

    void batch() {
        if (!degrees_valid_) return;
        const std::int64_t pass = std::int64_t{plan_.data} * spec_.micro_batch;
        if (spec_.global_batch % pass != 0) {
            add("/global_batch",
                number_text(spec_.global_batch) + " is no multiple of data x micro_batch = " + number_text(plan_.data) +
                    " x " + number_text(spec_.micro_batch),
                "use " + nearest_multiples(spec_.global_batch, pass));
        } else if (plan_.schedule == PipelineSchedule::dualpipe) {
            dualpipe_batch(pass);
        } else if (plan_.schedule == PipelineSchedule::interleaved && plan_.virtual_stages > 1 &&
                   spec_.micro_batches() % plan_.pipeline != 0) {
            add("/global_batch",
                "gives " + number_text(spec_.micro_batches()) +
                    " micro-batches; the interleaved schedule needs a multiple of "
                    "pipeline = " +
                    number_text(plan_.pipeline),
                "use " + nearest_multiples(spec_.global_batch, pass * plan_.pipeline));
        }
    }

    /// Both ends feed the pipeline alike, each until it is full.
    void dualpipe_batch(std::int64_t pass) {
        const std::int64_t batches = spec_.micro_batches();
        if (batches % 2 == 0 && batches >= std::int64_t{2} * plan_.pipeline) return;
        add("/global_batch",
            "gives " + number_text(batches) + " micro-batches; dualpipe needs an even number, at least 2 x pipeline = " +
                number_text(std::int64_t{2} * plan_.pipeline),
            "use " + number_text(pass * std::max(std::int64_t{2} * plan_.pipeline, (batches + 1) / 2 * 2)) +
                ", or another schedule");
    }

    /// Context kinds, rank order and what schedules with a backward in two halves go with.
    void arrangement() {
        if (!degrees_valid_) return;
        if (plan_.context > 1 && plan_.context_kind == ContextKind::ulysses) traded_heads();
        if (!plan_.order.empty()) order();
        if (!plan_.splits_backward()) return;
        const std::string name(name_of(plan_.schedule));
        if (plan_.pipeline == 1) {
            add("/parallelism/schedule", name + " without a pipeline", "set pipeline above 1, or schedule to 1f1b");
        }
        if (plan_.schedule == PipelineSchedule::dualpipe && plan_.pipeline % 2 != 0 && plan_.pipeline > 1) {
            add("/parallelism/pipeline", number_text(plan_.pipeline) + " is odd, and dualpipe mirrors the stages",
                "use " + number_text(plan_.pipeline - 1) + " or " + number_text(plan_.pipeline + 1));
        }
        if (plan_.shards_parameters()) {
            add("/parallelism/schedule",
                name + " splits the backward pass, which needs whole parameters, and " +
                    (plan_.fsdp ? "fsdp" : "zero 3") + " shards them",
                plan_.fsdp ? "set fsdp to false and zero to 1, or choose 1f1b" : "use zero 1 or 2, or choose 1f1b");
        }
    }

    void traded_heads() {
        const std::int64_t heads = a_.heads / std::max(plan_.tensor, 1);
        if (heads % plan_.context != 0) {
            add("/parallelism/context",
                number_text(plan_.context) + " does not divide the " + number_text(heads) +
                    " attention heads of a rank, which ulysses deals out",
                "use " + nearest_divisors(heads, plan_.context) + ", or context_kind ring");
        }
        const std::int64_t keys = std::max(a_.kv_heads / plan_.tensor, 1);
        if (keys % plan_.context != 0 && plan_.context % keys != 0) {
            add("/parallelism/context",
                number_text(plan_.context) + " neither divides the " + number_text(keys) +
                    " key-value heads of a rank nor is a multiple of them",
                "use " + nearest_divisors(keys, plan_.context) + ", or context_kind ring");
        }
    }

    /// Dense and expert ranks are numbered by the same order; their stages must be the same ranks.
    void order() {
        std::array<int, 5> seen{};
        for (const RankAxis axis : plan_.order) ++seen[static_cast<std::size_t>(axis)];
        for (const auto& axis : EnumTable<RankAxis>::names) {
            const int times = seen[static_cast<std::size_t>(axis.value)];
            if (times == 1) continue;
            add("/parallelism/order", std::string(times == 0 ? "leaves out " : "repeats ") + std::string(axis.name),
                "name each of tensor, context, expert, data and pipeline once");
        }
        if (!problems_.empty() || plan_.pipeline == 1 || a_.experts == 0) return;
        if (rank_strides(plan_).pipeline != expert_strides(plan_).pipeline) {
            add("/parallelism/order",
                "puts pipeline where dense ranks and experts' ranks get different stages", "put pipeline last");
        }
    }

    /// Layers of the stages, where the plan says more than their number.
    void uneven_stages() {
        if (!plan_.stage_layers.empty()) {
            std::int64_t sum = 0;
            for (const int layers : plan_.stage_layers) sum += layers;
            if (static_cast<int>(plan_.stage_layers.size()) != plan_.model_stages() || sum != a_.stack()) {
                add("/parallelism/stage_layers",
                    "has " + number_text(static_cast<std::int64_t>(plan_.stage_layers.size())) + " stages with " +
                        number_text(sum) + " layers",
                    "give " + number_text(plan_.model_stages()) + " numbers that add up to " + number_text(a_.stack()));
            }
        }
        const bool has_own_ends = plan_.first_stage_layers > 0 || plan_.last_stage_layers > 0;
        const bool counts = plan_.count_embedding || plan_.count_head;
        const int ways = (plan_.stage_layers.empty() ? 0 : 1) + (has_own_ends || counts ? 1 : 0) + (plan_.balance ? 1 : 0);
        if (ways > 1) {
            add("/parallelism/stage_layers", "is one of several keys that share out the layers",
                "keep one: stage_layers; balance; or first_stage_layers, last_stage_layers, count_embedding, count_head");
        }
        if (has_own_ends && plan_.pipeline < 2) {
            add(plan_.first_stage_layers > 0 ? "/parallelism/first_stage_layers" : "/parallelism/last_stage_layers",
                "is given without a pipeline", "set pipeline above 1, or leave it out");
        } else if (has_own_ends && plan_.chunks_per_rank() > 1 && !plan_.interleaves()) {
            add("/parallelism/schedule",
                std::string(name_of(plan_.schedule)) + " has no first or last rank that could differ",
                "use stage_layers instead of first_stage_layers and last_stage_layers");
        } else if ((has_own_ends || counts) && plan_.stage_layers.empty() && stage_layers(a_, plan_).empty()) {
            const int slots = a_.stack() + (plan_.count_embedding ? 1 : 0) + (plan_.count_head ? 1 : 0);
            add(plan_.first_stage_layers > 0  ? "/parallelism/first_stage_layers"
                : plan_.last_stage_layers > 0 ? "/parallelism/last_stage_layers"
                : plan_.count_embedding       ? "/parallelism/count_embedding"
                                              : "/parallelism/count_head",
                "leaves " + number_text(slots - plan_.first_stage_layers - plan_.last_stage_layers) +
                    " layers that the other stages cannot share evenly",
                "choose numbers that leave a multiple of the other stages, or give stage_layers");
        }
    }

    void pipeline() {
        if (!degrees_valid_) return;
        if (plan_.virtual_stages > 1 && !plan_.interleaves()) {
            const bool has_two = plan_.chunks_per_rank() == 2 && plan_.splits_backward();
            add("/parallelism/virtual_stages",
                "is " + number_text(plan_.virtual_stages) + ", but the schedule is " +
                    std::string(name_of(plan_.schedule)) + (has_two ? ", which has two chunks per rank of its own" : ""),
                has_two ? "leave virtual_stages out" : "set schedule to 1f1b-interleaved, or virtual_stages to 1");
            return;
        }
        if (plan_.schedule == PipelineSchedule::dualpipe && plan_.pipeline % 2 != 0) return;  // see arrangement()
        uneven_stages();
        if (plan_.virtual_stages > 1 && plan_.pipeline == 1) {
            add("/parallelism/virtual_stages", "is " + number_text(plan_.virtual_stages) + " without a pipeline",
                "set virtual_stages to 1, or pipeline above 1");
        }
        if (!plan_.stage_layers.empty()) return;
        const std::int64_t stages = plan_.model_stages();
        if (stages > a_.stack() + std::int64_t{2} ||
            pipeline_split(a_.stack(), static_cast<int>(stages), a_.prediction_layers).empty()) {
            add(plan_.virtual_stages > 1 ? "/parallelism/virtual_stages" : "/parallelism/pipeline",
                (plan_.splits_backward() ? std::string(name_of(plan_.schedule)) + " makes " : "pipeline x virtual_stages = ") +
                    number_text(stages) + " stages for " + number_text(a_.stack()) +
                    " layers",
                "use a product of " + nearest_divisors(a_.stack(), stages));
        }
    }

    void software() {
        if (spec_.recompute_modules.any() && spec_.recompute != Recompute::selective) {
            add("/recompute_modules", "is only used with recompute \"selective\"",
                "set recompute to selective, or leave it out");
        }
        if (spec_.adapter_rank > std::min(a_.hidden, a_.ffn)) {
            add("/adapter_rank",
                number_text(spec_.adapter_rank) + " is more than the model's width of " +
                    number_text(std::min(a_.hidden, a_.ffn)),
                "use 8 to 128");
        }
        if (a_.experts > 0) return;
        if (spec_.token_dispatcher || spec_.token_drop || spec_.overlap.experts) {
            add(spec_.token_dispatcher ? "/token_dispatcher"
                : spec_.token_drop     ? "/token_drop"
                                       : "/overlap/experts",
                "is for mixtures, but the model has no experts", "leave it out");
        }
    }

    void offload() {
        if (!degrees_valid_) return;
        const Offload& away = spec_.offload;
        if (away.parameters != OffloadTarget::none && (!plan_.shards_parameters() || plan_.pipeline > 1)) {
            add("/offload/parameters",
                std::string("is ") + std::string(name_of(away.parameters)) + ", but " +
                    (plan_.pipeline > 1 ? "a pipeline keeps whole parameters on the device"
                                        : "parameters are not sharded layer by layer"),
                plan_.pipeline > 1 ? "set pipeline to 1, or leave it out" : "set zero to 3 or fsdp, or leave it out");
        }
        if (away.optimizer != OffloadTarget::none && spec_.optimizer == Optimizer::muon) {
            add("/offload/optimizer", "the host cannot do muon's matrix products in time",
                "use adamw, or leave it out");
        }
        if (away.any() && plan_.splits_backward()) {
            add("/offload", "does not go with " + std::string(name_of(plan_.schedule)) + ", whose backward passes are split",
                "choose 1f1b or 1f1b-interleaved, or leave offload out");
        }
        const int layers = (a_.layers + plan_.pipeline - 1) / plan_.pipeline;
        if (away.activation_layers > layers) {
            add("/offload/activation_layers",
                number_text(away.activation_layers) + " is more than the " + number_text(layers) +
                    " layers of a pipeline rank",
                "use " + number_text(layers) + " or fewer");
        }
    }

    void recomputation() {
        if (spec_.recompute != Recompute::block && spec_.recompute_layers > 0) {
            add("/recompute_layers", "is only used with recompute \"block\"",
                "set recompute to block, or leave it out");
        }
        if (spec_.recompute == Recompute::block && spec_.recompute_layers < 1) {
            add("/recompute_layers", "is 0 with recompute \"block\"", "say how many layers of each stage to recompute");
        }
    }

    void data() {
        if (!degrees_valid_) return;
        if (plan_.fsdp && plan_.zero == 1) {
            add("/parallelism/zero", "stage " + number_text(plan_.zero) + " with fsdp, which shards everything",
                "leave zero out (full sharding), use 2 (gathered parameters are kept), or set fsdp to false");
        }
        if (plan_.zero < 0 || plan_.zero > 3)
            add("/parallelism/zero", "is " + number_text(plan_.zero), "use 0, 1, 2 or 3");
        const std::int64_t replicas = plan_.replicas();
        if (plan_.shard > 0 && replicas % plan_.shard != 0) {
            add("/parallelism/shard",
                number_text(plan_.shard) + " does not divide data x context = " + number_text(replicas),
                "use " + nearest_divisors(replicas, plan_.shard) + ", or 0 for all");
        }
        if (plan_.shard > 1 && !plan_.fsdp && plan_.zero == 0) {
            add("/parallelism/shard", "is " + number_text(plan_.shard) + ", but nothing is sharded",
                "set fsdp or zero, or shard to 0");
        }
    }

    /// Encoders ahead of decoders, and hybrids with state-space blocks.
    void stacks() {
        if (!degrees_valid_) return;
        if (a_.encoder_layers > 0 && plan_.pipeline > 1) {
            add("/parallelism/pipeline", "an encoder and a decoder over several stages are not modelled", "set it to 1");
        }
        if (a_.encoder_layers > 0 && plan_.context > 1) {
            add("/parallelism/context", "attention to an encoder's output is not split over a ring", "set it to 1");
        }
        if (a_.encoder_layers == 0 && spec_.encoder_sequence > 0) {
            add("/encoder_sequence", "the model has no encoder ahead of a decoder", "leave it out");
        }
        if (spec_.mean_sequence > spec_.sequence) {
            add("/mean_sequence", number_text(spec_.mean_sequence) + " is more than the sequence of " +
                number_text(spec_.sequence), "use " + number_text(spec_.sequence) + " or less");
        }
        if (a_.pattern.find_first_not_of("MAFE") != std::string::npos) {
            add("/model", "has the pattern \"" + a_.pattern + "\"", "use the letters M, A, F and E alone");
        }
        if (a_.pattern.find('M') == std::string::npos) return;
        if (a_.state_space.inner < 1) {
            add("/model", "has M blocks in its pattern, but no state_space", "give state_space.inner");
            return;
        }
        if (plan_.context > 1) {
            add("/parallelism/context", "a scan over a split sequence is not modelled", "set it to 1");
        }
        if (a_.state_space.rank == 0) divides_tensor(a_.state_space.heads, "state-space heads");
        divides_tensor(a_.state_space.inner, "state-space width");
    }

    void experts() {
        if (!degrees_valid_) return;
        if (a_.experts == 0) {
            for (const auto& [key, degree] : {std::pair{"expert", plan_.expert}, {"expert_tensor", plan_.expert_tensor}}) {
                if (degree == 1) continue;
                add(std::string("/parallelism/") + key, "is " + number_text(degree) + ", but the model has no experts",
                    "set it to 1");
            }
            return;
        }
        if (a_.experts % plan_.expert != 0) {
            add("/parallelism/expert",
                number_text(plan_.expert) + " does not divide the model's " + number_text(a_.experts) + " experts",
                "use " + nearest_divisors(a_.experts, plan_.expert));
        }
        const std::int64_t ranks = std::int64_t{plan_.data} * plan_.context * plan_.tensor;
        if (ranks % plan_.expert == 0 && ranks % plan_.expert_ranks() != 0) {
            add("/parallelism/expert_tensor",
                "expert x expert_tensor = " + number_text(plan_.expert_ranks()) +
                    " does not divide tensor x context x data = " + number_text(ranks),
                "use " + nearest_divisors(ranks / plan_.expert, plan_.expert_tensor));
        }
        if (a_.expert_ffn % plan_.expert_tensor != 0) {
            add("/parallelism/expert_tensor",
                number_text(plan_.expert_tensor) + " does not divide the experts' width of " + number_text(a_.expert_ffn),
                "use " + nearest_divisors(a_.expert_ffn, plan_.expert_tensor));
        }
        if (ranks % plan_.expert != 0) {
            add("/parallelism/expert",
                number_text(plan_.expert) + " does not divide tensor x context x data = " + number_text(ranks),
                "use " + nearest_divisors(ranks, plan_.expert));
        }
        if (a_.experts_per_token < 1 || a_.experts_per_token > a_.experts || a_.expert_ffn < 1) {
            add("/model",
                "has " + number_text(a_.experts) + " experts, but " + number_text(a_.experts_per_token) +
                    " per token of width " + number_text(a_.expert_ffn),
                "give experts_per_token from 1 to experts, and expert_ffn from 1");
        }
    }

    const Architecture& a_;
    const TrainingSpec& spec_;
    const Parallelism& plan_;
    Problems problems_;
    bool degrees_valid_ = true;
};

}  // namespace

Problems plan_problems(const Architecture& architecture, const TrainingSpec& spec) {
    return PlanChecker(architecture, spec).run();
}

}  // namespace orrery
