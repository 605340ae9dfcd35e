// All-reduce over the GPUs of one machine by NCCL, which is looked for at run time. Compiles without CUDA.
#pragma once

#include "kernels/cuda/lane.hpp"

#include <functional>
#include <string>
#include <vector>

namespace orrery::cuda {

/// "NCCL 2.27.7"; empty where the library is not found.
std::string reduce_library_version();

/// Averages arrays[g] of `elements` fp32 values, each on GPU g, over all GPUs, in place; one queue on each. Throws GpuError.
using PlannedReduce = std::function<void(const std::vector<float*>& arrays, Index elements)>;
PlannedReduce plan_all_reduce(int gpus);

}  // namespace orrery::cuda
