// Two levels of rings: reduce-scatter inside every domain, all-reduce between those of equal place (one rail each), all-
// gather inside.
// Cho, Finkler, Serrano, Kung & Hunter, "BlueConnect: decomposing all-reduce for deep learning on heterogeneous network
// hierarchy", IBM J. Research and Development 63(6), 2019.
#include "network/exchange.hpp"

#include <algorithm>

namespace orrery {

bool schedule_two_level(const ExchangeCase& c, Exchange& exchange) {
    const auto domains = static_cast<int>(c.domains.size());
    if (domains < 2) return false;
    const auto g = static_cast<int>(c.domains.front().size());
    const bool equal = std::all_of(c.domains.begin(), c.domains.end(), [&](const auto& d) { return static_cast<int>(d.size()) == g; });
    const bool all_reduce = c.kind == CollectiveKind::all_reduce || c.kind == CollectiveKind::barrier;
    const bool scatters = all_reduce || c.kind == CollectiveKind::reduce_scatter;
    const bool gathers = all_reduce || c.kind == CollectiveKind::all_gather;
    if (!equal || g < 2 || (!scatters && !gathers)) return false;
    int phase = 0;
    const auto inside = [&] {
        for (const std::vector<int>& domain : c.domains) add_ring(c, domain, c.bytes / g, g - 1, phase, exchange);
        ++phase;
    };
    if (scatters) inside();
    for (int place = 0; place < g; ++place) {
        std::vector<int> rail;
        for (const std::vector<int>& domain : c.domains) rail.push_back(domain[static_cast<std::size_t>(place)]);
        add_ring(c, rail, c.bytes / g / domains, (all_reduce ? 2 : 1) * (domains - 1), phase, exchange);
    }
    ++phase;
    if (gathers) inside();
    return true;
}

}  // namespace orrery
