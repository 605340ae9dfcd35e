// The threads that reference kernels run on: one per processor, pinned.
#pragma once

#include <sched.h>

namespace orrery {

/// While it lives, each thread of the team is pinned to a processor of its own. Libraries that share the OpenMP runtime
/// run on the same threads. The caller's own mask is put back at the end.
class PinnedTeam {
  public:
    explicit PinnedTeam(int threads = 0);   // 0: all processors that the process may use
    ~PinnedTeam();
    PinnedTeam(const PinnedTeam&) = delete;
    PinnedTeam& operator=(const PinnedTeam&) = delete;
    [[nodiscard]] int threads() const { return threads_; }

  private:
    int threads_ = 1;
    cpu_set_t before_{};
};

}  // namespace orrery
