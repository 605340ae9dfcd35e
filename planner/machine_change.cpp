// Rates of a device, links of a fabric and start-up times of collectives, multiplied.
#include "planner/machine_change.hpp"

#include "hardware/result.hpp"
#include "hardware/sibling.hpp"
#include "network/collective_parameters.hpp"
#include "network/routing.hpp"

#include <set>

namespace orrery {
namespace {

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

Cluster changed_machine(Cluster cluster, MachinePart part, double factor) {
    ORRERY_CHECK(factor > 0.0);
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
