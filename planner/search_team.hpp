// A search by many processes, on one machine or many: MPI ranks that take branches as they are free.
#pragma once

#include "planner/search.hpp"

namespace orrery {

/// This process among those that mpirun started, as the launcher's environment tells before MPI does: rank 0 of 1
/// where there is no launcher.
struct TeamPlace {
    int rank = 0;
    int size = 1;
    bool rests = false;   // its node has as many ranks that search as processors without it
};
TeamPlace team_place();

/// MPI begun and ended: make one before search_with_team(), when no child process is left to be forked.
class TeamSession {
  public:
    TeamSession();
    ~TeamSession();
    TeamSession(const TeamSession&) = delete;
    TeamSession& operator=(const TeamSession&) = delete;
    /// False: this program was built without MPI, or MPI did not start.
    [[nodiscard]] bool is_open() const { return is_open_; }

  private:
    bool is_open_ = false;
};

/// search_plans() by all ranks of a team: rank 0 hands out branches, keeps the store and gets the answer, which is the
/// same as one process finds; the others get nothing. Every rank has the same space and options, but for store, progress and
/// stop, which are rank 0's; the others keep plans where it has a store. Requires an open session and at least two ranks.
SearchResult search_with_team(const SearchSpace& space, const SearchOptions& options);

/// What a rank that rests does instead.
void rest_in_team();

/// Sends the other ranks home where rank 0 has nothing to search.
void dismiss_team();

}  // namespace orrery
