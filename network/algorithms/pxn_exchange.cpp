// Hierarchical all-to-all: inside its domain every rank hands what is meant for a place to the neighbour at that place,
// which sends it on over its own rail, gathered with the others' (PXN).
// Jeaugey, "Doubling all2all performance with NVIDIA Collective Communication Library 2.12", NVIDIA blog, 2022; two-
// dimensional all-to-all of Tutel (Hwang et al., MLSys 2023).
#include "network/exchange.hpp"

#include <algorithm>

namespace orrery {

bool schedule_pxn_exchange(const ExchangeCase& c, Exchange& exchange) {
    if (c.kind != CollectiveKind::all_to_all || c.domains.size() < 2) return false;
    const std::size_t g = c.domains.front().size();
    if (g < 2 || std::any_of(c.domains.begin(), c.domains.end(), [&](const auto& d) { return d.size() != g; })) return false;
    const auto share_of = [&](int to) { return c.shares.empty() ? 1.0 / c.ranks : c.shares[static_cast<std::size_t>(to)]; };
    std::vector<double> place_share(g, 0.0);  // of what everyone sends, for all ranks at that place
    for (const std::vector<int>& domain : c.domains) {
        for (std::size_t place = 0; place < g; ++place) place_share[place] += share_of(domain[place]);
    }
    for (const std::vector<int>& domain : c.domains) {
        for (std::size_t from = 0; from < g; ++from) {
            for (std::size_t to = 0; to < g; ++to) {
                if (from != to && place_share[to] > 0.0) exchange.send(domain[from], domain[to], c.bytes * place_share[to], 0);
            }
        }
    }
    for (const std::vector<int>& domain : c.domains) {
        for (const std::vector<int>& other : c.domains) {
            if (&domain == &other) continue;
            for (std::size_t place = 0; place < g; ++place) {
                const double bytes = c.bytes * share_of(other[place]) * static_cast<double>(g);
                if (bytes > 0.0) exchange.send(domain[place], other[place], bytes, 1);
            }
        }
    }
    return true;
}

}  // namespace orrery
