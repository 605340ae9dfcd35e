// Draws the loads of experts and turns those of the most loaded rank into work.
#include "kernels/expert_layer.hpp"

#include "hardware/rng.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

constexpr int loads_drawn = 2048;   // per row of a table: few experts are drawn more often
constexpr int draws_least = 4;
constexpr int draws_most = 64;

struct ExpertLoad {
    double rows = 0.0;
    double rows_max = 0.0;
    double groups = 0.0;   // with rows
};

// The collector deals token t to experts t + i stride, with stride = experts / choices; fewer tokens than that are
// spread over the stride. The first rank is what was measured.
ExpertLoad even_load(const MeasuredExperts& row) {
    const double local = std::max(std::floor(row.experts / row.expert_parallel), 1.0);
    const double stride = std::max(std::ceil(row.experts / row.per_token), 1.0);
    ExpertLoad load;
    for (double expert = 0.0; expert < local; ++expert) {
        const double place = std::fmod(expert, stride);
        double rows = 0.0;
        if (row.tokens >= stride) {
            rows = place < row.tokens ? std::floor((row.tokens - 1.0 - place) / stride) + 1.0 : 0.0;
        } else {
            const double token = std::ceil(place * row.tokens / stride);
            rows = std::floor(token * stride / row.tokens) == place && token < row.tokens ? 1.0 : 0.0;
        }
        load.rows += rows;
        load.rows_max = std::max(load.rows_max, rows);
        load.groups += rows > 0.0 ? 1.0 : 0.0;
    }
    return load;
}

// Loads of all experts; whole rows, since an expert that expects less than half a row gets none.
std::vector<double> power_law_loads(const MeasuredExperts& row, Rng& rng) {
    const double total = row.tokens * row.per_token;
    const double low = total > row.experts ? 1.0 : 0.01;
    const double high = total > row.experts ? std::max(0.8 * row.tokens, 2.0) : 2.0;
    const double e = 1.0 - row.power;
    const double at_low = std::pow(low, e);
    const double at_high = std::pow(high, e);
    std::vector<double> loads(static_cast<std::size_t>(row.experts));
    double sum = 0.0;
    for (double& load : loads) {
        load = std::pow((at_high - at_low) * rng.uniform() + at_low, 1.0 / e);
        sum += load;
    }
    double left = total;
    for (double& load : loads) {
        load = std::round(load * total / sum);
        left -= load;
    }
    double& fullest = *std::max_element(loads.begin(), loads.end());
    fullest = std::max(fullest + left, 1.0);  // rounding is settled with the fullest
    return loads;
}

ExpertLoad fullest_rank(const std::vector<double>& loads, const MeasuredExperts& row) {
    const auto ranks = static_cast<std::size_t>(row.expert_parallel);
    const std::size_t local = std::max<std::size_t>(loads.size() / ranks, 1);
    ExpertLoad most;
    for (std::size_t begin = 0; begin + local <= loads.size(); begin += local) {
        ExpertLoad here;
        for (std::size_t i = begin; i < begin + local; ++i) {
            here.rows += loads[i];
            here.rows_max = std::max(here.rows_max, loads[i]);
            here.groups += loads[i] > 0.0 ? 1.0 : 0.0;
        }
        if (here.rows > most.rows) most = here;
    }
    return most;
}

ExpertLoad mean_load(const MeasuredExperts& row) {
    if (row.power <= 0.0) return even_load(row);
    Rng rng = Rng::stream(1, "expert loads", static_cast<std::uint64_t>(row.experts * row.expert_parallel));
    const int draws = std::clamp(static_cast<int>(loads_drawn / row.experts), draws_least, draws_most);
    ExpertLoad mean;
    for (int draw = 0; draw < draws; ++draw) {
        const ExpertLoad one = fullest_rank(power_law_loads(row, rng), row);
        mean.rows += one.rows / draws;
        mean.rows_max += one.rows_max / draws;
        mean.groups += one.groups / draws;
    }
    return mean;
}

}  // namespace

ExpertLayer expert_layer(const MeasuredExperts& row) {
    const ExpertLoad load = mean_load(row);
    const auto whole = [](double value) { return std::max<std::int64_t>(std::llround(value), 1); };
    const double inner = row.inner / row.tensor;
    const double wide = row.gated ? 2.0 * inner : inner;
    ExpertLayer layer;
    layer.up.rows = whole(load.rows);
    layer.up.rows_max = std::min(whole(load.rows_max), layer.up.rows);
    layer.up.groups = std::min(whole(load.groups), layer.up.rows);
    layer.up.n = whole(wide);
    layer.up.k = whole(row.hidden);
    layer.up.type = row.type;
    layer.down = layer.up;
    layer.down.n = layer.up.k;
    layer.down.k = whole(inner);
    layer.moved =
        Bytes::from_si(2.0 * (load.rows * (3.0 * row.hidden + wide + inner) + row.tokens * row.hidden));
    return layer;
}

}  // namespace orrery
