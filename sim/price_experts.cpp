// Prices of a mixture of experts that depend on software: dispatcher, graphs, dropping, overlap.
#include "sim/price_experts.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

double copies_sent_share(int copies, int places) {
    if (copies <= 1 || places < 1) return 1.0;
    const double p = places;
    const double k = copies;
    return p * (1.0 - std::pow(1.0 - 1.0 / p, k)) / k;
}

TokenDispatcher dispatcher_of(const TrainingSpec& spec, int domain, int node_devices) {
    if (spec.token_dispatcher) return *spec.token_dispatcher;
    return domain > node_devices ? TokenDispatcher::hybrid : TokenDispatcher::all_to_all;
}

double sent_share(int experts_per_token, const GroupShape& shape) {
    // Inside a domain each copy is written to its expert's rank; between domains one copy goes and is handed out there.
    return shape.domains > 1 ? copies_sent_share(experts_per_token, shape.domains) : 1.0;
}

double grouped_slowdown(const TrainingSpec& spec, const FrameworkProfile& framework) {
    return spec.launch_graphs == LaunchGraphs::full_iteration ? 1.0 : framework.expert_matrix_slowdown;
}

double host_share(const TrainingSpec& spec, const FrameworkProfile& framework) {
    switch (spec.launch_graphs) {
        case LaunchGraphs::none:
            return 1.0;
        case LaunchGraphs::partial:
            return framework.host_partial_graphs;
        case LaunchGraphs::full_iteration:
            return 0.0;
    }
    return 1.0;
}

Seconds with_expert_waits(Seconds busy, Seconds host, const TrainingSpec& spec, const FrameworkProfile& framework,
                          TokenDispatcher dispatcher) {
    if (spec.token_drop || spec.launch_graphs == LaunchGraphs::full_iteration) return busy;
    Seconds time = busy;
    if (spec.launch_graphs == LaunchGraphs::none) time += framework.expert_host_wait;
    if (dispatcher == TokenDispatcher::all_to_all) time = std::max(time, framework.expert_host_floor);
    const bool interleaved = spec.overlap.experts == std::optional(true) && spec.launch_graphs == LaunchGraphs::none;
    if (interleaved) time = std::max(time, framework.expert_host_floor + framework.expert_host_wait + host);
    return time;
}

}  // namespace orrery
