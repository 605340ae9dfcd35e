// A hash table from work to seconds.
#include "hardware/price_cache.hpp"

#include <bit>
#include <cstdint>

namespace orrery {
namespace {

constexpr std::size_t first_slots = 1024;

// Folds one field into a hash: multiply and rotate, as in FxHash (the hash of rustc).
class WorkHash {
  public:
    WorkHash& operator<<(std::int64_t value) {
        state_ = (std::rotl(state_, 5) ^ static_cast<std::uint64_t>(value)) * 0x517CC1B727220A95ULL;
        return *this;
    }
    // Equal doubles have equal bits here: sizes are never -0.
    WorkHash& operator<<(double value) { return *this << std::bit_cast<std::int64_t>(value); }
    [[nodiscard]] std::uint64_t state() const { return state_ ^ (state_ >> 32U); }

    void operator()(const MatrixMultiply& w) {
        *this << w.m << w.n << w.k << w.batch << static_cast<std::int64_t>(w.type) * 4 + static_cast<std::int64_t>(w.transposed) << w.output_element_bytes;
    }
    void operator()(const GroupedMatrixMultiply& w) {
        *this << w.rows << w.rows_max << w.groups << w.n << w.k << static_cast<std::int64_t>(w.type)
              << w.output_element_bytes;
    }
    void operator()(const Attention& w) {
        const std::int64_t flags = static_cast<std::int64_t>(w.type) * 64 + static_cast<std::int64_t>(w.kv_type) * 4 +
                                   (w.causal ? 2 : 0) + (w.backward ? 1 : 0);
        *this << w.batch << w.heads << w.kv_heads << w.head_size << w.value_head_size << w.queries << w.keys << w.window
              << flags << w.causal_imbalance;
    }
    void operator()(const Streaming& w) { *this << w.bytes.si() << w.kernels << w.flop.si() << w.fresh_share; }
    void operator()(const Gather& w) {
        *this << w.rows << w.row_bytes.si() << w.table_bytes.si() << static_cast<std::int64_t>(w.scatter_add);
    }
    void operator()(const Convolution& w) {
        *this << w.batch << w.depth << w.height << w.width << w.channels << w.filters << w.kernel_points()
              << w.stride_depth << w.stride << w.groups
              << static_cast<std::int64_t>(w.type) * 4 + static_cast<std::int64_t>(w.pass);
    }

  private:
    std::uint64_t state_ = 0;
};

}  // namespace

std::uint64_t hash_of(const Work& work) {
    WorkHash hash;
    hash << static_cast<std::int64_t>(work.index());
    std::visit(hash, work);
    return hash.state();
}

PriceCache::PriceCache(Device device, const SoftwareFactors& software)
    : device_(std::move(device)), software_(software), slots_(first_slots) {}

std::size_t PriceCache::slot_of(const Work& work) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = hash_of(work) & mask;
    while (slots_[slot].used && !(slots_[slot].work == work)) slot = (slot + 1) & mask;
    return slot;
}

void PriceCache::resize(std::size_t slots) {
    std::vector<Slot> before(slots);
    before.swap(slots_);
    for (const Slot& slot : before) {
        if (slot.used) slots_[slot_of(slot.work)] = slot;
    }
}

Seconds PriceCache::price(const Work& work) {
    std::size_t slot = slot_of(work);
    if (slots_[slot].used) return slots_[slot].seconds;
    if (entries_ >= entries_max) {
        slots_.assign(first_slots, Slot{});
        entries_ = 0;
    } else if (2 * (entries_ + 1) > slots_.size()) {
        resize(2 * slots_.size());
    }
    slot = slot_of(work);
    slots_[slot] = {work, execution_time(device_, work, software_), true};
    ++entries_;
    return slots_[slot].seconds;
}

}  // namespace orrery
