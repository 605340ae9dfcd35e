// Plans of a mixed machine added up from the same pieces as those of one type of nodes: each group's stages by its own devices.
#pragma once

#include "planner/plan_costs.hpp"
#include "sim/mixed.hpp"

#include <deque>
#include <map>
#include <vector>

namespace orrery {

/// Memory of a mixed plan is told as the part of its device that the rank with least room takes, in bytes of the base's own
/// device (the first group's).
Bytes memory_of_first(const SearchBase& base, Bytes memory, Bytes capacity);

/// PlanCosts of a mixed machine. One owner, one thread.
class MixedCosts {
  public:
    explicit MixedCosts(const SearchBase& base);

    /// Layers of the stages of a plan that balances them, as balanced_stage_layers() shares them out.
    std::vector<int> layers(const TrainingSpec& spec);
    PlanEstimate estimate(const TrainingSpec& spec, Bytes capacity);
    PlanEstimate bound(const TrainingSpec& spec, Bytes capacity);
    Bytes memory(const TrainingSpec& spec);
    void forget();

  private:
    /// What each group's stages hold and, where `timed`, take.
    void gather(const TrainingSpec& spec, bool timed);
    [[nodiscard]] const Cluster& alike(int group) const { return *base_.cluster.groups[static_cast<std::size_t>(group)].alike; }
    [[nodiscard]] Bytes fullest() const;
    [[nodiscard]] std::vector<char> fits();
    [[nodiscard]] double watts_of(std::size_t i) const { return kernel_watts(alike(group_of_[i])).si(); }
    Seconds once_time(const TrainingSpec& spec, std::size_t i);
    const std::vector<LayersOnDevice>& layer_times(const TrainingSpec& even);

    const SearchBase& base_;
    std::deque<SearchBase> bases_;    // of each group
    std::deque<PlanCosts> costs_;
    std::map<std::vector<std::int32_t>, std::vector<LayersOnDevice>> times_;   // of layers, by what they depend on
    // Of the plan asked for last.
    std::vector<int> groups_;             // by pipeline rank
    std::vector<GroupStages> stages_;     // of all groups
    std::vector<int> group_of_;           // of these
    std::vector<const Fabric*> crossed_;  // by the pipeline
};

}  // namespace orrery
