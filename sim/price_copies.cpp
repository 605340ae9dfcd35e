// Copies between devices and their hosts during passes: activations out and back, gradients out.
#include "sim/price_offload.hpp"
#include "sim/pricer.hpp"

#include <algorithm>

namespace orrery {

void Pricer::append_copy(std::vector<Instruction>& code, Bytes size, Seconds compute, TimePart part) {
    if (size <= Bytes{}) return;
    const Seconds idle = size / host_copy_rate(cluster_.node, spec_.parallelism.devices());
    Exchange copy{{CollectiveKind::send_recv, size, DataType::bf16}, Axis::self, 1.0, part, idle};
    copy.exposed = std::clamp((idle - compute) / idle, 0.0, 1.0);
    code.push_back({Op::exchange, part, add_exchange(copy), {}});
}

void Pricer::append_offload(std::vector<Instruction>& code, const StageGraph& stage, std::size_t chunk, bool backward) {
    const Seconds pass = own_time(code);
    Bytes size = stage.offloaded.empty() ? Bytes{} : stage.offloaded[chunk];
    if (backward && spec_.offload.optimizer != OffloadTarget::none) {
        // Reduced gradients leave as they are made, 16 bit ("ZeRO-Offload", arXiv 2101.06840, section 4.1); the other
        // direction of the link is free for what comes back.
        Holding trained;
        for (const LayerRun& run : stage.chunks[chunk]) {
            const Holding& layer = priced_[static_cast<std::size_t>(run.kind)].trained;
            trained.dense += run.count * layer.dense;
            trained.experts += run.count * layer.experts;
        }
        const bool sharded = spec_.parallelism.zero >= 2 || spec_.parallelism.fsdp;
        const double owned = sharded ? trained.dense / shard_ranks(false) + trained.experts / shard_ranks(true)
                                     : trained.total();
        size = std::max(size, Bytes::from_si(2.0 * owned));
    }
    append_copy(code, size, pass, TimePart::data_comm);
}

std::int32_t Pricer::offloading_block(const StageGraph& stage, std::size_t chunk, bool backward) {
    const std::int32_t plain = chunk_block(stage.chunks[chunk], backward);
    const bool sends_gradients = backward && spec_.offload.optimizer != OffloadTarget::none;
    if (!sends_gradients && (stage.offloaded.empty() || stage.offloaded[chunk] <= Bytes{})) return plain;
    const auto [place, is_new] = offloading_blocks_.try_emplace(plain, -1);
    if (is_new) {
        std::vector<Instruction> code = program_.blocks[static_cast<std::size_t>(plain)].code;
        append_offload(code, stage, chunk, backward);
        place->second = add_block(backward ? "backward" : "forward", std::move(code));
    }
    return place->second;
}

}  // namespace orrery
