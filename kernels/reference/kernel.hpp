// One interface for all reference kernels: prepared on random data, run, checked, and told as Work.
#pragma once

#include "hardware/data_type.hpp"
#include "hardware/rng.hpp"
#include "hardware/units.hpp"
#include "hardware/work.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Which kernel at which sizes; the order of the sizes is said by the kernel's entry in the table.
struct KernelCase {
    std::string kernel;
    std::vector<std::int64_t> sizes;
    DataType type = DataType::fp32;
    bool operator==(const KernelCase&) const = default;
};

/// "softmax fp32 64 x 1024".
std::string words_of(const KernelCase& kernel_case);

/// A kernel with its data. `run` may be called any number of times; data of one copy is touched by nobody else.
struct PreparedKernel {
    std::optional<Work> work;              // what `models` would ask for; none for latencies and files
    Flop flop;                             // of the work
    Bytes bytes;                           // that the work must read and write at least
    int copies = 1;                        // of the data, to be taken in turn where caches must be cold
    double error_max = 1e-5;               // relative Frobenius error that the number format allows
    std::function<void(int copy)> run;
    /// Poisons the outputs of the first copy, runs, and compares with an oracle in float64: relative Frobenius error,
    /// infinite where an output was left unwritten or is no number.
    std::function<double()> check;
    /// Waits until what `run` has started is done; empty where `run` itself does.
    std::function<void()> finish;
    /// Error that the number format or the pruning itself costs against the unrounded operands; none: does not apply.
    std::function<double()> accuracy_loss;
    /// Why shapes like this one are none of this kernel's; nothing else is set then. Empty: they are.
    std::string refused;
};

struct KernelEntry {
    std::string_view name;
    std::string_view sizes;                // names of KernelCase::sizes, in order
    std::string_view doc;
    std::vector<DataType> types;
    PreparedKernel (*prepare)(const KernelCase& kernel_case, int copies, Rng& rng);
};

/// All reference kernels, in the order of the table.
const std::vector<KernelEntry>& reference_kernels();

/// Null where there is no kernel of that name.
const KernelEntry* find_kernel(std::string_view name);

/// Memory of one copy of the data, so that a caller can ask before it prepares. An upper bound by the kernel's own count
/// of elements.
Bytes footprint_of(const KernelCase& kernel_case);

/// ||got - want|| / ||want|| (||got|| where want is zero); infinite for a value that is no finite number or another
/// count of values. Zero for two empty ranges.
double relative_error(std::span<const float> got, std::span<const double> want);

/// Fills with signalling bit patterns that no kernel may leave behind.
void poison(std::span<float> values);

}  // namespace orrery
