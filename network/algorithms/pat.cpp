// PAT, parallel aggregated trees: all-gather and reduce-scatter in ceil(log2 n) steps, the farthest partner first, so that
// the large messages are those between neighbours.
// Jeaugey, "PAT: a new algorithm for all-gather and reduce-scatter operations at scale", arXiv 2506.20252, 2025.
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"
#include "network/link_rates.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace orrery {

namespace {

/// Share of a ring's rate that the library expects of it (NCCL 2.30.7 src/graph/tuning.cc:289-450).
constexpr double pat_rate_share = 0.75;

/// Partners' distances, and the shards that each step carries.
struct PatStep {
    std::size_t away = 1;
    int shards = 0;
};
std::vector<PatStep> pat_steps(std::size_t ranks) {
    std::vector<PatStep> steps;
    for (std::size_t away = 1; away < ranks; away *= 2) {
        PatStep step{away, 0};
        for (std::size_t at = 0; at + away < ranks; at += 2 * away) ++step.shards;
        steps.push_back(step);
    }
    return steps;
}

}  // namespace

void offer_pat(const CollectiveCase& c, OfferList& list) {
    const bool moves = c.collective.kind == CollectiveKind::all_gather || c.collective.kind == CollectiveKind::reduce_scatter;
    if (!moves || c.shape.domains < 2 || c.shape.per_domain != 1) return;
    const double n = c.shape.ranks;
    CollectivePrice price;
    price.algorithm = "pat";
    // 8 us, 14 / 3.5 us a level (InfiniBand; other networks as their hop is longer) and 2.8 us a rank, same table.
    price.latency = 8e-6 + std::log2(n) * simple_hop_ratio / 3.5 * c.net_hop + n * 2.8e-6;
    price.size = c.bytes;
    price.port_load = (n - 1.0) / n * port_payload_share / c.parameters.gather_port_share / pat_rate_share;
    price.rate_max = limit_across(c, 0.0, price.port_load);
    list.add(price, nccl_time(nccl_group(c), c.collective.kind, c.bytes, NcclAlgorithm::pat, NcclProtocol::simple));
}

void lay_pat(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads) {
    lay_ports(group, price.port_load, loads);
    if (!crosses_trunks(group)) return;
    const std::size_t domains = group.domains.size();
    TrunkLoads trunks;
    for (const PatStep& step : pat_steps(domains)) {
        const double part = price.port_load * step.shards / (static_cast<double>(domains) - 1.0);
        for (std::size_t i = 0; i < domains; ++i) load_trunks(group, i, (i + step.away) % domains, part, trunks);
    }
    add_trunks(group.fabric, trunks, loads);
}

bool schedule_pat(const ExchangeCase& c, Exchange& exchange) {
    const int n = c.ranks;
    const bool gathers = c.kind == CollectiveKind::all_gather;
    if ((!gathers && c.kind != CollectiveKind::reduce_scatter) || n < 2) return false;
    std::vector<PatStep> steps = pat_steps(static_cast<std::size_t>(n));
    if (gathers) std::reverse(steps.begin(), steps.end());
    int phase = 0;
    for (const PatStep& step : steps) {
        const auto away = static_cast<int>(step.away);
        for (int rank = 0; rank < n; ++rank) {
            const int to = gathers ? (rank + away) % n : (rank + n - away) % n;
            exchange.send(rank, to, c.bytes / n * step.shards, phase);
        }
        ++phase;
    }
    return true;
}

}  // namespace orrery
