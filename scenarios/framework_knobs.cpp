// The table of a framework's fitted constants.
#include "scenarios/framework_knobs.hpp"

#include <array>

namespace orrery {
namespace {

using Framework = FrameworkProfile;

// Neutral host times: about 30 launches forward and 45 backward in a fused eager layer.
constexpr std::array<FrameworkKnob, 21> knobs{{
    {"streaming_efficiency", 0.55, 0.95, 0.7,
     [](const Framework& f) { return f.streaming_efficiency; },
     [](Framework& f, double v) { f.streaming_efficiency = v; }},
    {"matrix_slowdown", 0.95, 1.5, 1.0,
     [](const Framework& f) { return f.matrix_slowdown; },
     [](Framework& f, double v) { f.matrix_slowdown = v; }},
    {"attention_slowdown", 0.8, 1.6, 1.0,
     [](const Framework& f) { return f.attention_slowdown; },
     [](Framework& f, double v) { f.attention_slowdown = v; }},
    {"host_forward", 0.0, 3e-3, 0.3e-3,
     [](const Framework& f) { return f.host_forward.si(); },
     [](Framework& f, double v) { f.host_forward = Seconds::from_si(v); }, true},
    {"host_backward", 0.0, 3e-3, 0.45e-3,
     [](const Framework& f) { return f.host_backward.si(); },
     [](Framework& f, double v) { f.host_backward = Seconds::from_si(v); }, true},
    {"host_tensor_parallel", 0.0, 1e-3, 0.05e-3, [](const Framework& f) { return f.host_tensor_parallel.si(); },
     [](Framework& f, double v) { f.host_tensor_parallel = Seconds::from_si(v); }, true},
    {"cross_entropy_bytes", 8.0, 70.0, 30.0, [](const Framework& f) { return f.cross_entropy_bytes; },
     [](Framework& f, double v) { f.cross_entropy_bytes = v; }},
    {"tensor_exposed", 0.0, 1.0, 0.5,
     [](const Framework& f) { return f.tensor_exposed; },
     [](Framework& f, double v) { f.tensor_exposed = v; }},
    {"gradient_overlap", 0.0, 1.0, 0.5,
     [](const Framework& f) { return f.gradient_overlap; },
     [](Framework& f, double v) { f.gradient_overlap = v; }},
    {"contention", 0.0, 0.4, 0.1,
     [](const Framework& f) { return f.contention; },
     [](Framework& f, double v) { f.contention = v; }},
    {"fixed", 0.0, 0.1, 10e-3,
     [](const Framework& f) { return f.fixed.si(); },
     [](Framework& f, double v) { f.fixed = Seconds::from_si(v); }, true},
    {"immature_matrix_slowdown", 1.0, 2.0, 1.2,
     [](const Framework& f) { return f.immature_matrix_slowdown; },
     [](Framework& f, double v) { f.immature_matrix_slowdown = v; }},
    {"immature_attention_slowdown", 1.0, 3.5, 1.5,
     [](const Framework& f) { return f.immature_attention_slowdown; },
     [](Framework& f, double v) { f.immature_attention_slowdown = v; }},
    {"convolution_slowdown", 0.8, 1.5, 1.0, [](const Framework& f) { return f.convolution_slowdown; },
     [](Framework& f, double v) { f.convolution_slowdown = v; }},
    {"host_launch", 0.0, 3e-5, 1e-5, [](const Framework& f) { return f.host_launch.si(); },
     [](Framework& f, double v) { f.host_launch = Seconds::from_si(v); }, true},
    {"host_partial_graphs", 0.0, 1.0, 0.5,
     [](const Framework& f) { return f.host_partial_graphs; },
     [](Framework& f, double v) { f.host_partial_graphs = v; }},
    {"expert_matrix_slowdown", 0.8, 2.0, 1.2,
     [](const Framework& f) { return f.expert_matrix_slowdown; },
     [](Framework& f, double v) { f.expert_matrix_slowdown = v; }},
    {"expert_exchange_slowdown", 0.8, 2.0, 1.0,
     [](const Framework& f) { return f.expert_exchange_slowdown; },
     [](Framework& f, double v) { f.expert_exchange_slowdown = v; }},
    {"expert_exposed_overlapped", 0.0, 1.0, 0.3,
     [](const Framework& f) { return f.expert_exposed_overlapped; },
     [](Framework& f, double v) { f.expert_exposed_overlapped = v; }},
    {"expert_host_wait", 0.0, 10e-3, 2e-3,
     [](const Framework& f) { return f.expert_host_wait.si(); },
     [](Framework& f, double v) { f.expert_host_wait = Seconds::from_si(v); }, true},
    {"expert_host_floor", 0.0, 30e-3, 6e-3,
     [](const Framework& f) { return f.expert_host_floor.si(); },
     [](Framework& f, double v) { f.expert_host_floor = Seconds::from_si(v); }, true},
}};

}  // namespace

std::span<const FrameworkKnob> framework_knobs() { return knobs; }

}  // namespace orrery
