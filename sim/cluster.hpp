// The machine a workload runs on: nodes of devices on a fabric, with what is wrong with some of them.
#pragma once

#include "hardware/device.hpp"
#include "hardware/node.hpp"
#include "network/fabric.hpp"

#include <memory>
#include <string>
#include <vector>

namespace orrery {

/// One device that computes slower than its kind: every piece of work takes `factor` times as long.
struct SlowDevice {
    RankId rank = 0;
    double factor = 1.0;
    static constexpr auto fields() {
        using S = SlowDevice;
        return std::tuple{
            required_field("rank", &S::rank, non_negative, "The device, counted node by node from 0."),
            required_field("factor", &S::factor, {1.0, 1000.0}, "How many times longer its work takes."),
        };
    }
};

/// One device whose network port runs below its rate, both directions.
struct SlowLink {
    RankId rank = 0;
    double rate = 1.0;
    static constexpr auto fields() {
        using S = SlowLink;
        return std::tuple{
            required_field("rank", &S::rank, non_negative, "The device whose port it is."),
            required_field("rate", &S::rate, {0.001, 1.0}, "Share of the nominal rate that is left."),
        };
    }
};

/// What differs from the ideal machine.
struct Faults {
    std::vector<SlowDevice> slow_devices;
    std::vector<SlowLink> slow_links;
    std::vector<LinkFault> links;          // between nodes and switches
    std::vector<SwitchFault> switches;
    Seconds reroute = reroute_usual;
    double jitter = 0.0;      // deviation of ln(time) of each pass of each rank; > 0 makes every rank its own class
    static constexpr auto fields() {
        using F = Faults;
        return std::tuple{
            field("slow_devices", &F::slow_devices, any_value, "Devices that compute slower than their kind."),
            field("slow_links", &F::slow_links, any_value, "Devices whose network port runs below its rate."),
            field("links", &F::links, any_value, "Cables of the network that have failed, flap or run below their rate."),
            field("switches", &F::switches, any_value, "Switches of the network that have failed or run below their rate."),
            field("reroute_time", &F::reroute, positive, "From a failure to traffic on other ways; what a flapping link loses.",
                  "three missed BFD messages 50 ms apart; RFC 5880 leaves the interval to the operator"),
            field("jitter", &F::jitter, {0.0, 1.0},
                  "Standard deviation of ln(time) of every pass of every device, seeded; 0: none."),
        };
    }
};

struct Cluster;

/// Nodes of one type among those of a mixed machine.
struct DeviceGroup {
    std::string name;                      // of the node type
    int first_node = 0;
    int nodes = 1;
    std::shared_ptr<const Cluster> alike;  // the whole machine as if every node were of this type: it prices what runs here
    Usd device_hour;                       // of one of its devices; 0: not known
};

struct Cluster {
    Device device;
    Node node;
    int nodes = 1;
    Fabric fabric;
    Faults faults;
    double kernel_power = 1.0;   // that kernels draw, over what they do at the usual clock
    /// Of a mixed machine, node by node; `device`, `node` and `kernel_power` are then those of the first. Empty: all nodes alike.
    std::vector<DeviceGroup> groups;
    [[nodiscard]] int devices() const { return node.devices * nodes; }
    [[nodiscard]] bool is_mixed() const { return !groups.empty(); }
    /// The machine as the group of a device sees it.
    [[nodiscard]] const Cluster& alike_at(RankId rank) const {
        for (const DeviceGroup& group : groups) {
            if (rank < (group.first_node + group.nodes) * node.devices) return *group.alike;
        }
        return *this;
    }
};

}  // namespace orrery
