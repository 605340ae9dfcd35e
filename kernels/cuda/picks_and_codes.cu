// Compiles quantising, the gradients of norms, optimizers over whole tensors and the kernels that go by index for the GPU.
#include "kernels/cuda/gpu_launch.hpp"
#include "kernels/cuda/muon.hpp"
#include "kernels/cuda/norm_backward.hpp"
#include "kernels/cuda/optimizers.hpp"
#include "kernels/cuda/picks.hpp"
#include "kernels/cuda/quantise.hpp"

namespace orrery::cuda {

template void launch_rows<Gpu>(const QuantiseRow<float, Int8Code>&, Index, Index);
template void Gpu::launch(const Grid&, const DequantiseRows<float, Int8Code>&);
template void launch_rows<Gpu>(const QuantiseRow<float, Fp8Code>&, Index, Index);
template void Gpu::launch(const Grid&, const DequantiseRows<float, Fp8Code>&);
template void Gpu::launch(const Grid&, const QuantiseGroups<float, Int4Code>&);
template void Gpu::launch(const Grid&, const DequantiseGroups<float, Int4Code>&);
template void Gpu::launch(const Grid&, const QuantiseGroups<float, Fp4Code>&);
template void Gpu::launch(const Grid&, const DequantiseGroups<float, Fp4Code>&);
template void launch_norm_backward<Gpu, float, true>(const NormBackwardArrays<float>&, Index, Index, float);
template void launch_norm_backward<Gpu, float, false>(const NormBackwardArrays<float>&, Index, Index, float);
template void Gpu::launch(const Grid&, const GatherRows<float, 1>&);
template void Gpu::launch(const Grid&, const GatherRows<float, 4>&);
template void Gpu::launch(const Grid&, const RotaryTurns<float, 1>&);
template void Gpu::launch(const Grid&, const RotaryTurns<float, 4>&);
template void launch_rows<Gpu>(const QuantiseRow<Bf16, Int8Code>&, Index, Index);
template void Gpu::launch(const Grid&, const DequantiseRows<Bf16, Int8Code>&);
template void launch_rows<Gpu>(const QuantiseRow<Bf16, Fp8Code>&, Index, Index);
template void Gpu::launch(const Grid&, const DequantiseRows<Bf16, Fp8Code>&);
template void Gpu::launch(const Grid&, const QuantiseGroups<Bf16, Int4Code>&);
template void Gpu::launch(const Grid&, const DequantiseGroups<Bf16, Int4Code>&);
template void Gpu::launch(const Grid&, const QuantiseGroups<Bf16, Fp4Code>&);
template void Gpu::launch(const Grid&, const DequantiseGroups<Bf16, Fp4Code>&);
template void launch_norm_backward<Gpu, Bf16, true>(const NormBackwardArrays<Bf16>&, Index, Index, float);
template void launch_norm_backward<Gpu, Bf16, false>(const NormBackwardArrays<Bf16>&, Index, Index, float);
template void Gpu::launch(const Grid&, const GatherRows<Bf16, 1>&);
template void Gpu::launch(const Grid&, const GatherRows<Bf16, 8>&);
template void Gpu::launch(const Grid&, const RotaryTurns<Bf16, 1>&);
template void Gpu::launch(const Grid&, const RotaryTurns<Bf16, 8>&);
template void Gpu::launch(const Grid&, const ScatterAddRows<float>&);
template void Gpu::launch(const Grid&, const ScatterAddRows<Bf16>&);
template void Gpu::launch(const Grid&, const AdamWithCopy<float, float>&);
template void Gpu::launch(const Grid&, const AdamWithCopy<float, Bf16>&);
template void Gpu::launch(const Grid&, const AdamWithCopy<Bf16, Bf16>&);
template void Gpu::launch(const Grid&, const TopKRows&);
template void Gpu::launch(const Grid&, const PointerChase&);
template void Gpu::launch(const Grid&, const CountLaunch&);
template void Gpu::launch(const Grid&, const LambUpdate&);
template void Gpu::launch(const Grid&, const LambTrust&);
template void Gpu::launch(const Grid&, const Elementwise<LambApply>&);
template void Gpu::launch(const Grid&, const AdafactorSums&);
template void Gpu::launch(const Grid&, const AdafactorMoments&);
template void Gpu::launch(const Grid&, const AdafactorApply<1>&);
template void Gpu::launch(const Grid&, const AdafactorApply<4>&);
template void Gpu::launch(const Grid&, const ClearValues&);
template void Gpu::launch(const Grid&, const MuonMomentum&);
template void Gpu::launch(const Grid&, const MuonNorm&);
template void Gpu::launch(const Grid&, const MuonTurned&);
template void Gpu::launch(const Grid&, const Elementwise<MuonScale>&);
template void Gpu::launch(const Grid&, const Elementwise<MuonPolynomial>&);
template void Gpu::launch(const Grid&, const Elementwise<MuonApply>&);

}  // namespace orrery::cuda
