// Node and network prices looked up.
#include "scenarios/bought_machine.hpp"

#include "scenarios/fabric_bill.hpp"

namespace orrery {

namespace {

Problem unpriced(const std::string& node) {
    return {"/economics/own/node_price", "is not given, and the catalogue has no price of " + node, "write it, such as \"300000 USD\""};
}

}  // namespace

Result<BoughtMachine> bought_machine(const Scenario& scenario, const Cluster& cluster) {
    const OwnHardware& own = scenario.economics.own;
    BoughtMachine machine{cluster.nodes, cluster.devices(), own.node_price, own.network_price};
    if (machine.node_price <= Usd{}) {
        for (const DeviceGroup& group : cluster.groups) {   // the mean
            const Usd price = group.alike->node.price;
            if (price <= Usd{}) return unpriced(group.name);
            machine.node_price += price * (static_cast<double>(group.nodes) / cluster.nodes);
        }
        if (!cluster.is_mixed()) machine.node_price = cluster.node.price;
    }
    if (machine.node_price <= Usd{}) return unpriced(cluster.node.name);
    if (machine.network_price <= Usd{} && cluster.nodes > 1) {
        const Result<FabricBill> bill = fabric_bill(scenario, cluster);
        if (!bill) return bill.problems();
        machine.network_price = bill->switches_price + bill->cables_price;
    }
    return machine;
}

void pay_energy(UsdPerJoule price, TrainingAnswer& answer) {
    if (price <= UsdPerJoule{} || answer.cost_per_step.si() < 0.0) return;
    const Usd paid = answer.energy_per_step * price;
    const double per_step = answer.cost_per_step > Usd{} ? answer.cost_per_million_tokens / answer.cost_per_step : 0.0;
    answer.cost_per_step += paid;
    answer.cost_per_million_tokens += paid * per_step;
}

}  // namespace orrery
