// The best plans of a search played by the simulation, each in a process of its own kind: one SystemC kernel a process.
#pragma once

#include "planner/search.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace orrery {

/// Processes that wait for plans to play. They are copies of the one that makes the crew, so it is made before any thread
/// is started; a crash of one is a closed pipe here. They end with the crew.
class ReplayCrew {
  public:
    /// `space` must outlive the crew.
    ReplayCrew(const SearchSpace& space, int workers, std::uint64_t seed);
    ~ReplayCrew();
    ReplayCrew(const ReplayCrew&) = delete;
    ReplayCrew& operator=(const ReplayCrew&) = delete;

    /// In the order of `plans`, whoever played them.
    std::vector<ReplayedPlan> play(std::span<const FoundPlan> plans);

  private:
    struct Member {
        int process = -1;
        int to = -1;
        int from = -1;
        std::size_t plan = 0;     // that it plays
        bool is_busy = false;
        [[nodiscard]] bool is_alive() const { return to >= 0; }
    };
    static void dismiss(Member& member);
    std::vector<Member> members_;
};

/// Plans with their play, best first by `objective` with simulated steps; those that could not be played behind all
/// others. `replayed` is put into the same order.
void rank_replayed(const SearchSpace& space, Objective objective, std::vector<FoundPlan>& plans,
                   std::vector<ReplayedPlan>& replayed);

}  // namespace orrery
