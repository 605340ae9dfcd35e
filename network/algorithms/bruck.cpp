// Bruck's algorithm: all-gathers and all-to-alls of small messages in ceil(log2 n) steps for any n.
// Bruck, Ho, Kipnis, Upfal & Weathersby, "Efficient algorithms for all-to-all communications in multiport message-passing
// systems", IEEE TPDS 8(11), 1997.
#include "network/exchange.hpp"

#include <algorithm>

namespace orrery {

bool schedule_bruck(const ExchangeCase& c, Exchange& exchange) {
    const int n = c.ranks;
    const bool gathers = c.kind == CollectiveKind::all_gather;
    if ((!gathers && c.kind != CollectiveKind::all_to_all) || n < 2 || !c.shares.empty()) return false;
    int phase = 0;
    for (int away = 1; away < n; away *= 2, ++phase) {
        int blocks = std::min(away, n - away);
        if (!gathers) {  // those whose distance to go has this bit
            blocks = 0;
            for (int j = 1; j < n; ++j) blocks += (j & away) != 0 ? 1 : 0;
        }
        for (int rank = 0; rank < n; ++rank) {
            const int to = gathers ? (rank + n - away) % n : (rank + away) % n;
            exchange.send(rank, to, c.bytes / n * blocks, phase);
        }
    }
    return true;
}

}  // namespace orrery
