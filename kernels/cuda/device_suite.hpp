// The suite that measures a GPU: its shapes, its clock, and the figures that head its calibration.
#pragma once

#include "kernels/calibrate_machine.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "kernels/suite.hpp"
#include "kernels/training_step.hpp"

#include <functional>
#include <vector>

namespace orrery {

/// What a suite needs of a device; a GPU's, or a pretended one's in tests.
struct DeviceBench {
    const std::vector<KernelEntry>* kernels = nullptr;
    std::function<Bytes()> memory_free;
    /// Seconds from the start of the first to the end of the last of what `launches` starts, by the device's clock.
    std::function<double(const std::function<void()>& launches)> seconds_of;
    std::function<bool()> held_back;     // heat or a power brake slow it down now
    Bytes cache;                         // last level
};

/// Of a GPU that open_gpu has chosen.
DeviceBench gpu_bench(const GpuDescription& gpu);

/// One spell of samples by the device's clock, copies in turn. Runs are sampled together so that a sample lasts a millisecond. A sample is disturbed where the device was held back; nothing on the host disturbs it, since launches queue up.
void sample_on_device(const DeviceBench& bench, const PreparedKernel& kernel, const MeasureOptions& options, Samples& samples);

/// Shapes for a device of these peaks and this memory, mixed as those of suite_cases: products in each format that it
/// has, grouped ones, attention, streaming kernels in fp32 and bf16, gathers. `full` has four times as many.
std::vector<SuiteCase> device_suite_cases(bool full, std::uint64_t seed, const Device& device);

/// Shapes of a suite that a calibration of a GPU has predictions for, at most `number`.
std::vector<SuiteCase> device_check_cases(std::size_t number, std::uint64_t seed, const Device& device);

/// As measure_suite: each kernel judged once, unsteady shapes measured again, faults of the device told as refusals.
std::vector<MeasuredCase> measure_device_suite(const std::vector<SuiteCase>& cases, const DeviceBench& bench, const Device& device,
                                               const SuiteOptions& options, const std::function<void(const SuiteProgress&)>& tell);

/// Bandwidth by copy and triad past the caches, latency by dependent reads, the cost of a launch; peaks and memory are the
/// datasheet's. Problems where a kernel of these cannot run.
Result<MachineFigures> measure_device_figures(const DeviceBench& bench, const GpuDescription& gpu, const Device& device, std::uint64_t seed);

/// Rows that count and that the calibration of `device` has an entry for, beside its predictions.
std::vector<CaseError> predict_device_cases(const Device& device, const std::vector<MeasuredCase>& rows);

struct DeviceFit {
    Calibration calibration;            // fitted to all rows
    std::vector<CaseError> held_out;    // every fifth row, predicted by a fit to the others
    Problems refused;                   // classes that could not be fitted
};

/// Products of each format, prefill, decode and streaming kernels in cold caches, by the fits that serve published tables.
/// Layers of experts and gradients of attention are measured, and not fitted.
DeviceFit fit_device(const Device& device, const std::string& libraries, const std::vector<MeasuredCase>& rows, std::uint64_t seed);

/// A training step of a decoder by the kernels of the GPU that open_gpu has chosen, in bf16 under fp32 weights, as
/// run_training_step does on the processor. Problems where the GPU cannot: memory, libraries.
Result<MeasuredStep> run_gpu_step(const StepShape& shape, int steps, std::uint64_t seed);

}  // namespace orrery
