// Recursive halving and doubling: log2(n) exchanges with the rank whose number differs in one bit.
// Thakur, Rabenseifner & Gropp, "Optimization of collective communication operations in MPICH", IJHPCA 19(1), 2005.
#include "network/exchange.hpp"

#include <bit>

namespace orrery {

/// Where n is no power of two, the ranks beyond it hand their bytes to a partner before and get the result after (all-
/// reduce alone).
bool schedule_doubling(const ExchangeCase& c, Exchange& exchange) {
    const bool all_reduce = c.kind == CollectiveKind::all_reduce || c.kind == CollectiveKind::barrier;
    const bool halves = all_reduce || c.kind == CollectiveKind::reduce_scatter;
    const bool doubles = all_reduce || c.kind == CollectiveKind::all_gather;
    if (!halves && !doubles) return false;
    const int core = static_cast<int>(std::bit_floor(static_cast<unsigned>(c.ranks)));
    const int beyond = c.ranks - core;
    if (c.ranks < 2 || (beyond > 0 && !all_reduce)) return false;
    int phase = 0;
    for (int i = 0; i < beyond; ++i) exchange.send(core + i, i, c.bytes, phase);
    if (beyond > 0) ++phase;
    double part = c.bytes / 2.0;
    if (halves) {
        for (int bit = core / 2; bit >= 1; bit /= 2, part /= 2.0, ++phase) {
            for (int rank = 0; rank < core; ++rank) exchange.send(rank, rank ^ bit, part, phase);
        }
    }
    if (doubles) {
        part = c.bytes / core;
        for (int bit = 1; bit < core; bit *= 2, part *= 2.0, ++phase) {
            for (int rank = 0; rank < core; ++rank) exchange.send(rank, rank ^ bit, part, phase);
        }
    }
    for (int i = 0; i < beyond; ++i) exchange.send(i, core + i, c.bytes, phase);
    return true;
}

}  // namespace orrery
