// CollNet: switches of the network add up (SHARP), so that every port carries its bytes once each way, whatever the number
// of nodes; inside a domain every member works on its own part.
// Graham et al., "Scalable Hierarchical Aggregation Protocol (SHARP)", COMHPC 2016.
#include "network/exchange.hpp"

namespace orrery {

bool schedule_collnet(const ExchangeCase& c, Exchange& exchange) {
    if (c.kind != CollectiveKind::all_reduce || c.domains.size() < 2) return false;
    const int network = c.ranks + static_cast<int>(c.domains.size());
    for (const std::vector<int>& domain : c.domains) {
        const double part = c.bytes / static_cast<double>(domain.size());
        const int inside = domain.size() > 1 ? 1 : 0;
        for (const int from : domain) {
            for (const int to : domain) {
                if (from == to) continue;
                exchange.send(from, to, part, 0);  // to be added up there
                ExchangeStream& back = exchange.send(from, to, part, 0);
                back.lead_steps = 1;
                back.lead_hops = 2;
            }
            exchange.send(from, network, part, 0).lead_steps = inside;
            ExchangeStream& down = exchange.send(network, from, part, 0);
            down.lead_steps = inside;
            down.lead_hops = 1;
        }
    }
    return true;
}

}  // namespace orrery
