// One server (or rack that is sold as one): devices, the network ports they have, power and price.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <string>

namespace orrery {

enum class ScaleUp : std::uint8_t { switched, mesh, cube_mesh, torus, pcie };

template <>
struct EnumTable<ScaleUp> {
    static constexpr std::array<EnumName<ScaleUp>, 5> names{{
        {ScaleUp::switched, "switched", "every device reaches every other through switches at full rate (NVSwitch)"},
        {ScaleUp::mesh, "mesh", "a direct link between every two devices (xGMI, Gaudi)"},
        {ScaleUp::cube_mesh, "cube-mesh", "hybrid cube mesh of DGX-1"},
        {ScaleUp::torus, "torus", "links to neighbours in two or three dimensions (TPU, Trainium)"},
        {ScaleUp::pcie, "pcie", "through the host's PCIe root or switches"},
    }};
};

struct Node {
    std::string name;
    std::string title;
    std::string device;                // catalogue name
    int devices = 8;
    ScaleUp scale_up = ScaleUp::switched;
    int scale_up_domain = 8;           // devices that reach each other over scale-up links; may span nodes
    int scale_up_switches = 1;         // of one domain, if it is switched
    int scale_up_links = 0;            // links of one device into its domain; 0: not known
    int nics = 8;
    BytesPerSecond nic_bandwidth;      // each, one direction
    std::string nic_kind;              // "infiniband", "roce", "efa", "ici", "dcn", "slingshot": sets hop latency
    Watts power_max;                   // whole node, rated
    double measured_power_share = 0.0; // measured maximum over rated; 0: not known
    Usd price;                         // purchase; 0: not known
    int host_cores = 0;                // of the whole node; these seven: 0 where not known
    Bytes host_memory;
    BytesPerSecond host_memory_bandwidth;
    BytesPerSecond host_link_bandwidth;  // of one device to host memory, one direction: PCIe or a chip-to-chip link
    int devices_per_host_link = 1;       // that share one such link through a switch
    Bytes local_storage;                 // NVMe drives of the node
    BytesPerSecond local_storage_bandwidth;

    static constexpr auto fields() {
        using N = Node;
        return std::tuple{
            required_field("title", &N::title, any_value, "Name as people write it."),
            required_field("device", &N::device, any_value, "Catalogue name of its devices."),
            required_field("devices", &N::devices, count, "How many of them."),
            required_field("scale_up", &N::scale_up, any_value, "How devices reach each other inside."),
            required_field("scale_up_domain", &N::scale_up_domain, count,
                           "Devices that reach each other over scale-up links; may span nodes."),
            field("scale_up_switches", &N::scale_up_switches, count, "Switches of one scale-up domain."),
            field("scale_up_links", &N::scale_up_links, count, "Links of one device into its scale-up domain."),
            required_field("nics", &N::nics, count, "Network ports."),
            required_field("nic_bandwidth", &N::nic_bandwidth, positive, "Rate of one port, one direction."),
            required_field("nic_kind", &N::nic_kind, any_value, "Kind of network; sets the hop latency."),
            field("power_max", &N::power_max, positive, "Rated power of the whole node."),
            field("measured_power_share", &N::measured_power_share, fraction, "Highest measured power over the rated."),
            field("price", &N::price, positive, "Purchase price."),
            field("host_cores", &N::host_cores, count, "Cores of the host's processors."),
            field("host_memory", &N::host_memory, positive, "Memory of the host."),
            field("host_memory_bandwidth", &N::host_memory_bandwidth, positive, "Peak rate of the host's memory."),
            field("host_link_bandwidth", &N::host_link_bandwidth, positive,
                  "Rate of one device's link to the host, one direction."),
            field("devices_per_host_link", &N::devices_per_host_link, count,
                  "Devices that share one link to the host through a switch."),
            field("local_storage", &N::local_storage, positive, "Capacity of the node's own drives."),
            field("local_storage_bandwidth", &N::local_storage_bandwidth, positive,
                  "Rate of the node's own drives together, reading or writing."),
        };
    }
};

/// Money, energy and facility of a plan. Rental counts everything; energy is reported beside it, not added to it.
struct Economics {
    Usd device_hour{};                 // per device and hour; 0: take the catalogue's
    UsdPerJoule energy_price = UsdPerJoule::from_si(0.08 / 3.6e6);
    double pue = 1.2;
    static constexpr auto fields() {
        using E = Economics;
        return std::tuple{
            field("usd_per_device_hour", &E::device_hour, non_negative,
                  "Rent of one device for one hour; 0 or absent: the median of the catalogue's prices."),
            field("usd_per_kwh", &E::energy_price, non_negative, "Price of electricity, per kWh.",
                  "user input; 0.08 USD/kWh is the example of the documentation"),
            field("pue", &E::pue, {1.0, 5.0}, "Facility power over IT power.",
                  "Uptime Institute survey 2023: 1.58 mean; Google fleet 1.09; new halls 1.2"),
        };
    }
};

}  // namespace orrery
