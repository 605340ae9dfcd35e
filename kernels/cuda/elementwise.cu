// Compiles the elementwise kernels for the GPU.
#include "kernels/cuda/elementwise.hpp"
#include "kernels/cuda/gpu_launch.hpp"

namespace orrery::cuda {

template void Gpu::launch(const Grid&, const Elementwise<CopyOperation<float>>&);
template void Gpu::launch(const Grid&, const Elementwise<CopyOperation<Bf16>>&);
template void Gpu::launch(const Grid&, const Elementwise<TriadOperation<float>>&);
template void Gpu::launch(const Grid&, const Elementwise<AddOperation<float>>&);
template void Gpu::launch(const Grid&, const Elementwise<AddOperation<Bf16>>&);
template void Gpu::launch(const Grid&, const Elementwise<SwigluOperation<float>>&);
template void Gpu::launch(const Grid&, const Elementwise<SwigluOperation<Bf16>>&);
template void Gpu::launch(const Grid&, const Elementwise<SwigluBackwardOperation<float>>&);
template void Gpu::launch(const Grid&, const Elementwise<SwigluBackwardOperation<Bf16>>&);
template void Gpu::launch(const Grid&, const Elementwise<DropoutOperation<float>>&);
template void Gpu::launch(const Grid&, const Elementwise<DropoutOperation<Bf16>>&);
template void Gpu::launch(const Grid&, const Elementwise<SgdOperation>&);
template void Gpu::launch(const Grid&, const Elementwise<AdamOperation>&);

}  // namespace orrery::cuda
