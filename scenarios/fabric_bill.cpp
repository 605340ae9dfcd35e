// Counts a network's parts and prices them by the catalogue.
#include "scenarios/fabric_bill.hpp"

#include "scenarios/catalog.hpp"
#include "scenarios/catalog_files.hpp"

namespace orrery {
namespace {

/// The named link, else the first of the port's kind and rate; nameless where there is none.
CatalogLink link_of_ports(const FabricSpec& spec, const Node& node) {
    if (!spec.link.empty()) {
        Result<CatalogLink> link = find_link(spec.link);
        return link ? std::move(link).value() : CatalogLink{};
    }
    const BytesPerSecond rate = spec.bandwidth.si() > 0.0 ? spec.bandwidth : node.nic_bandwidth;
    for (const std::string& name : names_in("hardware/catalog/links")) {
        Result<CatalogLink> link = find_link(name);
        if (link && link->kind == node.nic_kind && link->bandwidth == rate) return std::move(link).value();
    }
    return {};
}

/// Of a mixed machine, as its network is built: for the fastest ports.
const Cluster& with_fastest_ports(const Cluster& machine) {
    const Cluster* fastest = &machine;
    for (const DeviceGroup& group : machine.groups) {
        if (group.alike->fabric.node_nic > fastest->fabric.node_nic || fastest == &machine) fastest = group.alike.get();
    }
    return *fastest;
}

}  // namespace

Result<FabricBill> fabric_bill(const Scenario& scenario, const Cluster& machine) {
    Problems problems;
    const Cluster& cluster = with_fastest_ports(machine);
    Node node = cluster.node;
    const FabricSpec spec = resolved_fabric(scenario, node, problems);
    if (!problems.empty()) return problems;
    const Result<NetworkGraph> graph = fabric_graph(spec, node, cluster.nodes, cluster.device.scale_up_bandwidth);
    if (!graph) return graph.problems();
    FabricBill bill;
    bill.measured = graph->end_points <= bill_measured_max;
    bill.figures = bill.measured ? measure_network(*graph) : count_network(*graph);
    if (bill.figures.optic_cables == 0) return bill;
    const CatalogLink link = link_of_ports(spec, node);
    bill.link = link.name;
    bill.switches_price = bill.figures.switches * link.switch_price;
    bill.switches_power = bill.figures.switches * link.switch_power;
    bill.cables_price = bill.figures.optic_cables * link.cable_price;
    bill.optics_power = bill.figures.optic_ends * link.transceiver_power;
    return bill;
}

}  // namespace orrery
