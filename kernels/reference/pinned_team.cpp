// Pins the OpenMP threads and lets them hurry.
#include "kernels/reference/pinned_team.hpp"

#include <omp.h>

#include <algorithm>
#include <vector>

namespace orrery {

PinnedTeam::PinnedTeam(int threads) {
    CPU_ZERO(&before_);
    if (sched_getaffinity(0, sizeof before_, &before_) != 0) {
        threads_ = omp_get_max_threads();
        return;
    }
    std::vector<int> processors;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &before_)) processors.push_back(i);
    }
    const int most = static_cast<int>(processors.size());
    threads_ = threads > 0 ? std::min(threads, most) : most;
    omp_set_dynamic(0);
    omp_set_num_threads(threads_);
#pragma omp parallel num_threads(threads_)
    {
        cpu_set_t mine;
        CPU_ZERO(&mine);
        CPU_SET(processors[static_cast<std::size_t>(omp_get_thread_num())], &mine);
        sched_setaffinity(0, sizeof mine, &mine);
    }
}

PinnedTeam::~PinnedTeam() { sched_setaffinity(0, sizeof before_, &before_); }

namespace {

void set_urgent(bool urgent) {
#pragma omp parallel
    {
        sched_param priority{};
        priority.sched_priority = urgent ? 1 : 0;
        sched_setscheduler(0, urgent ? SCHED_FIFO : SCHED_OTHER, &priority);   // refused without the right: then as before
    }
}

}  // namespace

UrgentSpell::UrgentSpell() { set_urgent(true); }
UrgentSpell::~UrgentSpell() { set_urgent(false); }

}  // namespace orrery
