// Remembers prices: a simulation asks for the same few pieces of work millions of times.
#pragma once

#include "hardware/device.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace orrery {

/// For tables that find prices by work.
std::uint64_t hash_of(const Work& work);

/// execution_time() of one device under fixed software factors, each distinct work priced once. A value with one owner:
/// threads keep their own. Open addressing with linear probing; past `entries_max` distinct works it starts afresh.
class PriceCache {
  public:
    static constexpr std::size_t entries_max = std::size_t{1} << 18U;

    explicit PriceCache(Device device, const SoftwareFactors& software = {});

    /// The same number as execution_time(device, work, software).
    Seconds price(const Work& work);

    [[nodiscard]] const Device& device() const { return device_; }
    [[nodiscard]] std::size_t entries() const { return entries_; }

  private:
    struct Slot {
        Work work;
        Seconds seconds;
        bool used = false;
    };
    [[nodiscard]] std::size_t slot_of(const Work& work) const;
    void resize(std::size_t slots);

    Device device_;
    SoftwareFactors software_;
    std::vector<Slot> slots_;
    std::size_t entries_ = 0;
};

}  // namespace orrery
