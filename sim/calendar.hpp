// The event calendar: a radix heap, the fastest order keeper for a clock that only goes forward.
#pragma once

#include "hardware/result.hpp"
#include "sim/engine.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <vector>

namespace orrery {

/// Events in time order, first in first out at equal times. An event's bucket is the highest bit in which its time
/// differs from the time of the last event taken, so that each event moves down at most 64 times in its life, and in
/// practice a handful of times. Nothing may be added before the time of the last event taken.
class Calendar {
  public:
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }

    void add(const Event& event);
    /// Whether an event is due at the time of the last one taken (or of `earliest`); never moves that time.
    [[nodiscard]] bool has_due() const { return head_ < buckets_[0].size(); }
    /// Time of the earliest event; requires that there is one. From here on nothing earlier may be added.
    Picoseconds earliest();
    /// Takes the earliest event out, the one added first among equals.
    Event take();

  private:
    using Bucket = std::vector<Event>;
    void refill();

    std::array<Bucket, 65> buckets_;  // 0: due at last_; b: differs from last_ in bit b - 1 and none above
    std::uint64_t occupied_ = 0;      // bit b - 1: bucket b has events
    std::size_t head_ = 0;            // first event of bucket 0 not taken yet
    std::size_t size_ = 0;
    Picoseconds last_ = 0;
    Bucket moving_;  // a bucket being spread, kept to save allocations
};

inline void Calendar::add(const Event& event) {
    ORRERY_CHECK(event.at >= last_);
    const auto difference = static_cast<std::uint64_t>(event.at ^ last_);
    ++size_;
    if (difference == 0) {
        buckets_[0].push_back(event);
        return;
    }
    const auto bucket = static_cast<std::size_t>(std::bit_width(difference));
    buckets_[bucket].push_back(event);
    occupied_ |= std::uint64_t{1} << (bucket - 1);
}

inline Picoseconds Calendar::earliest() {
    if (head_ == buckets_[0].size()) refill();
    return last_;
}

inline Event Calendar::take() {
    if (head_ == buckets_[0].size()) refill();
    --size_;
    return buckets_[0][head_++];
}

}  // namespace orrery
