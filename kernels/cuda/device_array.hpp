// Arrays on a device in several copies, filled from the host; and the frame of the kernels that are prepared on them.
#pragma once

#include "hardware/rng.hpp"
#include "kernels/cuda/lane.hpp"
#include "kernels/reference/kernel.hpp"

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace orrery::cuda {

/// `copies` arrays of `extent` values on a Device (Gpu, or the emulator of the tests). Copying shares them.
template <class Device, class T>
class DeviceArray {
  public:
    DeviceArray() = default;
    DeviceArray(int copies, Index extent) : extent_(extent) {
        for (int i = 0; i < copies; ++i) arrays_.push_back(Device::allocate(bytes()));
    }
    /// Every copy holds `values`.
    DeviceArray(int copies, const std::vector<T>& values) : DeviceArray(copies, static_cast<Index>(values.size())) {
        for (int i = 0; i < copies; ++i) write(i, values);
    }

    T* operator[](int copy) const { return static_cast<T*>(arrays_[static_cast<std::size_t>(copy)].get()); }
    [[nodiscard]] Index extent() const { return extent_; }
    void write(int copy, const std::vector<T>& values) const { Device::write((*this)[copy], values.data(), bytes()); }
    [[nodiscard]] std::vector<T> read(int copy = 0) const {
        std::vector<T> values(static_cast<std::size_t>(extent_));
        Device::read(values.data(), (*this)[copy], bytes());
        return values;
    }
    /// Fills the first copy with a pattern that no kernel may leave behind: not a number in fp32 and bf16.
    void poison() const {
        const std::vector<std::uint16_t> marks(bytes() / sizeof(std::uint16_t) + 1, std::uint16_t{0x7fa1});
        Device::write((*this)[0], marks.data(), bytes());
    }

  private:
    [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(extent_) * sizeof(T); }
    std::vector<std::shared_ptr<void>> arrays_;
    Index extent_ = 0;
};

inline float value_of(float value) { return value; }
inline float value_of(Bf16 value) { return widen(value); }

/// Rounds to nearest even; of finite values.
template <class T>
T element_from(float value) {
    if constexpr (std::is_same_v<T, Bf16>) {
        const auto bits = __builtin_bit_cast(std::uint32_t, value);
        return Bf16{static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
    } else {
        return value;
    }
}

/// Values that are drawn before they repeat: an odd number near a million, so that a gigabyte takes no minute to draw and
/// no two rows of a power of two are alike.
constexpr Index drawn_most = (Index{1} << 20) + 7;

template <class T>
void repeat_drawn(std::vector<T>& values, Index extent) {
    while (static_cast<Index>(values.size()) < extent) {
        const auto more = std::min(values.size(), static_cast<std::size_t>(extent) - values.size());
        const std::size_t before = values.size();
        values.resize(before + more);
        std::copy_n(values.begin(), more, values.begin() + static_cast<std::ptrdiff_t>(before));
    }
}

/// Uniform on [-scale, scale).
template <class T>
std::vector<T> random_values(Index extent, Rng& rng, float scale = 1.0F) {
    std::vector<T> values;
    values.reserve(static_cast<std::size_t>(extent));
    values.resize(static_cast<std::size_t>(std::min(extent, drawn_most)));
    for (T& value : values) value = element_from<T>(scale * (static_cast<float>(rng.next() >> 40) * 0x1p-23F - 1.0F));
    repeat_drawn(values, extent);
    return values;
}

inline std::vector<std::int32_t> random_picks(Index extent, Index bound, Rng& rng) {
    std::vector<std::int32_t> values(static_cast<std::size_t>(extent));
    for (std::int32_t& value : values) value = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(bound)));
    return values;
}

template <class T>
std::vector<double> doubles_of(const std::vector<T>& values) {
    std::vector<double> wide;
    wide.reserve(values.size());
    for (const T value : values) wide.push_back(static_cast<double>(value_of(value)));
    return wide;
}

template <class T>
std::vector<float> floats_of(const std::vector<T>& values) {
    std::vector<float> wide;
    wide.reserve(values.size());
    for (const T value : values) wide.push_back(value_of(value));
    return wide;
}

/// Relative Frobenius error that a number format allows a kernel of one pass.
template <class T>
constexpr double error_allowed = std::is_same_v<T, Bf16> ? 1e-2 : 1e-5;

/// Work that is bound by bytes: `bytes` and `flop` in SI.
template <class Device>
PreparedKernel streaming_frame(int copies, double bytes, double flop) {
    PreparedKernel kernel;
    kernel.work = Streaming{Bytes::from_si(bytes), 1, Flop::from_si(flop)};
    kernel.flop = Flop::from_si(flop);
    kernel.bytes = Bytes::from_si(bytes);
    kernel.copies = copies;
    kernel.finish = [] { Device::finish(); };
    return kernel;
}

/// `run(copy)` writes all of `y`; `oracle()` gives what the first copy must hold. Counts of bytes and flop in SI.
template <class Device, class T, class Run, class Oracle>
PreparedKernel streaming_on(int copies, double bytes, double flop, const DeviceArray<Device, T>& y, Run run, Oracle oracle) {
    PreparedKernel kernel = streaming_frame<Device>(copies, bytes, flop);
    kernel.error_max = error_allowed<T>;
    kernel.run = run;
    kernel.check = [y, run, oracle] {
        y.poison();
        run(0);
        return relative_error(floats_of(y.read()), oracle());
    };
    return kernel;
}

}  // namespace orrery::cuda
