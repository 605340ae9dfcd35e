// Everyone to everyone: flow by flow, or row by row of distances as one flow from all senders at once.
#include "network/exchange_loads.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace orrery {

namespace {

/// Pairs that are routed one by one: half a second's worth.
constexpr std::size_t routed_pairs_max = std::size_t{1} << 18U;

bool hands_on(const RoutedNetwork& network, int vertex) {
    return vertex >= network.graph.end_points || network.graph.end_points_forward;
}

/// Everything that the end points of one row receive flows towards them, the farthest vertices first.
class RowFlow {
  public:
    RowFlow(const RoutedNetwork& network, const ExchangeEnds& ends, std::vector<double>& by_link)
        : network_(network), ends_(ends), by_link_(by_link), inflow_(network.graph.vertices.size(), 0.0) {}

    /// `targets`: end points of one row, and of one rail where rails are kept.
    void run(std::span<const int> targets) {
        std::fill(inflow_.begin(), inflow_.end(), 0.0);
        by_hops_.clear();
        wanted_ = 0.0;
        wanted_by_domain_.clear();
        for (const int target : targets) {
            wanted_ += ends_.receives[target];
            wanted_by_domain_[ends_.domain[target]] += ends_.receives[target];
        }
        if (wanted_ <= 0.0) return;
        place_senders(targets);
        for (std::size_t hops = by_hops_.size(); hops-- > 1;) {
            for (std::size_t i = 0; i < by_hops_[hops].size(); ++i) pass_on(by_hops_[hops][i], static_cast<int>(hops), targets);
        }
    }

  private:
    void put(int vertex, double bytes, int hops) {
        if (by_hops_.size() <= static_cast<std::size_t>(hops)) by_hops_.resize(static_cast<std::size_t>(hops) + 1);
        if (inflow_[vertex] == 0.0) by_hops_[static_cast<std::size_t>(hops)].push_back(vertex);
        inflow_[vertex] += bytes;
    }

    void place_senders(std::span<const int> targets) {
        const int ports = network_.graph.ports_per_node;
        for (int e = 0; e < network_.graph.end_points; ++e) {
            if (ends_.by_rail && e % ports != targets.front() % ports) continue;
            const auto own = wanted_by_domain_.find(ends_.domain[e]);
            const double wanted = wanted_ - (own == wanted_by_domain_.end() ? 0.0 : own->second);
            const double bytes = ends_.sends[e] * wanted;
            const int hops = network_.hops_to(e, targets.front());
            if (bytes > 0.0 && hops != far_away) put(e, bytes, hops);
        }
    }

    void pass_on(int vertex, int hops, std::span<const int> targets) {
        const double bytes = inflow_[vertex];
        if (hops == 1) return hand_out(vertex, bytes, targets);
        double rates = 0.0;
        const auto first = network_.first_out[vertex];
        const auto end = network_.first_out[vertex + 1];
        const auto is_nearer = [&](const DirectedLink& link) {
            return hands_on(network_, link.to) && network_.hops_to(link.to, targets.front()) == hops - 1;
        };
        for (auto l = first; l < end; ++l) {
            if (is_nearer(network_.links[l])) rates += network_.links[l].bandwidth.si();
        }
        for (auto l = first; l < end; ++l) {
            const DirectedLink& link = network_.links[l];
            if (!is_nearer(link)) continue;
            const double part = bytes * link.bandwidth.si() / rates;
            by_link_[l] += part;
            put(link.to, part, hops - 1);
        }
    }

    /// The last link, to each receiver by what it gets.
    void hand_out(int vertex, double bytes, std::span<const int> targets) {
        const auto end = network_.first_out[vertex + 1];
        for (auto l = network_.first_out[vertex]; l < end;) {
            const int to = network_.links[l].to;
            auto next = l;
            double rates = 0.0;
            for (; next < end && network_.links[next].to == to; ++next) rates += network_.links[next].bandwidth.si();
            const bool receives = to < network_.graph.end_points && std::binary_search(targets.begin(), targets.end(), to);
            for (; l < next; ++l) {
                if (receives) by_link_[l] += bytes * ends_.receives[to] / wanted_ * network_.links[l].bandwidth.si() / rates;
            }
        }
    }

