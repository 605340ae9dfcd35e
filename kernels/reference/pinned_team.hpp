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

/// While it lives, the team runs before all ordinary programs where the system allows it (SCHED_FIFO of POSIX; as a rule
/// for root), so that neighbours do not cut into a sample. Meant for spells below a second, between which others run.
class UrgentSpell {
  public:
    UrgentSpell();
    ~UrgentSpell();
    UrgentSpell(const UrgentSpell&) = delete;
    UrgentSpell& operator=(const UrgentSpell&) = delete;
};

}  // namespace orrery
