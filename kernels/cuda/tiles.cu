// Compiles products and attention for the GPU.
#include "kernels/cuda/attention_backward.hpp"
#include "kernels/cuda/decode.hpp"
#include "kernels/cuda/gpu_launch.hpp"
#include "kernels/cuda/multiply.hpp"

namespace orrery::cuda {

template void Gpu::launch(const Grid&, const MultiplyTiles<Bf16>&);
template void Gpu::launch(const Grid&, const PrefillTiles<64>&);
template void Gpu::launch(const Grid&, const PrefillTiles<128>&);
template void Gpu::launch(const Grid&, const GradientDots&);
template void Gpu::launch(const Grid&, const BackwardTiles<64>&);
template void Gpu::launch(const Grid&, const BackwardTiles<128>&);
template void Gpu::launch(const Grid&, const NarrowScaled&);
template void Gpu::launch(const Grid&, const DecodePages<64>&);
template void Gpu::launch(const Grid&, const DecodePages<128>&);
template void Gpu::launch(const Grid&, const CombineSplits&);

}  // namespace orrery::cuda
