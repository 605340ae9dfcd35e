// Layers priced one by one, each once for all plans that differ in nothing that the layer depends on.
#pragma once

#include "models/activation_memory.hpp"
#include "models/stage_layout.hpp"
#include "planner/search_space.hpp"
#include "sim/port_sharing.hpp"
#include "sim/sharded_pass.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

namespace orrery {

/// What is remembered is found by these.
struct CostKey {
    std::array<std::uint64_t, 3> words{};
    bool operator==(const CostKey&) const = default;
};
struct CostKeyHash {
    std::size_t operator()(const CostKey& key) const {
        std::uint64_t hash = 0;
        for (const std::uint64_t word : key.words) hash = (hash ^ word ^ (hash >> 29U)) * 0x9e3779b97f4a7c15U;   // 2^64 / golden ratio
        return static_cast<std::size_t>(hash ^ (hash >> 32U));
    }
};
/// Asked by key, never walked; values stay where they are.
template <class Value>
using CostTable = std::unordered_map<CostKey, Value, CostKeyHash>;

/// One layer of one role.
struct LayerCost {
    LayerGraph kind;           // without its work
    Seconds forward;
    Seconds backward;
    Seconds kernels;           // of both
    PortLoad load;             // of both
    ShardedLayer sharded;
    ChunkActivations activations;
    double input = 0.0;        // bytes of one micro-batch's residual stream
    double logits = 0.0;       // count
};

/// What of a plan some layers' prices depend on, as numbers.
struct PricedUnder {
    std::uint64_t dense = 0;     // tensor, sequence and context parallelism, and how their groups lie
    std::uint64_t experts = 0;   // the same, and the experts' own
    std::uint64_t micro_batch = 0;
    std::uint64_t flags = 0;
    std::uint64_t expert_flags = 0;
    std::uint64_t ends = 0;
    bool operator==(const PricedUnder&) const = default;
};

/// Of one base; one owner, one thread.
class LayerCosts {
  public:
    explicit LayerCosts(const SearchBase& base) : base_(base) {}

    /// Where the degrees and their order are those of the plan asked for last, `same_degrees`.
    const PricedUnder& under(const TrainingSpec& spec, bool same_degrees);
    /// A number for a role.
    std::size_t number_of(const LayerRole& role);
    /// The layer of a role under the plan that under() was asked for last; it must not have been forgotten.
    const LayerCost& cost(const TrainingSpec& spec, std::size_t role);
    [[nodiscard]] PriceMemo& memo() { return memo_; }
    [[nodiscard]] const FrameworkProfile& framework_of(const TrainingSpec& spec) const;
    [[nodiscard]] std::size_t size() const { return costs_.size(); }
    void forget() { costs_.clear(); }

  private:
    [[nodiscard]] LayerCost price(const TrainingSpec& spec, const LayerRole& role);

    const SearchBase& base_;
    PriceMemo memo_;
    std::vector<LayerRole> roles_;
    std::map<std::array<std::int32_t, 9>, std::uint64_t> degrees_;
    PricedUnder under_;
    CostTable<LayerCost> costs_;
};

/// What prices depend on beside degrees: backward passes whole, in halves, or joined with forward ones.
std::int32_t split_of(const Parallelism& plan);

}  // namespace orrery
