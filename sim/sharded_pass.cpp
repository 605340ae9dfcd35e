// Two clocks and the rhythm of alike layers: what a step of the rhythm adds, the following ones add too.
#include "sim/sharded_pass.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

std::uint8_t stream_of(Axis axis) {
    if (axis == Axis::shard_peers) return 2;
    return axis == Axis::shard ? 1 : 0;
}

std::vector<PassSegment> pass_segments(const LayerPrices& prices, std::span<const Instruction> code) {
    std::vector<PassSegment> segments;
    const auto append = [&](const PassSegment& next) {   // to one of its kind, which it prolongs
        const bool prolongs = !segments.empty() && segments.back().is_compute == next.is_compute &&
                              segments.back().port == Seconds{} && next.port == Seconds{};
        if (prolongs) segments.back().duration += next.duration;
        else segments.push_back(next);
    };
    for (const Instruction& one : code) {
        ORRERY_CHECK(one.op == Op::compute || one.op == Op::exchange);
        if (one.op == Op::compute) {
            append({one.duration, true, {}});
        } else {
            const Exchange& exchange = prices.exchanges[static_cast<std::size_t>(one.exchange)];
            append({exchange.idle * exchange.exposed, false, exchange.fills_port() ? exchange.held_port_time() : Seconds{}});
        }
    }
    return segments;
}

}  // namespace

ShardedLayer sharded_layer(bool is_unit, const LayerPrices& prices, const PricedLayer& layer) {
    ShardedLayer sharded{is_unit, layer.held, layer.trained, {pass_segments(prices, layer.forward), pass_segments(prices, layer.backward)}, {}, {}, {}};
    for (std::size_t w = 0; w < 2; ++w) {
        for (const PassSegment& one : sharded.segments[w]) {
            sharded.alone[w] += one.duration;
            if (one.is_compute) sharded.kernels[w] += one.duration;
            sharded.fills_port[w] = sharded.fills_port[w] || one.port > Seconds{};
        }
    }
    return sharded;
}

Seconds StartedExchanges::total() const {
    Seconds sum{};
    for (std::size_t i = 0; i < count; ++i) sum += idle[i];
    return sum;
}

const StartedExchanges& ShardedPasses::started(CollectiveKind kind, const Holding& holding) {
    for (const KnownExchanges::Entry& one : known_.entries) {
        if (one.kind == kind && one.holding == holding) return one.started;
    }
    StartedExchanges& all = known_.entries.emplace_back(KnownExchanges::Entry{kind, holding, {}}).started;
    pricer_.each_sharded(kind, holding, [&](const Exchange& one) {
        all.stream[all.count] = stream_of(one.axis);
        all.fills_port[all.count] = one.fills_port();
        const PortLoad seen = held_load(one, pricer_.sharded_exposed());
        all.rest[all.count] = one.fills_port() ? seen.rests : Seconds{};
        all.idle[all.count++] = one.idle;
        all.started += one.idle * (one.moving * one.port);
        all.whole.add(held_load(one, 1.0), 1.0);
        all.seen.add(seen, 1.0);
    });
    return all;
}

void ShardedPasses::take_apart(const Chunk& chunk) {
    units_.clear();
    before_.clear();
    after_.clear();
    root_ = root_trained_ = {};
    for (const LayerRun& run : chunk) {
        const ShardedLayer& layer = *kinds_[static_cast<std::size_t>(run.kind)];
        if (layer.is_unit) {
            units_.push_back({&layer, &started(CollectiveKind::all_gather, layer.held),
                              &started(CollectiveKind::reduce_scatter, layer.trained), run.count});
            continue;
        }
        for (int n = 0; n < run.count; ++n) {
            root_.dense += layer.held.dense;
            root_trained_.dense += layer.trained.dense;
            (units_.empty() ? before_ : after_).push_back(&layer);
        }
    }
}

ShardedPasses::Time ShardedPasses::forward(const Chunk& chunk) {
    take_apart(chunk);
    return way(false);
}

ShardedPasses::Time ShardedPasses::backward(const Chunk& chunk) {
    take_apart(chunk);
    std::reverse(units_.begin(), units_.end());
    std::swap(before_, after_);
    return way(true);
}

