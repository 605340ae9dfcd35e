// The door to the CUDA runtime: memory, launches and times of the GPU at hand. Compiles without CUDA.
#pragma once

#include "kernels/cuda/product_call.hpp"

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace orrery::cuda {

/// What a call of the runtime answered instead of success; caught where kernels are measured.
struct GpuError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The GPU that was chosen last (the first one until then). Launches follow each other in one queue; `finish` waits for
/// them. All of it throws GpuError.
struct Gpu {
    /// Aligned to 256 bytes. At least one byte, so that empty arrays have an address.
    static std::shared_ptr<void> allocate(std::size_t bytes);
    static void write(void* to, const void* from, std::size_t bytes);   // host to device
    static void read(void* to, const void* from, std::size_t bytes);    // device to host, after all launches
    static void finish();
    /// Host memory that the GPU reads and writes by itself; copies to and from it queue up behind launches.
    static std::shared_ptr<void> allocate_pinned(std::size_t bytes);
    static void copy_in(void* to, const void* from, std::size_t bytes);
    static void copy_out(void* to, const void* from, std::size_t bytes);
    /// Streaming multiprocessors.
    static int processors();
    /// Shared memory that one block can have, in bytes.
    static int shared_most();
    static PlannedProduct plan_product(const ProductCall& call, const void* left, const void* right, void* out) {
        return plan_library_product(call, left, right, out);
    }
    /// Does nothing where the grid is empty. Each kernel is compiled in one of the .cu files.
    template <class Kernel>
    static void launch(const Grid& grid, const Kernel& kernel);
};

/// What the driver says of one GPU.
struct GpuFacts {
    std::string name;
    std::string pci;                 // address on the bus, by which other libraries know it
    int major = 0;                   // compute capability
    int minor = 0;
    int processors = 0;
    std::size_t memory = 0;          // bytes
    std::size_t memory_free = 0;
    std::size_t cache = 0;           // second level
    int driver = 0;                  // newest runtime that the driver serves, 1000 major + 10 minor; 0: no driver
    int runtime = 0;                 // that this program was built with
};

/// Zero where there is no driver.
int driver_version();
/// GPUs that the driver shows; throws GpuError where it cannot say.
int gpu_count();
GpuFacts gpu_facts(int number);
/// For all later calls of this process.
void choose_gpu_number(int number);

/// A span of the queue, timed by the GPU's own clock (resolution about 0.5 us).
class GpuStopwatch {
  public:
    GpuStopwatch();
    void start();
    /// Waits for all that was launched since `start`; seconds.
    double stop();

  private:
    std::shared_ptr<void> begin_, end_;
};

/// Places in the queue, timed by the GPU's own clock without waiting between them.
class GpuMarks {
  public:
    /// Behind all that was launched until now.
    void mark();
    /// Seconds from each mark to the next; waits for all, and forgets them.
    std::vector<double> gaps();

  private:
    std::vector<std::shared_ptr<void>> events_;
    std::size_t used_ = 0;
};

}  // namespace orrery::cuda
