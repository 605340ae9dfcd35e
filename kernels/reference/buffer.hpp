// Aligned arrays of random numbers, in several copies, for reference kernels.
#pragma once

#include "hardware/rng.hpp"
#include "kernels/reference/operators.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace orrery {

/// Rounds to nearest even, as hardware does (Intel, "BFLOAT16 - Hardware Numerics Definition", 2018).
inline std::uint16_t to_bf16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}
inline float from_bf16(std::uint16_t value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16); }

/// Memory on large pages, so that page walks do not decide a timing, each array begun on another line of a page, so that
/// no two of a kernel's arrays lie alike. It comes from one region of the process that is kept, since touching fresh pages
/// may take longer than a measurement; what was there before is still there.
void* kernel_memory(std::size_t bytes);
void release_kernel_memory(void* memory);

/// `copies` arrays of `count` values, each on its own pages.
template <class T>
class Copies {
  public:
    Copies(int copies, Index extent) : count_(extent) {
        for (int i = 0; i < copies; ++i) {
            arrays_.emplace_back(static_cast<T*>(kernel_memory(static_cast<std::size_t>(extent) * sizeof(T))), &release_kernel_memory);
            for (Index j = 0; j < extent; ++j) arrays_.back().get()[j] = T{};
        }
    }
    T* operator[](int copy) const { return arrays_[static_cast<std::size_t>(copy)].get(); }
    [[nodiscard]] Index extent() const { return count_; }
    [[nodiscard]] std::span<T> values(int copy = 0) const { return {(*this)[copy], static_cast<std::size_t>(count_)}; }
    [[nodiscard]] int copies() const { return static_cast<int>(arrays_.size()); }

  private:
    Index count_;
    std::vector<std::unique_ptr<T, decltype(&release_kernel_memory)>> arrays_;
};

template <class T>
using Shared = std::shared_ptr<Copies<T>>;

template <class T>
Shared<T> zeros(int copies, Index extent) {
    return std::make_shared<Copies<T>>(copies, extent);
}

/// Uniform on [-scale, scale): random data, since zeros run faster than they should. All copies are alike.
inline Shared<float> random_floats(int copies, Index extent, Rng& rng, float scale = 1.0F) {
    auto result = zeros<float>(copies, extent);
    if (copies <= 0) return result;
    for (float& value : result->values()) value = scale * (static_cast<float>(rng.next() >> 40) * 0x1p-23F - 1.0F);
    for (int i = 1; i < copies; ++i) std::copy_n((*result)[0], extent, (*result)[i]);
    return result;
}

inline Shared<std::uint16_t> random_bf16(int copies, Index extent, Rng& rng, float scale = 1.0F) {
    auto result = zeros<std::uint16_t>(copies, extent);
    if (copies <= 0) return result;
    for (std::uint16_t& value : result->values()) {
        value = to_bf16(scale * (static_cast<float>(rng.next() >> 40) * 0x1p-23F - 1.0F));
    }
    for (int i = 1; i < copies; ++i) std::copy_n((*result)[0], extent, (*result)[i]);
    return result;
}

inline Shared<std::int32_t> random_indices(int copies, Index extent, Index bound, Rng& rng) {
    auto result = zeros<std::int32_t>(copies, extent);
    for (int i = 0; i < copies; ++i) {
        for (std::int32_t& value : result->values(i)) {
            value = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(bound)));
        }
    }
    return result;
}

}  // namespace orrery
