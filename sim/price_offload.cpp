// Host links, drives and the host's Adam in closed form.
#include "sim/price_offload.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr double copy_share = 0.76;         // of a link's raw rate; see host_copy_rate
constexpr double host_memory_share = 0.5;   // of peak, that Adam's vector loops reach; see host_adam_time
constexpr double adam_bytes = 30.0;         // per parameter; see host_adam_time
constexpr double drive_bytes = 24.0;        // fp32 master and two moments, read and written
constexpr double returned_bytes = 2.0;      // 16-bit parameters

double on_node(const Node& node, int devices) { return std::min(node.devices, devices); }

}  // namespace

BytesPerSecond host_copy_rate(const Node& node, int devices) {
    const int sharing = std::min(node.devices_per_host_link, devices);
    return node.host_link_bandwidth * (copy_share / std::max(sharing, 1));
}

BytesPerSecond drive_rate(const Node& node, int devices) {
    return node.local_storage_bandwidth * (1.0 / on_node(node, devices));
}

Seconds host_adam_time(const Node& node, int devices, double parameters) {
    return Bytes::from_si(adam_bytes * parameters * on_node(node, devices)) /
           (node.host_memory_bandwidth * host_memory_share);
}

Seconds away_step_time(const Node& node, int devices, const Offload& offload, double parameters,
                       bool parameters_return) {
    Seconds time = host_adam_time(node, devices, parameters);
    if (offload.optimizer == OffloadTarget::nvme) {
        time = std::max(time, Bytes::from_si(drive_bytes * parameters) / drive_rate(node, devices));
    }
    if (parameters_return) {
        time = std::max(time, Bytes::from_si(returned_bytes * parameters) / host_copy_rate(node, devices));
    }
    return time;
}

Problems offload_problems(const Node& node, const Offload& offload) {
    Problems problems;
    if (!offload.any()) return problems;
    const char* key = offload.optimizer != OffloadTarget::none    ? "/workload/offload/optimizer"
                      : offload.parameters != OffloadTarget::none ? "/workload/offload/parameters"
                                                                  : "/workload/offload/activation_layers";
    const auto need = [&](bool known, const std::string& what) {
        if (known) return;
        problems.push_back({key, "the catalogue does not tell " + what + " of " + node.title,
                            "choose a node that does (such as dgx-2, dgx-a100 or dgx-h100), or leave offload out"});
    };
    need(node.host_memory > Bytes{} && node.host_link_bandwidth > BytesPerSecond{}, "host memory and its link");
    if (offload.optimizer != OffloadTarget::none) {
        need(node.host_memory_bandwidth > BytesPerSecond{}, "the rate of the host memory");
    }
    if (offload.optimizer == OffloadTarget::nvme || offload.parameters == OffloadTarget::nvme) {
        need(node.local_storage > Bytes{} && node.local_storage_bandwidth > BytesPerSecond{}, "the drives");
    }
    return problems;
}

}  // namespace orrery
