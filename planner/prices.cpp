// Purchases, annuities and rents.
#include "planner/prices.hpp"

#include "hardware/result.hpp"

#include <cmath>

namespace orrery {

OwnershipBill ownership_bill(const OwnHardware& own, const BoughtMachine& machine) {
    ORRERY_CHECK(machine.nodes >= 1 && machine.devices >= 1);
    OwnershipBill bill;
    const int racks = (machine.nodes + own.nodes_per_rack - 1) / own.nodes_per_rack;
    bill.nodes = machine.node_price * machine.nodes;
    bill.network = machine.network_price;
    bill.storage = own.storage_price;
    bill.racks = own.rack_price * racks;
    bill.cooling = own.cooling_price;
    const double years = own.life / calendar_year;
    const double annuity = own.interest > 0.0 ? own.interest / -std::expm1(-years * std::log1p(own.interest)) : 1.0 / years;
    const Usd left = bill.purchase() * own.residual;
    bill.capital_year = (bill.purchase() - left) * annuity + left * own.interest;
    bill.operation_year = own.operation * (machine.nodes / years) + own.staff_year * own.staff + bill.purchase() * own.repair_share;
    return bill;
}

Usd rent_hour(const Prices& prices, Tenure tenure) {
    double kept = 1.0;
    if (tenure == Tenure::reserved) kept -= prices.cloud.reserved_discount;
    if (tenure == Tenure::spot) kept -= prices.cloud.spot_discount;
    return prices.device_hour * (kept / prices.cloud.device_share);
}

Usd owned_hour(const OwnHardware& own, const BoughtMachine& machine) {
    const OwnershipBill bill = ownership_bill(own, machine);
    const double device_hours = calendar_year / 1.0_hours * own.used * machine.devices;
    return (bill.capital_year + bill.operation_year) / device_hours;
}

Usd device_hour_of(const Prices& prices, const BoughtMachine& machine) {
    return prices.tenure == Tenure::owned ? owned_hour(prices.own, machine) : rent_hour(prices, prices.tenure);
}

UsdPerJoule energy_paid(const Prices& prices) {
    return prices.tenure == Tenure::owned ? prices.energy_price : UsdPerJoule{};
}

std::optional<Seconds> break_even(const Prices& prices, const BoughtMachine& machine, Usd rent, Watts power) {
    const OwnershipBill bill = ownership_bill(prices.own, machine);
    const double used = prices.own.used;
    const UsdPerSecond renting = rent / 1.0_hours * (machine.devices * used);
    const UsdPerSecond running = bill.operation_year / calendar_year + power * prices.energy_price * used;
    if (renting <= running) return std::nullopt;
    return bill.purchase() / (renting - running);
}

}  // namespace orrery
