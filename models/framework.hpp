// A training framework as physical settings: what its launches cost, what it hides behind what, how many bytes it moves.
#pragma once

#include "hardware/device.hpp"
#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <string>

namespace orrery {

/// Settings of one named profile (models/frameworks/NAME.json); each has its source there.
struct FrameworkProfile {
    std::string name;
    std::string title;
    std::string compared_with;              // published runs that it was fitted on; empty: only described
    bool fused_kernels = true;              // one kernel per norm, activation, residual; false: 2021's eager pieces
    bool interleaves_gradient_accumulation = true;  // weight gradients are added into fp32 by the product itself
    double streaming_efficiency = 0.65;     // share of memory bandwidth of norms, activations, residuals
    double matrix_slowdown = 1.0;           // on matrix products, over the device's own training slowdown
    double attention_slowdown = 1.0;
    Seconds host_forward;                   // host work per layer and forward pass: launches and Python
    Seconds host_backward;                  // per layer and backward pass
    Seconds host_tensor_parallel;           // added to both when tensor > 1
    double host_recompute_factor = 1.0;     // on the host time of a layer that is fully recomputed
    double tensor_exposed = 0.5;            // share of a tensor-parallel exchange that nothing hides
    double pipeline_exposed = 1.0;          // share of a stage-to-stage message that nothing hides, plain schedules
    double pipeline_exposed_interleaved = 1.0;
    bool pipeline_scatter_gather = false;   // messages split over tensor ranks and gathered after (Megatron 2021)
    double gradient_overlap = 0.3;          // share of one micro-batch's backward that hides the reduction
    double parameter_overlap = 0.3;         // share of one micro-batch's forward that hides the gather
    double contention = 0.2;                // slowdown of compute while a data-parallel exchange is in flight
    double optimizer_bytes = 34.0;          // moved per owned parameter
    double cross_entropy_bytes = 14.0;      // moved per logit, forward and backward together
    Seconds fixed;                          // once per step
    double gradient_bytes = 4.0;            // sent per parameter in the gradient reduction
    bool reduces_by_all_reduce = false;     // one all-reduce of gradients, no gather of parameters
    BytesPerSecond group_bandwidth;         // a data-parallel group gets no more than this; 0: what the fabric gives
    int library_year = 2025;                // of its kernel libraries; under two years after a device they are immature
    double immature_matrix_slowdown = 1.0;  // on matrix products of a device younger than that
    double immature_attention_slowdown = 1.0;
    double host_partial_graphs = 0.4;       // of host time that is left when parts of a layer are launched as graphs
    double expert_matrix_slowdown = 1.3;    // on grouped products of experts launched one by one, not as one graph
    double expert_exchange_slowdown = 1.0;  // on token exchanges: preparation, unequal shares
    double expert_exposed_overlapped = 0.3; // share of a token exchange that is seen where the plan overlaps them
    Seconds expert_host_wait;               // per expert layer and micro-batch: the host waits for the experts' sizes
    Seconds expert_host_floor;              // an expert layer takes no less, both passes, with the plain all-to-all
    bool fused_convolutions = false;        // norms beside a convolution are done by the convolution's own kernel
    double convolution_slowdown = 1.0;      // on convolutions, over the device's own
    Seconds host_launch;                    // of models other than decoders: host time per kernel launched
    double gradient_bucket_parameters = 0;  // gradients reduced together; 0: Megatron-Core's 40 M
    Bytes process_context = 0.6_GB;         // what a process holds before it allocates anything
    double fragmentation = 0.05;            // of activations: held by the allocator, unusable
    bool keeps_stage_outputs = false;       // what a stage sent stays until its backward pass
    double step_copy_bytes = 0.0;           // per trained parameter: flat copy of gradients at the end of a step
    Seconds reduction_cycle;                // reductions start at ticks this far apart
    double cast_extra_bytes = 0.0;          // per element cast to 8 or 4 bit, beyond one pass
    int prefetched_units = 1;               // layers gathered ahead of the one that runs
    bool reshards_in_pipeline = false;      // fully sharded stages gather layer by layer instead of staying whole
    double wide_streaming_share = 0.0;      // of streaming kernels that 16-bit training leaves in fp32 (autocast)
    double accumulation_bytes = 0.0;        // per parameter and micro-batch: weight casts, gradients added up
    bool operator==(const FrameworkProfile&) const = default;

