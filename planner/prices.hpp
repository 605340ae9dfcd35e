// What a device costs for an hour: rented on demand, reserved or spot, or owned and paid off; and when owning pays.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <optional>
#include <string>

namespace orrery {

enum class Tenure : std::uint8_t { on_demand, reserved, spot, owned };
template <>
struct EnumTable<Tenure> {
    static constexpr std::array<EnumName<Tenure>, 4> names{{
        {Tenure::on_demand, "on-demand", "rented by the hour, kept until it is given back"},
        {Tenure::reserved, "reserved", "rented for a term at a discount; the rest of the term serves other work"},
        {Tenure::spot, "spot", "rented by the hour at a discount, taken away without asking"},
        {Tenure::owned, "owned", "bought and paid off; electricity counted by what the plan draws"},
    }};
};

inline constexpr Seconds calendar_year = Seconds::from_si(365.25 * 86400.0);

/// How a rent differs from the price on demand.
struct CloudTerms {
    double reserved_discount = 0.375;
    double spot_discount = 0.575;
    Seconds spot_interval = 3.0_hours;
    double device_share = 1.0;
    bool operator==(const CloudTerms&) const = default;
    static constexpr auto fields() {
        using C = CloudTerms;
        return std::tuple{
            field("reserved_discount", &C::reserved_discount, {0.0, 0.99}, "Off the price on demand, for a year's term.",
                  "35 to 40 % off for H100, first quarter of 2026, digiterialabs.com; 30 to 50 %, May 2026, mercatus-ai.com"),
            field("spot_discount", &C::spot_discount, {0.0, 0.99}, "Off the price on demand, for devices that may be taken away.",
                  "50 to 65 % below on demand, first quarter of 2026, digiterialabs.com"),
            field("spot_interval", &C::spot_interval, positive, "Mean time between two such interruptions of the job.",
                  "windows of 2 to 4 h at peak, first quarter of 2026, digiterialabs.com"),
            field("device_share", &C::device_share, {0.0, 1.0, true},
                  "Share of a cloud's bill that is rent of devices; below 1, storage and traffic are added to it.",
                  "1: rent alone; 0.60 to 0.70 of bills is, May 2026, mercatus-ai.com"),
        };
    }
};

/// What owning the machine takes. Money in all but where the doc says per what.
struct OwnHardware {
    Usd node_price;
    Usd network_price;
    Usd storage_price;
    Usd rack_price;
    int nodes_per_rack = 4;
    Usd cooling_price;
    Usd operation = 50000.0_USD;
    double staff = 0.0;
    Usd staff_year = 200000.0_USD;
    double repair_share = 0.0;
    Seconds life = calendar_year * 5.0;
    double interest = 0.0;
    double residual = 0.0;
    double used = 0.83;
    bool operator==(const OwnHardware&) const = default;
    static constexpr auto fields() {
        using O = OwnHardware;
        return std::tuple{
            field("node_price", &O::node_price, positive, "Purchase of one node; absent: the catalogue's."),
            field("network_price", &O::network_price, positive,
                  "Purchase of switches, cables and transceivers; absent: the fabric's parts at the catalogue's prices."),
            field("storage_price", &O::storage_price, non_negative, "Purchase of shared storage.", "none unless given"),
            field("rack_price", &O::rack_price, non_negative, "Purchase of one rack.", "in the nodes' operation unless given"),
            field("nodes_per_rack", &O::nodes_per_rack, count, "Nodes in one rack.",
                  "vendor's reference design, NVIDIA DGX SuperPOD H100, 2023"),
            field("cooling_price", &O::cooling_price, non_negative, "Purchase of cooling and power plant.",
                  "in the nodes' operation unless given"),
            field("operation", &O::operation, non_negative,
                  "Space, cooling, hands and spares of one node over its life, without electricity.",
                  "facility and operation of one 8-GPU node over its life, Featherless sheet 1Ft3RbeZ, August 2024"),
            field("staff", &O::staff, non_negative, "People who look after the cluster.", "none unless given"),
            field("staff_year", &O::staff_year, non_negative, "Cost of one of them for a year.", "assumption, no source read"),
            field("repair_share", &O::repair_share, fraction, "Repairs in a year over the purchase.", "none unless given"),
            field("life", &O::life, positive, "From purchase to the last payment.",
                  "five years for servers, Amazon's annual report of 2024; Alphabet and Meta take 5.5 to 6"),
            field("interest", &O::interest, {0.0, 1.0}, "Cost of capital in a year.", "none unless given"),
            field("residual", &O::residual, fraction, "Worth at the end of its life over the purchase.", "none unless given"),
            field("used", &O::used, {0.0, 1.0, true}, "Share of its hours in which somebody uses the cluster.",
                  "83 % of a 16,000-GPU research cluster over eleven months, arXiv 2410.21680, 2024"),
        };
    }
};

/// Money, energy and facility of a plan, as a scenario gives them.
struct Prices {
    Usd device_hour;                   // on demand; 0: the catalogue's
    UsdPerJoule energy_price = UsdPerJoule::from_si(0.08 / 3.6e6);
    double pue = 1.2;
    Tenure tenure = Tenure::on_demand;
    CloudTerms cloud;
    OwnHardware own;
    double carbon_intensity = 0.0;     // grams of CO2 equivalent per kWh; 0: not known
    std::string source;
    bool operator==(const Prices&) const = default;
    static constexpr auto fields() {
        using P = Prices;
        return std::tuple{
            field("usd_per_device_hour", &P::device_hour, non_negative,
                  "Rent of one device for one hour on demand; 0 or absent: the median of the catalogue's prices."),
            field("usd_per_kwh", &P::energy_price, non_negative, "Price of electricity, per kWh.",
                  "user input; 0.08 USD/kWh is the example of the documentation"),
            field("pue", &P::pue, {1.0, 5.0}, "Facility power over IT power.",
                  "Uptime Institute survey 2023: 1.58 mean; Google fleet 1.09; new halls 1.2"),
            field("tenure", &P::tenure, any_value, "How the devices are paid for.", "rented on demand"),
            field("cloud", &P::cloud, any_value, "How rents differ from the price on demand."),
            field("own", &P::own, any_value, "What owning the machine takes."),
            field("carbon_intensity", &P::carbon_intensity, {0.0, 2000.0},
                  "Grams of CO2 equivalent per kWh of the grid; 0 or absent: no carbon is told."),
            field("source", &P::source, any_value, "Where the prices of this block come from, and their date."),
        };
    }
};

/// A machine as somebody would buy it.
struct BoughtMachine {
    int nodes = 1;
    int devices = 8;
    Usd node_price;       // each
    Usd network_price;    // in all
    bool operator==(const BoughtMachine&) const = default;
};

struct OwnershipBill {
    Usd nodes, network, storage, racks, cooling;   // purchases
    Usd capital_year;      // annuity of the purchases less what is left at the end
    Usd operation_year;    // operation, staff, repairs
    [[nodiscard]] Usd purchase() const { return nodes + network + storage + racks + cooling; }
};

/// Purchases at `own`'s prices; a year of capital is P r / (1 - (1 + r)^-n) of what is not left at the end, P / n without
/// interest (the annuity of any textbook), and r of what is.
OwnershipBill ownership_bill(const OwnHardware& own, const BoughtMachine& machine);

/// Rent of one device for one hour under a rented tenure.
Usd rent_hour(const Prices& prices, Tenure tenure);

/// Capital and operation of one device for one hour of use, without electricity.
Usd owned_hour(const OwnHardware& own, const BoughtMachine& machine);

/// What an hour of a device costs whatever it does: rent, or ownership without electricity.
Usd device_hour_of(const Prices& prices, const BoughtMachine& machine);

/// Electricity that is paid beside that: none where rented.
UsdPerJoule energy_paid(const Prices& prices);

/// Time after which buying has cost less than renting the same used hours at `rent`: purchase / (rent of those hours
/// - operation - electricity). `power`: of the machine in use, with PUE. Nothing where renting stays cheaper.
std::optional<Seconds> break_even(const Prices& prices, const BoughtMachine& machine, Usd rent, Watts power);

}  // namespace orrery