ShardedPasses::Time ShardedPasses::way(bool backward) {
    const bool gathers = !backward || pricer_.gathers_again();
    const StartedExchanges& root = started(backward ? CollectiveKind::reduce_scatter : CollectiveKind::all_gather, backward ? root_trained_ : root_);
    Time time{root.total() + walk(backward, gathers), root.total(), root.whole};
    for (const Unit& unit : units_) {
        for (const auto& [what, takes_part] : {std::pair(unit.gather, gathers), std::pair(unit.scatter, backward)}) {
            if (!takes_part) continue;
            if (pricer_.prefetches()) {
                time.load.started += what->started * static_cast<double>(unit.count);
            } else {
                time.load.add(what->seen, unit.count);
                time.held += what->total() * (pricer_.sharded_exposed() * static_cast<double>(unit.count));
            }
        }
    }
    return time;
}

/// Where nothing is prefetched an exchange holds compute up for the share that is seen. What it leaves to move waits
/// while the next one of its group holds; see block_time().
void ShardedPasses::show(Clocks& clocks, const StartedExchanges& what) const {
    for (std::size_t i = 0; i < what.count; ++i) {
        const Seconds held = what.idle[i] * pricer_.sharded_exposed();
        if (what.fills_port[i]) clocks.port = std::max(clocks.port, clocks.now) + held + what.rest[i];
        clocks.now += held;
    }
}

void ShardedPasses::start(Clocks& clocks, const StartedExchanges& what, std::array<Seconds, StartedExchanges::most>& done) {
    for (std::size_t i = 0; i < what.count; ++i) {
        Seconds& stream = clocks.free[what.stream[i]];
        stream = std::max({stream, clocks.now, what.fills_port[i] ? clocks.port : Seconds{}}) + what.idle[i];
        if (what.fills_port[i]) {
            clocks.port = stream;
            clocks.on_port[what.stream[i]] = true;
        }
        done[i] = stream;
    }
}

/// An exchange that holds compute up and what moves through the port divide it evenly; see block_time().
void ShardedPasses::hold_port(Clocks& clocks, Seconds held) {
    const Seconds now = clocks.now;
    const auto meet = [&](Seconds& until) { until += std::clamp(until - now, Seconds{}, held); };
    clocks.now += std::min(held, clocks.port - now);
    meet(clocks.port);
    for (std::size_t i = 0; i < clocks.gathered.size(); ++i) {
        if (clocks.through_port[i]) meet(clocks.gathered[i]);
    }
    for (std::size_t i = 0; i < streams; ++i) {
        if (clocks.on_port[i]) meet(clocks.free[i]);
    }
}

void ShardedPasses::gather(Clocks& clocks, const StartedExchanges& what) {
    start(clocks, what, clocks.gathered);
    clocks.through_port = what.fills_port;
}

/// Compute beside a busy stream runs 1/(1 + contention) as fast; see block_time().
void ShardedPasses::compute(Clocks& clocks, const ShardedLayer& layer, bool backward) const {
    const std::size_t w = backward ? 1 : 0;
    const double slow = 1.0 + pricer_.contention();
    Seconds busy_until = std::max({clocks.free[0], clocks.free[1], clocks.free[2]});
    const auto is_alone = [&] { return std::max(busy_until, layer.fills_port[w] ? clocks.port : clocks.now) <= clocks.now; };
    if (is_alone()) {
        clocks.now += layer.alone[w];
        return;
    }
    const Seconds slowed = layer.alone[w] + layer.kernels[w] * (slow - 1.0);
    if (!layer.fills_port[w] && clocks.now + slowed <= busy_until) {
        clocks.now += slowed;
        return;
    }
    Seconds left = layer.alone[w];
    for (const PassSegment& one : layer.segments[w]) {
        if (one.port > Seconds{} && clocks.port > clocks.now) {
            hold_port(clocks, one.port);
            busy_until = std::max({clocks.free[0], clocks.free[1], clocks.free[2]});
        }
        if (is_alone()) break;
        left -= one.duration;
        if (!one.is_compute || busy_until <= clocks.now) {
            clocks.now += one.duration;
            continue;
        }
        const Seconds beside = (busy_until - clocks.now) / slow;   // done of it by then
        clocks.now = one.duration <= beside ? clocks.now + one.duration * slow : busy_until + (one.duration - beside);
    }
    if (is_alone()) clocks.now += left;   // of what comes after
}

