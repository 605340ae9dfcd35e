// The checks of a training plan, by theme; each says the nearest values that would work.
#include "models/plan_problems.hpp"

#include "models/pipeline_split.hpp"

#include <algorithm>
#include <cstdint>

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
        recomputation();
        software();
        data();
        experts();
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
        divides_tensor(a_.heads, "attention heads");
        if (a_.kv_heads % plan_.tensor != 0 && plan_.tensor % a_.kv_heads != 0) {
            add("/parallelism/tensor",
                number_text(plan_.tensor) + " neither divides the model's " + number_text(a_.kv_heads) +
                    " key-value heads nor is a multiple of them",
                "use " + nearest_divisors(a_.kv_heads, plan_.tensor) + ", or " +
                    nearest_multiples(plan_.tensor, a_.kv_heads));
        }
        divides_tensor(a_.hidden, "hidden width");
        if (a_.experts == 0 || a_.dense_layers > 0) divides_tensor(a_.ffn, "MLP width");
    }

    void sequence() {
        if (!degrees_valid_) return;
        const std::int64_t unit = plan_.context > 1 ? std::int64_t{2} * plan_.context : 1;
        if (spec_.sequence % unit != 0) {
            add("/sequence",
                number_text(spec_.sequence) + " is no multiple of " + number_text(unit) + ", two chunks for each of " +
                    number_text(plan_.context) + " context-parallel ranks",
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

    void pipeline() {
        if (!degrees_valid_) return;
        if (plan_.virtual_stages > 1 && plan_.schedule != PipelineSchedule::interleaved) {
            add("/parallelism/virtual_stages",
                "is " + number_text(plan_.virtual_stages) + ", but the schedule is " +
                    std::string(name_of(plan_.schedule)),
                "set schedule to 1f1b-interleaved, or virtual_stages to 1");
        }
        if (plan_.virtual_stages > 1 && plan_.pipeline == 1) {
            add("/parallelism/virtual_stages", "is " + number_text(plan_.virtual_stages) + " without a pipeline",
                "set virtual_stages to 1, or pipeline above 1");
        }
        const std::int64_t stages = std::int64_t{plan_.pipeline} * plan_.virtual_stages;
        if (stages > a_.layers + std::int64_t{2} ||
            pipeline_split(a_.layers, static_cast<int>(stages), a_.prediction_layers).empty()) {
            add(plan_.virtual_stages > 1 ? "/parallelism/virtual_stages" : "/parallelism/pipeline",
                "pipeline x virtual_stages = " + number_text(stages) + " stages for " + number_text(a_.layers) +
                    " layers",
                "use a product of " + nearest_divisors(a_.layers, stages));
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
        const std::int64_t replicas = std::int64_t{plan_.data} * plan_.context;
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

    void experts() {
        if (!degrees_valid_) return;
        if (a_.experts == 0) {
            if (plan_.expert > 1) {
                add("/parallelism/expert", "is " + number_text(plan_.expert) + ", but the model has no experts",
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
