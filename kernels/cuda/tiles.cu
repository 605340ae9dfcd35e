// Compiles products, convolutions and attention for the GPU.
#include "kernels/cuda/attention_backward.hpp"
#include "kernels/cuda/attention_plain.hpp"
#include "kernels/cuda/convolution.hpp"
#include "kernels/cuda/decode.hpp"
#include "kernels/cuda/gpu_launch.hpp"
#include "kernels/cuda/multiply.hpp"
#include "kernels/cuda/two_four.hpp"

namespace orrery::cuda {

template void Gpu::launch(const Grid&, const MultiplyTiles<Bf16>&);
template void Gpu::launch(const Grid&, const TwoFourTiles<Bf16>&);
template void Gpu::launch(const Grid&, const TwoFourTiles<Half>&);
template void Gpu::launch(const Grid&, const CompressTwoFour<Bf16>&);
template void Gpu::launch(const Grid&, const CompressTwoFour<Half>&);
template void Gpu::launch(const Grid&, const ConvolutionTiles<Bf16>&);
template void Gpu::launch(const Grid&, const ConvolutionTiles<Half>&);
template void Gpu::launch(const Grid&, const PlainConvolution&);
template void Gpu::launch(const Grid&, const PrefillTiles<64>&);
template void Gpu::launch(const Grid&, const PrefillTiles<128>&);
template void Gpu::launch(const Grid&, const PrefillTiles<192>&);
template void Gpu::launch(const Grid&, const PrefillTiles<256>&);
template void Gpu::launch(const Grid&, const GradientDots<Bf16>&);
template void Gpu::launch(const Grid&, const BackwardTiles<64>&);
template void Gpu::launch(const Grid&, const BackwardTiles<128>&);
template void Gpu::launch(const Grid&, const NarrowScaled&);
template void Gpu::launch(const Grid&, const DecodePages<64>&);
template void Gpu::launch(const Grid&, const DecodePages<128>&);
template void Gpu::launch(const Grid&, const DecodePages<192>&);
template void Gpu::launch(const Grid&, const DecodePages<256>&);
template void Gpu::launch(const Grid&, const CombineSplits&);
template void Gpu::launch(const Grid&, const PlainPrefill<64>&);
template void Gpu::launch(const Grid&, const PlainPrefill<128>&);
template void Gpu::launch(const Grid&, const PlainPrefill<256>&);
template void Gpu::launch(const Grid&, const GradientDots<float>&);
template void Gpu::launch(const Grid&, const PlainBackward<64>&);
template void Gpu::launch(const Grid&, const PlainBackward<128>&);
template void Gpu::launch(const Grid&, const PlainBackward<256>&);

}  // namespace orrery::cuda
