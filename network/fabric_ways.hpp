// The links of a fabric as flows meet them, and the ways over them from rank to rank and from rank to switch.
#pragma once

#include "network/fabric.hpp"
#include "network/flow_set.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace orrery {

/// Shares of the links' rates that payload reaches.
struct LinkShares {
    double scale_up = 1.0;
    double network = 1.0;  // beside port_payload_share
};

/// Ways of messages on one fabric. Inside a scale-up domain: out of one device and into the other; over the links of a
/// torus or mesh where the domain is one. Between domains: port by port through the network's own cables.
class FabricWays {
  public:
    /// `graph`: cables and switches, faults done; of no matter where all devices share a domain. `packets`: sprayed
    /// messages may take several ways. Problems: routing that cannot be played as flows; ranks cut off.
    static Result<FabricWays> make(const Fabric& fabric, NetworkGraph graph, const RouteOptions& options, bool packets);

    /// Ways from one rank to another; several where messages are sprayed, all with the same first link. `bytes` is what
    /// adaptive routing remembers of the message in `memory`; null: it sees an empty network.
    void find(RankId from, RankId to, std::uint64_t flow, std::vector<std::vector<LinkId>>& ways, double bytes = 1.0,
              RouteMemory* memory = nullptr) const;
    /// From a rank to the first switch of its domain or of the network, or back.
    void to_switch(RankId rank, bool network, bool back, std::vector<LinkId>& way) const;

    [[nodiscard]] bool crosses(RankId a, RankId b) const { return a / fabric_->domain != b / fabric_->domain; }
    /// Links with their rates as `shares` leave them.
    [[nodiscard]] LinkTable links(const LinkShares& shares) const;
    [[nodiscard]] std::string link_name(LinkId link) const;
    [[nodiscard]] int network_links_of(std::span<const LinkId> way) const;
    /// Cables and switches between domains; null: all share one.
    [[nodiscard]] const RoutedNetwork* network() const { return network_.get(); }
    [[nodiscard]] LinkId first_network_link() const { return first_network_; }
    [[nodiscard]] const Fabric& fabric() const { return *fabric_; }

  private:
    void find_inside(RankId from, RankId to, std::uint64_t flow, std::vector<LinkId>& way) const;
    void find_network(int from, int to, std::uint64_t flow, int choice, double bytes, RouteMemory* memory,
                      std::vector<LinkId>& way) const;

    const Fabric* fabric_ = nullptr;
    std::shared_ptr<const RoutedNetwork> network_;
    LinkId first_direct_ = 0;   // links of a torus or mesh
    LinkId first_network_ = 0;
    int direct_per_rank_ = 0;
    int spread_ = 1;            // ways looked for
    bool goes_around_ = false;  // each by another group
};

}  // namespace orrery
