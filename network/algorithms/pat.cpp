// PAT, parallel aggregated trees: all-gather and reduce-scatter in ceil(log2 n) steps, the farthest partner first, so that
// the large messages are those between neighbours.
// Jeaugey, "PAT: a new algorithm for all-gather and reduce-scatter operations at scale", arXiv 2506.20252, 2025.
#include "network/exchange.hpp"

#include <vector>

namespace orrery {

bool schedule_pat(const ExchangeCase& c, Exchange& exchange) {
    const int n = c.ranks;
    const bool gathers = c.kind == CollectiveKind::all_gather;
    if ((!gathers && c.kind != CollectiveKind::reduce_scatter) || n < 2) return false;
    std::vector<int> distances;
    for (int away = 1; away < n; away *= 2) distances.push_back(away);
    if (gathers) distances = {distances.rbegin(), distances.rend()};
    int phase = 0;
    for (const int away : distances) {
        // Shards that are there after the farther steps, at multiples of twice the distance, and lie within the ranks.
        int shards = 0;
        for (int at = 0; at + away < n; at += 2 * away) ++shards;
        for (int rank = 0; rank < n; ++rank) {
            const int to = gathers ? (rank + away) % n : (rank + n - away) % n;
            exchange.send(rank, to, c.bytes / n * shards, phase);
        }
        ++phase;
    }
    return true;
}

}  // namespace orrery
