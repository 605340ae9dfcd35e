// Ports below their rate, and several groups at once: what the links of a fabric leave them.
#include "network/fabric.hpp"

#include <algorithm>

namespace orrery {

void slow_port(Fabric& fabric, RankId rank, double rate) {
    ORRERY_CHECK(rank >= 0 && rank < fabric.devices && rate > 0.0);
    if (fabric.nic_tx.empty()) return;
    if (fabric.port_left.empty()) fabric.port_left.assign(static_cast<std::size_t>(fabric.devices), 1.0);
    fabric.port_left[rank] *= rate;
    fabric.links[fabric.nic_tx[rank]].bandwidth *= rate;
    fabric.links[fabric.nic_rx[rank]].bandwidth *= rate;
}

void slow_port(const Fabric& fabric, RankId rank, double rate, NetworkGraph& graph) {
    const int ports = graph.ports_per_node;
    const int port = rank / fabric.devices_per_node * ports + rank % fabric.devices_per_node * ports / fabric.devices_per_node;
    const double ranks = std::max(1, fabric.devices_per_node / ports);  // that share it
    const double left = 1.0 - (1.0 - rate) / ranks;
    for (Cable& cable : graph.cables) {
        if (cable.from == port || cable.to == port) cable.bandwidth *= left;
    }
}

Seconds concurrent_time(const Fabric& fabric, const Collective& collective, std::span<const std::vector<RankId>> groups) {
    RouteMemory memory;
    std::vector<Transfer> transfers;
    std::vector<double> bytes(fabric.links.size(), 0.0);
    for (const std::vector<RankId>& group : groups) {
        transfers.push_back(plan_transfer(fabric, collective, group, &memory));
        const Transfer& transfer = transfers.back();
        for (const LinkLoad& load : transfer.loads) bytes[load.link] += load.bytes_per_byte * transfer.size.si();
    }
    Seconds slowest{};
    for (const Transfer& transfer : transfers) {
        double seconds = transfer.size.si() > 0.0 ? transfer.size / transfer.rate_max / 1.0_s : 0.0;
        for (const LinkLoad& load : transfer.loads) seconds = std::max(seconds, bytes[load.link] / fabric.links[load.link].bandwidth.si());
        slowest = std::max(slowest, transfer.latency + transfer.distance + Seconds::from_si(seconds));
    }
    return slowest;
}

}  // namespace orrery
