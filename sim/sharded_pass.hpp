// Passes of a chunk whose parameters are sharded, in closed form: alike layers settle into a rhythm, which is counted
// instead of played.
#pragma once

#include "sim/port_sharing.hpp"
#include "sim/pricer.hpp"

#include <array>
#include <deque>
#include <span>
#include <vector>

namespace orrery {

/// A stretch of a layer's pass on an otherwise idle rank.
struct PassSegment {
    Seconds duration;
    bool is_compute = false;   // slowed by what runs beside it
    Seconds port;              // for which an exchange fills the network port
};

/// One kind of layer as chunks with sharded parameters meet it.
struct ShardedLayer {
    bool is_unit = false;      // gathered and scattered on its own; else with the chunk's other ends
    Holding held;
    Holding trained;
    std::array<std::vector<PassSegment>, 2> segments;   // forward, backward
    std::array<Seconds, 2> alone;                       // and their sums
    std::array<Seconds, 2> kernels;                     // of these, what is slowed by what runs beside it
    std::array<bool, 2> fills_port{};                   // whether any of them does
};

/// With the layer's `forward` and `backward` code, which start nothing.
ShardedLayer sharded_layer(bool is_unit, const LayerPrices& prices, const PricedLayer& layer);

/// What is started to gather or scatter one holding, by stream.
struct StartedExchanges {
    static constexpr std::size_t most = 4;
    std::array<std::uint8_t, most> stream{};
    std::array<Seconds, most> idle{};
    std::array<bool, most> fills_port{};
    std::array<Seconds, most> rest{};   // port time of what holds nobody up where nothing is prefetched
    Seconds started;           // port time of all of it
    PortLoad whole;            // on the port, if all of it holds compute up
    PortLoad seen;             // and if only the share does that is not hidden
    std::size_t count = 0;
    [[nodiscard]] Seconds total() const;
};

/// Those of holdings that were asked for: they hold for all plans of the same degrees, order, `shard` and framework.
struct KnownExchanges {
    struct Entry {
        CollectiveKind kind{};
        Holding holding;
        StartedExchanges started;
    };
    std::deque<Entry> entries;   // stay where they are
};

/// Answers as Pricer's sharded code plays, layer by layer, for one plan. Keeps references to all it is given.
class ShardedPasses {
  public:
    /// `kinds`: by LayerRun::kind.
    ShardedPasses(const Pricer& pricer, std::span<const ShardedLayer* const> kinds, KnownExchanges& known)
        : pricer_(pricer), kinds_(kinds), known_(known) {}
    /// One pass of a chunk.
    struct Time {
        Seconds all;
        Seconds held;      // of it, by exchanges of sharded parameters where they are met
        PortLoad load;     // of all such exchanges
    };
    Time forward(const Chunk& chunk);
    Time backward(const Chunk& chunk);

  private:
    static constexpr std::size_t streams = 3;   // of axes on which shards travel
    /// The clock of the compute stream, and when the others are done.
    struct Clocks {
        Seconds now;
        std::array<Seconds, streams> free{};
        std::array<bool, streams> on_port{};
        Seconds port;                                      // when the network port is free
        std::array<Seconds, StartedExchanges::most> gathered{};   // by the gathers of the next layer; at last by the scatters
        std::array<bool, StartedExchanges::most> through_port{};  // of them, those that fill it
    };
    struct Unit {
        const ShardedLayer* layer = nullptr;
        const StartedExchanges* gather = nullptr;
        const StartedExchanges* scatter = nullptr;
        int count = 0;         // alike, one after the other
    };
    const StartedExchanges& started(CollectiveKind kind, const Holding& holding);
    void take_apart(const Chunk& chunk);
    [[nodiscard]] Time way(bool backward);
    [[nodiscard]] Seconds walk(bool backward, bool gathers) const;
    void run_unit(Clocks& clocks, const Unit& unit, const Unit* next, bool backward, bool gathers) const;
    void run_alike(Clocks& clocks, const Unit& unit, int steps, bool backward, bool gathers) const;
    void compute(Clocks& clocks, const ShardedLayer& layer, bool backward) const;
    static void start(Clocks& clocks, const StartedExchanges& what, std::array<Seconds, StartedExchanges::most>& done);
    void show(Clocks& clocks, const StartedExchanges& what) const;
    static void gather(Clocks& clocks, const StartedExchanges& what);
    static void hold_port(Clocks& clocks, Seconds held);

    const Pricer& pricer_;
    std::span<const ShardedLayer* const> kinds_;
    KnownExchanges& known_;
    // Of the chunk.
    std::vector<Unit> units_;
    std::vector<const ShardedLayer*> before_;
    std::vector<const ShardedLayer*> after_;
    Holding root_;
    Holding root_trained_;
};

}  // namespace orrery
