// Compiles the row-wise kernels for the GPU, for each length and alignment of rows.
#include "kernels/cuda/gpu_launch.hpp"
#include "kernels/cuda/rows.hpp"

namespace orrery::cuda {

template void launch_rows<Gpu>(const SoftmaxRow<float>&, Index, Index);
template void launch_rows<Gpu>(const SoftmaxRow<Bf16>&, Index, Index);
template void launch_rows<Gpu>(const SoftmaxBackwardRow<float>&, Index, Index);
template void launch_rows<Gpu>(const SoftmaxBackwardRow<Bf16>&, Index, Index);
template void launch_rows<Gpu>(const LayerNormRow<float>&, Index, Index);
template void launch_rows<Gpu>(const LayerNormRow<Bf16>&, Index, Index);
template void launch_rows<Gpu>(const RmsNormRow<float>&, Index, Index);
template void launch_rows<Gpu>(const RmsNormRow<Bf16>&, Index, Index);
template void launch_rows<Gpu>(const CrossEntropyRow<float>&, Index, Index);
template void launch_rows<Gpu>(const CrossEntropyRow<Bf16>&, Index, Index);

}  // namespace orrery::cuda
