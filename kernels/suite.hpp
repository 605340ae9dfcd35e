// The suite that measures the machine at hand: which shapes, in which state of the caches, in how much time.
#pragma once

#include "kernels/machine_figures.hpp"
#include "kernels/measure.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct SuiteCase {
    KernelCase kernel_case;
    bool cold = false;               // copies of the data taken in turn, together past the last level of cache
    bool operator==(const SuiteCase&) const = default;
};

/// Shapes of a suite, by seed, in an order that mixes all classes: 56 products in fp32, others in bf16 and int8 where
/// there are instructions, and sweeps over each other class, streaming ones in cold and warm caches. `full` has four
/// times as many.
std::vector<SuiteCase> suite_cases(bool full, std::uint64_t seed, const MachineFigures& machine);

struct MeasuredCase {
    KernelCase kernel_case;          // as it ran
    bool cold = false;
    std::optional<Work> work;
    Flop flop;
    Bytes bytes;
    Samples samples;
    Measurement time;
    double clock = 1.0;              // of the cores while it ran, over that of the machine's figures
    double accuracy_loss = -1.0;     // below zero: does not apply
    std::string shrunk_from;         // the shape that memory was too small for; empty: none
    std::string refused;             // why the figure counts for nothing; empty: it counts
};

/// The clock of the moment over that at which the machine's figures were measured: hosts change it as they like.
double clock_now(const MachineFigures& machine);
/// The machine at another clock: its peaks follow, its memory does not.
MachineFigures at_clock(MachineFigures machine, double clock);

/// Prepares and takes one spell of samples; adds them to those that `measured` has.
void measure_case(const SuiteCase& wanted, const MachineFigures& machine, std::uint64_t seed, const MeasureOptions& options,
                  MeasuredCase& measured);

/// Judges a small shape of the same kernel against its oracle; empty where it is right.
std::string wrong_results(const KernelCase& kernel_case, std::uint64_t seed);

struct SuiteProgress {
    std::string text;                // what is being measured
    std::size_t done = 0;
    std::size_t total = 0;
    Seconds left;
};

struct SuiteOptions {
    std::uint64_t seed = 1;
    Seconds limit = 130.0_s;         // of all; what is not measured by then is refused with this reason
    Seconds spell = 0.08_s;          // of samples of one shape
    int rounds = 4;                  // the first measures all, the others what is not steady
};

/// Each kernel is judged once before its first timing counts. Unsteady shapes are measured again in later rounds, when
/// what disturbed them may be over, for as long as the limit allows.
std::vector<MeasuredCase> measure_suite(const std::vector<SuiteCase>& cases, const MachineFigures& machine,
                                        const SuiteOptions& options, const std::function<void(const SuiteProgress&)>& tell);

/// A kernel class as reports name it: "product fp32", "prefill", "decode", "streaming cold", "gather", ...
std::string class_of(const MeasuredCase& measured);

}  // namespace orrery
