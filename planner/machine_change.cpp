// Rates of a device, links of a fabric and start-up times of collectives, multiplied.
#include "planner/machine_change.hpp"

#include "hardware/sibling.hpp"
#include "network/collective_parameters.hpp"
#include "network/routing.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace orrery {
namespace {

// An idle H100 SXM draws 88 W of its 700 W limit (the figure behind job_power()).
constexpr double idle_share = 88.0 / 700.0;

void change_device(Device& device, MachinePart part, double factor) {
    const Device before = device;
    if (part == MachinePart::memory) {
        device.memory_bandwidth *= factor;
    } else {
        for (std::size_t i = 0; i < EnumTable<DataType>::names.size(); ++i) {
            device.matrix_peak[EnumTable<DataType>::names[i].value] *= factor;
        }
        device.vector_peak *= factor;
    }
    const Calibration& measured = *before.calibration;
    device.calibration = std::make_shared<const Calibration>(sibling_calibration(measured, measured, before, device));
}

void change_links(Fabric& fabric, bool inside, double factor) {
    std::set<LinkId> scale_up(fabric.scale_up_tx.begin(), fabric.scale_up_tx.end());
    scale_up.insert(fabric.scale_up_rx.begin(), fabric.scale_up_rx.end());
    for (std::size_t i = 0; i < fabric.links.size(); ++i) {
        if (scale_up.contains(static_cast<LinkId>(i)) == inside) fabric.links[i].bandwidth *= factor;
    }
    if (inside) {
        fabric.scale_up *= factor;
        return;
    }
    fabric.node_nic *= factor;
    if (!fabric.network) return;
    RoutedNetwork network = *fabric.network;
    for (DirectedLink& link : network.links) link.bandwidth *= factor;
    fabric.network = std::make_shared<const RoutedNetwork>(std::move(network));
}

void change_latency(Fabric& fabric, double factor) {
    fabric.net_hop *= factor;
    CollectiveParameters parameters = *fabric.parameters;
    for (Seconds* one : {&parameters.base, &parameters.ll_step, &parameters.ll128_start, &parameters.ll128_step,
                         &parameters.simple_start, &parameters.simple_step, &parameters.nvls_latency, &parameters.exchange_base,
                         &parameters.exchange_step, &parameters.exchange_simple_start, &parameters.message_latency,
                         &parameters.across_start, &parameters.across_hop}) {
        *one *= factor;
    }
    fabric.parameters = std::make_shared<const CollectiveParameters>(std::move(parameters));
}

}  // namespace

double clock_under_cap(const Device& device, Watts cap, const PowerModel& model) {
    const Watts idle = device.power_limit * idle_share;
    const double share = (cap - idle) / (device.power_limit - idle);
    return share <= 0.0 ? 0.0 : std::min(std::pow(share, 1.0 / model.exponent), 1.0);
}

Result<Cluster> capped_machine(Cluster cluster, Watts cap, const PowerModel& model) {
    const Watts idle = cluster.device.power_limit * idle_share;
    const double clock = clock_under_cap(cluster.device, cap, model);
    if (clock < model.frequency_min) {
        const Watts least = idle + (cluster.device.power_limit - idle) * std::pow(model.frequency_min, model.exponent);
        return Problem{"/cluster/power_cap", "is " + std::to_string(std::lround(cap.si())) + " W, below what " + cluster.device.name + " draws at the lowest clock",
                       "give " + std::to_string(std::lround(std::ceil(least.si()))) + " W or more"};
    }
    if (clock >= 1.0) return cluster;
    cluster = changed_machine(std::move(cluster), MachinePart::arithmetic, clock);
    cluster.kernel_power = std::pow(clock, model.exponent);
    return cluster;
}

Cluster changed_machine(Cluster cluster, MachinePart part, double factor) {
    ORRERY_CHECK(factor > 0.0);
    for (DeviceGroup& group : cluster.groups) {
        group.alike = std::make_shared<const Cluster>(changed_machine(*group.alike, part, factor));
    }
    switch (part) {
        case MachinePart::arithmetic:
        case MachinePart::memory: change_device(cluster.device, part, factor); break;
        case MachinePart::scale_up: change_links(cluster.fabric, true, factor); break;
        case MachinePart::network: change_links(cluster.fabric, false, factor); break;
        case MachinePart::latency: change_latency(cluster.fabric, factor); break;
    }
    if (part == MachinePart::scale_up) cluster.device.scale_up_bandwidth *= factor;
    if (part == MachinePart::network) cluster.node.nic_bandwidth *= factor;
    return cluster;
}

}  // namespace orrery