    static constexpr auto fields() {
        using F = FrameworkProfile;
        return std::tuple{
            field("title", &F::title, any_value, "The software and its era."),
            field("compared_with", &F::compared_with, any_value,
                  "Published runs that the profile was fitted on; empty: described, not compared with any."),
            field("fused_kernels", &F::fused_kernels, any_value, "Norms, activations and residuals are one kernel each."),
            field("interleaves_gradient_accumulation", &F::interleaves_gradient_accumulation, any_value,
                  "Weight-gradient products add into fp32 (8 bytes an element instead of 2)."),
            field("streaming_efficiency", &F::streaming_efficiency, fraction, "Share of memory bandwidth of streaming kernels."),
            field("matrix_slowdown", &F::matrix_slowdown, positive, "Factor on matrix products."),
            field("attention_slowdown", &F::attention_slowdown, positive, "Factor on fused attention."),
            field("host_forward", &F::host_forward, non_negative, "Host time per layer and forward pass."),
            field("host_backward", &F::host_backward, non_negative, "Host time per layer and backward pass."),
            field("host_tensor_parallel", &F::host_tensor_parallel, non_negative, "Added to both when tensor > 1."),
            field("host_recompute_factor", &F::host_recompute_factor, positive, "Factor on host time of recomputed layers."),
            field("tensor_exposed", &F::tensor_exposed, fraction, "Share of tensor-parallel exchanges that nothing hides."),
            field("pipeline_exposed", &F::pipeline_exposed, fraction, "Share of stage messages that nothing hides."),
            field("pipeline_exposed_interleaved", &F::pipeline_exposed_interleaved, fraction,
                  "The same under an interleaved schedule."),
            field("pipeline_scatter_gather", &F::pipeline_scatter_gather, any_value,
                  "Stage messages are split over the tensor group and gathered after."),
            field("gradient_overlap", &F::gradient_overlap, fraction, "Share of one backward that hides the reduction."),
            field("parameter_overlap", &F::parameter_overlap, fraction, "Share of one forward that hides the gather."),
            field("contention", &F::contention, non_negative, "Slowdown of compute beside a data-parallel exchange."),
            field("optimizer_bytes", &F::optimizer_bytes, non_negative, "Bytes moved per owned parameter by its step."),
            field("cross_entropy_bytes", &F::cross_entropy_bytes, non_negative, "Bytes moved per logit."),
            field("fixed", &F::fixed, non_negative, "Time once per step: data, logging, host."),
            field("gradient_bytes", &F::gradient_bytes, positive, "Bytes sent per parameter when gradients are reduced."),
            field("reduces_by_all_reduce", &F::reduces_by_all_reduce, any_value,
                  "One all-reduce of gradients instead of reduce-scatter and gather."),
            field("group_bandwidth", &F::group_bandwidth, non_negative,
                  "What a data-parallel group gets at most, where the software uses one port; 0: what the fabric gives."),
            field("library_year", &F::library_year, {2015.0, 2100.0},
                  "Year of the kernel libraries; less than two years after a device they do not use it well."),
            field("immature_matrix_slowdown", &F::immature_matrix_slowdown, positive,
                  "Factor on matrix products of a device that the libraries are too old for."),
            field("immature_attention_slowdown", &F::immature_attention_slowdown, positive,
                  "Factor on fused attention of a device that the libraries are too old for."),
            field("host_partial_graphs", &F::host_partial_graphs, fraction,
                  "Share of host time left when parts of a layer are launched as graphs."),
            field("expert_matrix_slowdown", &F::expert_matrix_slowdown, positive,
                  "Factor on grouped products of experts, unless one graph holds the whole step."),
            field("expert_exchange_slowdown", &F::expert_exchange_slowdown, positive,
                  "Factor on the experts' token exchanges."),
            field("expert_exposed_overlapped", &F::expert_exposed_overlapped, fraction,
                  "Share of token exchanges that is seen when they overlap other compute."),
            field("expert_host_wait", &F::expert_host_wait, non_negative,
                  "Per expert layer and micro-batch: the host waits for the experts' sizes (no graphs, no token drop)."),
            field("fused_convolutions", &F::fused_convolutions, any_value,
                  "Norms and activations beside a convolution are done by the convolution's own kernel."),
            field("convolution_slowdown", &F::convolution_slowdown, positive, "Factor on convolutions."),
            field("host_launch", &F::host_launch, non_negative,
                  "Host time per kernel launched, of models that are not decoder transformers."),
            field("gradient_bucket_parameters", &F::gradient_bucket_parameters, non_negative,
                  "Gradients that are reduced together; 0: 40 million, or a million per replica if that is more."),
            field("wide_streaming_share", &F::wide_streaming_share, fraction,
                  "Share of streaming kernels that 16-bit training leaves in fp32."),
            field("accumulation_bytes", &F::accumulation_bytes, non_negative,
                  "Bytes moved per parameter and micro-batch by kernels that cast weights and add up gradients."),
            field("expert_host_floor", &F::expert_host_floor, non_negative,
                  "Least time of an expert layer, both passes, with the plain all-to-all (no whole graph, no drop)."),
            field("process_context", &F::process_context, non_negative,
                  "Device memory of a process before it allocates anything: driver context and loaded kernels."),
            field("fragmentation", &F::fragmentation, fraction,
                  "Share of activations that the allocator holds but cannot use."),
            field("keeps_stage_outputs", &F::keeps_stage_outputs, any_value,
                  "What a pipeline stage sent on stays in memory until its backward pass."),
            field("step_copy_bytes", &F::step_copy_bytes, non_negative,
                  "Per trained parameter: gradients copied into one flat buffer after backward. It shows in the device's "
                  "use of memory beside what activations left cached, and is given back where memory is short."),
            field("reduction_cycle", &F::reduction_cycle, non_negative,
                  "Reductions start at ticks this far apart: half of it is waited for at the end of backward."),
            field("cast_extra_bytes", &F::cast_extra_bytes, non_negative,
                  "Per element cast to 8 or 4 bit: moved beyond one pass, such as a first one for the maximum."),
            field("prefetched_units", &F::prefetched_units, non_negative,
                  "Fully sharded layers held gathered beside the one that runs."),
            field("reshards_in_pipeline", &F::reshards_in_pipeline, any_value,
                  "Fully sharded pipeline stages gather layer by layer; false: they stay whole for all micro-batches."),
        };
    }
};

}  // namespace orrery