    const RoutedNetwork& network_;
    const ExchangeEnds& ends_;
    std::vector<double>& by_link_;
    std::vector<double> inflow_;              // by vertex
    std::vector<std::vector<int>> by_hops_;   // vertices that something flows through
    std::map<int, double> wanted_by_domain_;
    double wanted_ = 0.0;
};

}  // namespace

ExchangeEnds exchange_ends(const Fabric& fabric, const RoutedNetwork& network, std::span<const RankId> members,
                           std::span<const double> shares) {
    const int ports = network.graph.ports_per_node;
    const auto port_of = [&](RankId rank) {
        return rank / fabric.devices_per_node * ports + rank % fabric.devices_per_node * ports / fabric.devices_per_node;
    };
    ExchangeEnds ends;
    ends.by_rail = ports > 1 && fabric.topology.starts_with("rail");
    ends.sends.assign(static_cast<std::size_t>(network.graph.end_points), 0.0);
    ends.receives = ends.sends;
    ends.domain.resize(ends.sends.size());
    for (int e = 0; e < network.graph.end_points; ++e) {
        ends.domain[e] = (e / ports * fabric.devices_per_node + e % ports * fabric.devices_per_node / ports) / fabric.domain;
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
        const int port = port_of(members[i]);
        ends.receives[port] += shares.empty() ? 1.0 : shares[i];
        if (!ends.by_rail) {
            ends.sends[port] += 1.0;
            continue;
        }
        for (int rail = 0; rail < ports; ++rail) ends.sends[port / ports * ports + rail] += 1.0;
    }
    return ends;
}

std::vector<double> even_exchange_loads(const RoutedNetwork& network, const ExchangeEnds& ends) {
    std::vector<double> by_link(network.links.size(), 0.0);
    std::map<std::pair<int, int>, std::vector<int>> targets;  // by row and rail
    for (int e = 0; e < network.graph.end_points; ++e) {
        if (ends.receives[e] <= 0.0) continue;
        targets[{network.row_of[e], ends.by_rail ? e % network.graph.ports_per_node : 0}].push_back(e);
    }
    RowFlow flow(network, ends, by_link);
    for (const auto& [row, of_row] : targets) flow.run(of_row);
    return by_link;
}

double busiest_by_chance(double bytes, double flow, double links) {
    if (bytes <= 0.0 || flow <= 0.0 || links <= 1.0) return bytes;
    return bytes + std::sqrt(2.0 * std::log(links) * bytes * flow);
}

void lay_pairs(const GroupOnFabric& group, double bytes, std::vector<LinkLoad>& loads) {
    const RoutedNetwork& network = *group.fabric.network;
    TrunkLoads trunks;
    const std::size_t ranks = group.sorted.size();
    if (ranks * ranks <= routed_pairs_max) {
        for (const DomainRun& from : group.domains) {
            for (const DomainRun& to : group.domains) {
                for (std::size_t i = from.begin; &from != &to && i < from.end; ++i) {
                    for (std::size_t j = to.begin; j < to.end; ++j) route_bytes(group, group.sorted[i], group.sorted[j], bytes, trunks);
                }
            }
        }
        return add_trunks(group.fabric, trunks, loads);
    }
    const std::vector<double> even = even_exchange_loads(network, exchange_ends(group.fabric, network, group.sorted, {}));
    const auto is_port = [&](int v) {
        return v < network.graph.end_points && network.first_out[v + 1] - network.first_out[v] == 1;
    };
    double switched = 0.0;
    for (std::size_t l = 0; l < even.size(); ++l) switched += even[l] > 0.0 && !is_port(network.links[l].from) && !is_port(network.links[l].to) ? 1.0 : 0.0;
    const double flow = network.options.routing == Routing::ecmp ? bytes / std::max(1, network.options.flows) : 0.0;
    for (std::size_t l = 0; l < even.size(); ++l) {
        const DirectedLink& link = network.links[l];
        if (even[l] <= 0.0 || is_port(link.from) || is_port(link.to)) continue;
        trunks.routed.push_back({static_cast<LinkId>(l), busiest_by_chance(bytes * even[l], flow, switched)});
    }
    add_trunks(group.fabric, trunks, loads);
}

}  // namespace orrery
