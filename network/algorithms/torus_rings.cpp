// Rings along the dimensions of a torus, both ways round: the bytes divide into as many parts as there are dimensions, and
// each part goes through the dimensions in another order, so that all links are busy.
// Jain & Sabharwal, "Optimal bucket algorithms for large MPI collectives on torus interconnects", ICS 2010.
#include "network/exchange.hpp"

#include <functional>
#include <numeric>

namespace orrery {

namespace {

struct TorusPass {
    int dimension;
    double bytes;  // that a rank holds where the pass begins (scatter) or ends (gather), of one part, one way round
};

/// Both rings along one dimension of every line of the torus.
void add_torus_pass(const ExchangeCase& c, const TorusPass& pass, int phase, Exchange& exchange) {
    const int size = c.torus[static_cast<std::size_t>(pass.dimension)];
    int stride = 1;  // of the dimension; the first varies fastest
    for (int d = 0; d < pass.dimension; ++d) stride *= c.torus[static_cast<std::size_t>(d)];
    for (int first = 0; first < c.ranks; ++first) {
        if (first / stride % size != 0) continue;
        std::vector<int> line;
        for (int i = 0; i < size; ++i) line.push_back(first + i * stride);
        add_ring(c, line, pass.bytes / size, size - 1, phase, exchange);
        const std::vector<int> back(line.rbegin(), line.rend());
        add_ring(c, back, pass.bytes / size, size - 1, phase, exchange);
    }
}

}  // namespace

bool schedule_torus_rings(const ExchangeCase& c, Exchange& exchange) {
    const bool all_reduce = c.kind == CollectiveKind::all_reduce || c.kind == CollectiveKind::barrier;
    const bool scatters = all_reduce || c.kind == CollectiveKind::reduce_scatter;
    const bool gathers = all_reduce || c.kind == CollectiveKind::all_gather;
    const int cells = std::accumulate(c.torus.begin(), c.torus.end(), 1, std::multiplies<>());
    if (c.torus.empty() || cells != c.ranks || (!scatters && !gathers)) return false;
    std::vector<int> dimensions;
    for (std::size_t d = 0; d < c.torus.size(); ++d) {
        if (c.torus[d] > 1) dimensions.push_back(static_cast<int>(d));
    }
    const std::size_t parts = dimensions.size();
    std::vector<std::vector<TorusPass>> passes;  // by part
    for (std::size_t part = 0; part < parts; ++part) {
        std::vector<TorusPass> down;
        double bytes = c.bytes / static_cast<double>(parts) / 2.0;
        for (std::size_t i = 0; i < parts; ++i) {
            const int dimension = dimensions[(part + i) % parts];
            down.push_back({dimension, bytes});
            bytes /= c.torus[static_cast<std::size_t>(dimension)];
        }
        std::vector<TorusPass> all;
        if (scatters) all = down;
        if (gathers) all.insert(all.end(), down.rbegin(), down.rend());
        passes.push_back(all);
    }
    for (std::size_t phase = 0; parts > 0 && phase < passes.front().size(); ++phase) {
        for (const auto& part : passes) add_torus_pass(c, part[phase], static_cast<int>(phase), exchange);
    }
    return parts > 0;
}

}  // namespace orrery
