// Times kernels by the steady clock, and watches the scheduler meanwhile.
#include "kernels/measure.hpp"

#include "kernels/reference/pinned_team.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include <sys/resource.h>

namespace orrery {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double sample_least_s = 100e-6;   // shorter samples would measure the clock
constexpr int sample_runs_most = 4096;
constexpr double worked_least = 0.97;       // share of the wall clock that a calm thread works

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double thread_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Of all threads of this process.
long involuntary_switches() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

double quantile(const std::vector<double>& sorted, double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

Measurement measured(std::vector<double> seconds, double spread_max) {
    std::sort(seconds.begin(), seconds.end());
    Measurement result;
    result.repeats = static_cast<int>(seconds.size());
    result.quiet = Seconds::from_si(quantile(seconds, 0.125));
    result.median = Seconds::from_si(quantile(seconds, 0.5));
    result.spread = (quantile(seconds, 0.75) - quantile(seconds, 0.25)) / quantile(seconds, 0.5);
    result.steady = result.spread <= spread_max;
    return result;
}

}  // namespace

void sample(const PreparedKernel& kernel, const MeasureOptions& options, Samples& samples) {
    int copy = 0;
    const auto run_once = [&] {
        kernel.run(copy);
        copy = (copy + 1) % std::max(kernel.copies, 1);
    };
    for (int i = 0; i < 2; ++i) run_once();   // pages touched, code generated, clocks up
    const UrgentSpell urgent;
    const Clock::time_point trial = Clock::now();
    run_once();
    const double once = std::max(seconds_since(trial), 1e-8);
    const int together = std::clamp(static_cast<int>(std::ceil(sample_least_s / once)), 1, sample_runs_most);
    int repeats = 0;
    const Clock::time_point start = Clock::now();
    do {
        const long switches = involuntary_switches();
        const double worked = thread_seconds();
        const Clock::time_point begin = Clock::now();
        for (int i = 0; i < together; ++i) run_once();
        const double seconds = seconds_since(begin);
        const bool slept = !options.waits && thread_seconds() - worked < worked_least * seconds;
        const bool disturbed = slept || involuntary_switches() != switches;
        (disturbed ? samples.disturbed : samples.calm).push_back(seconds / together);
        ++repeats;
        if (seconds_since(start) > 4.0 * options.budget.si()) break;   // a kernel of seconds: what there is must do
        if (repeats % options.repeats_least != 0 || repeats < 3 * options.repeats_least) continue;
        if (!samples.calm.empty() && measured(samples.calm, options.spread_max).steady && samples.calm.size() >= samples.disturbed.size()) break;
    } while (repeats < options.repeats_least || seconds_since(start) < options.budget.si());
}

Measurement measurement_of(const Samples& samples, const MeasureOptions& options) {
    const bool enough = static_cast<int>(samples.calm.size()) >= options.repeats_least;
    std::vector<double> all = samples.calm;
    if (!enough) all.insert(all.end(), samples.disturbed.begin(), samples.disturbed.end());
    Measurement result = measured(std::move(all), options.spread_max);
    result.disturbed = static_cast<int>(samples.disturbed.size());
    // A kernel of which few runs fit into a spell has few samples however calm it was.
    if (!enough && !samples.disturbed.empty()) result.steady = false;
    return result;
}

Measurement measure(const PreparedKernel& kernel, const MeasureOptions& options) {
    Samples samples;
    sample(kernel, options, samples);
    return measurement_of(samples, options);
}

}  // namespace orrery
