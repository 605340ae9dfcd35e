// The checks of a training's options, by theme.
#include "models/option_problems.hpp"

#include <algorithm>
#include <string>

namespace orrery {
namespace {

void check_optimizer(const TrainingSpec& spec, Problems& problems) {
    const OptimizerSettings& settings = spec.optimizer_settings;
    const OptimizerRule& rule = optimizer_rule(spec.optimizer);
    const std::string name(name_of(spec.optimizer));
    const auto add = [&](const std::string& key, std::string problem, std::string remedy) {
        problems.push_back({"/workload/optimizer_settings/" + key, std::move(problem), std::move(remedy)});
    };
    const auto is_state = [](DataType type) {
        return type == DataType::fp32 || type == DataType::bf16 || type == DataType::fp16 || type == DataType::fp8;
    };
    const auto format_problem = [](DataType type) { return std::string(name_of(type)) + " is no format of optimizer states"; };
    if (!is_state(settings.first_moment)) add("first_moment", format_problem(settings.first_moment), "use fp32, bf16, fp16 or fp8");
    if (!is_state(settings.second_moment)) add("second_moment", format_problem(settings.second_moment), "use fp32, bf16, fp16 or fp8");
    if (!is_state(settings.master) || settings.master == DataType::fp8) {
        add("master", format_problem(settings.master), "use fp32, or bf16 or fp16 for no copy beside the weights");
    }
    const bool narrow_moments = settings.first_moment != DataType::fp32 || settings.second_moment != DataType::fp32;
    if (rule.moment_bytes > 0.0 && narrow_moments) {
        add("first_moment", "is set, but " + name + " has a format of its own", "leave first_moment and second_moment out");
    }
    const bool has_preconditioner =
        rule.preconditioning == Preconditioning::inverse_roots || rule.preconditioning == Preconditioning::eigenbasis;
    if (!has_preconditioner && settings.preconditioner_size > 0) {
        add("preconditioner_size", "is set, but " + name + " has no preconditioner", "leave it out, or use shampoo or soap");
    }
    if (!has_preconditioner && settings.preconditioner_interval > 0) {
        add("preconditioner_interval", "is set, but " + name + " has no preconditioner", "leave it out, or use shampoo or soap");
    }
}

void check_compression(const TrainingSpec& spec, Problems& problems) {
    const Compression kind = spec.gradient_compression.kind;
    const Parallelism& plan = spec.parallelism;
    if (kind == Compression::none) return;
    const bool sharded = plan.shards_parameters() || (kind != Compression::fp8 && plan.zero > 0);
    if (!sharded) return;
    problems.push_back({"/workload/gradient_compression/kind",
                        "is " + std::string(name_of(kind)) + ", but the gradients are reduced into shards",
                        kind == Compression::fp8 ? "set zero to 2 or less and fsdp to false, or kind to none"
                                                 : "set zero to 0 and fsdp to false, or kind to fp8 or none"});
}

void check_frozen(const Architecture& a, const TrainingSpec& spec, Problems& problems) {
    const Frozen& frozen = spec.frozen;
    const std::string key = frozen.first_layers > 0 ? "first_layers" : "embedding";
    const auto add = [&](std::string problem, std::string remedy) {
        problems.push_back({"/workload/frozen/" + key, std::move(problem), std::move(remedy)});
    };
    if (frozen == Frozen{}) return;
    if (frozen.first_layers >= a.layers) {
        add(std::to_string(frozen.first_layers) + " of the model's " + std::to_string(a.layers) + " layers leaves none to train",
            "use " + std::to_string(std::max(a.layers - 1, 0)) + " or less");
    }
    if (spec.adapter_rank > 0) add("is set, but adapters freeze the whole model", "leave one of the two out");
    if (a.tied_embeddings) {
        add("would freeze the head too: the model ties it to its embedding", "leave it out, or take a model with a head of its own");
    }
}

}  // namespace

Problems option_problems(const Architecture& a, const TrainingSpec& spec) {
    Problems problems;
    check_optimizer(spec, problems);
    check_compression(spec, problems);
    check_frozen(a, spec, problems);
    if (spec.adapter_rank > 0 && spec.regularization.sharpness_aware) {
        problems.push_back({"/workload/regularization/sharpness_aware", "is set, but adapters freeze the weights to perturb",
                            "leave one of the two out"});
    }
    const OptimizerRule& rule = optimizer_rule(spec.optimizer);
    const bool is_plain = spec.optimizer_settings == OptimizerSettings{} && !rule.has_tensor_norms &&
                          rule.moment_bytes == 0.0 && rule.preconditioning != Preconditioning::inverse_roots &&
                          rule.preconditioning != Preconditioning::eigenbasis;
    if (spec.offload.optimizer != OffloadTarget::none && !is_plain) {
        problems.push_back({"/workload/offload/optimizer",
                            "is modelled for adam, adamw and sgd with fp32 states, not for " + std::string(name_of(spec.optimizer)) + " as set",
                            "use adamw without optimizer_settings, or keep the optimizer on the device"});
    }
    if (spec.regularization.sharpness_aware &&
        (spec.parallelism.splits_backward() || spec.parallelism.copies() > 1)) {
        problems.push_back({"/workload/regularization/sharpness_aware",
                            "is set with schedule " + std::string(name_of(spec.parallelism.schedule)) +
                                ", which does not run a batch twice",
                            "use 1f1b, 1f1b-interleaved or gpipe, or leave it out"});
    }
    if (spec.packing.mean_document > 0 && !spec.flash_attention) {
        problems.push_back({"/workload/packing/mean_document",
                            "is set, but unfused attention computes masked scores all the same",
                            "set flash_attention to true, or leave it out"});
    }
    if (spec.packing.mean_document == 0 && spec.packing.length_variation > 0.0) {
        problems.push_back({"/workload/packing/length_variation", "is only used with mean_document",
                            "give mean_document, or leave it out"});
    }
    if (!spec.parallelism.split_vocabulary && !spec.parallelism.shards_parameters()) {
        problems.push_back({"/workload/parallelism/split_vocabulary", "is false, but parameters are not sharded",
                            "set fsdp to true or zero to 3, or leave it out"});
    }
    return problems;
}

Problems layered_option_problems(const TrainingSpec& spec) {
    Problems problems;
    check_optimizer(spec, problems);
    check_compression(spec, problems);
    const auto refuse = [&](bool is_set, const char* key) {
        if (!is_set) return;
        problems.push_back({std::string("/workload/") + key, "is a choice that only decoder transformers have",
                            "leave it out"});
    };
    const OptimizerRule& rule = optimizer_rule(spec.optimizer);
    const bool needs_matrices = rule.is_factored || rule.preconditioning != Preconditioning::none;
    refuse(needs_matrices, "optimizer");
    refuse(spec.gradient_compression.kind == Compression::power_sgd, "gradient_compression/kind");
    refuse(spec.packing != Packing{}, "packing");
    refuse(spec.frozen != Frozen{}, "frozen");
    refuse(spec.regularization.layer_drop > 0.0, "regularization/layer_drop");
    refuse(spec.regularization.dropout.has_value(), "regularization/dropout");
    refuse(!spec.parallelism.split_vocabulary, "parallelism/split_vocabulary");
    return problems;
}

}  // namespace orrery