void ShardedPasses::run_unit(Clocks& clocks, const Unit& unit, const Unit* next, bool backward, bool gathers) const {
    if (!pricer_.prefetches()) {
        if (gathers) show(clocks, *unit.gather);
        compute(clocks, *unit.layer, backward);
        if (backward) show(clocks, *unit.scatter);
        return;
    }
    if (gathers) {
        for (std::size_t i = 0; i < unit.gather->count; ++i) clocks.now = std::max(clocks.now, clocks.gathered[i]);
        if (next != nullptr) gather(clocks, *next->gather);
    }
    compute(clocks, *unit.layer, backward);
    if (!backward) return;
    std::array<Seconds, StartedExchanges::most> done{};
    start(clocks, *unit.scatter, done);
    if (next != nullptr) return;
    clocks.gathered = done;   // the last ones, for which the pass waits: the streams are serial
    clocks.through_port = unit.scatter->fills_port;
}

/// As many units of which the next one is alike. Once a step moves all clocks as far as the one before it did, and no
/// stream catches up with the compute, all further ones do.
void ShardedPasses::run_alike(Clocks& clocks, const Unit& unit, int steps, bool backward, bool gathers) const {
    using Marks = std::array<Seconds, 2 + streams + StartedExchanges::most>;
    const std::size_t gathered = std::max(unit.gather->count, unit.scatter->count);
    const std::size_t used = pricer_.prefetches() ? 2 + streams + gathered : 2;
    const auto marks = [&](Clocks& c) {   // an idle stream is as good as one that is done now
        Marks all{c.now, c.port = std::max(c.port, c.now)};
        if (used == 2) return all;
        for (std::size_t k = 0; k < streams; ++k) all[2 + k] = c.free[k] = std::max(c.free[k], c.now);
        for (std::size_t k = 0; k < gathered; ++k) all[2 + streams + k] = c.gathered[k] = std::max(c.gathered[k], c.now);
        return all;
    };
    Marks before = marks(clocks);
    Marks step_before{};
    for (int i = 0; i < steps; ++i) {
        run_unit(clocks, unit, &unit, backward, gathers);
        const Marks after = marks(clocks);
        Marks step{};
        for (std::size_t k = 0; k < used; ++k) step[k] = after[k] - before[k];
        bool is_steady = i > 0 && i + 1 < steps;
        for (std::size_t k = 0; k < used && is_steady; ++k) {
            const Seconds rounding = 1e-13 * after[k];
            is_steady = step[k] >= step[0] - rounding && step[k] - step_before[k] <= rounding && step_before[k] - step[k] <= rounding;
        }
        before = after;
        step_before = step;
        if (!is_steady) continue;
        const double left = steps - 1 - i;
        clocks.now += step[0] * left;
        clocks.port += step[1] * left;
        if (used == 2) return;
        for (std::size_t k = 0; k < streams; ++k) clocks.free[k] += step[k + 2] * left;
        for (std::size_t k = 0; k < gathered; ++k) clocks.gathered[k] += step[2 + streams + k] * left;
        return;
    }
}

Seconds ShardedPasses::walk(bool backward, bool gathers) const {
    Clocks clocks;
    if (pricer_.prefetches() && gathers && !units_.empty()) gather(clocks, *units_.front().gather);
    for (const ShardedLayer* layer : before_) compute(clocks, *layer, backward);
    for (std::size_t i = 0; i < units_.size(); ++i) {
        const Unit& unit = units_[i];
        run_alike(clocks, unit, unit.count - 1, backward, gathers);
        run_unit(clocks, unit, i + 1 < units_.size() ? &units_[i + 1] : nullptr, backward, gathers);
    }
    for (const ShardedLayer* layer : after_) compute(clocks, *layer, backward);
    return std::max(clocks.now, *std::max_element(clocks.gathered.begin(), clocks.gathered.end()));
}

}  // namespace orrery
