// A calendar of coming events for simulators that own their time: the next instant, and all that is due in it.
#pragma once

#include "hardware/result.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace orrery {

/// Monotone radix heap over picoseconds (Ahuja, Mehlhorn, Orlin & Tarjan, "Faster algorithms for the shortest path
/// problem", JACM 37(2), 1990): an event moves down at most once per bit of its distance, whatever the number pending.
/// Order inside one instant follows from the order of the calls alone, so equal runs give equal orders.
template <class Event>
class Calendar {
  public:
    /// Requires `at_ps` not before the instant that next() gave last.
    void push(std::int64_t at_ps, Event event) {
        ORRERY_CHECK(at_ps >= now_ps_);
        buckets_[bucket_of(at_ps)].push_back({at_ps, event});
    }

    /// Moves on to the next instant that has an event; false if there is none.
    bool next() {
        if (!buckets_[0].empty()) return true;
        std::size_t b = 1;
        while (b < buckets_.size() && buckets_[b].empty()) ++b;
        if (b == buckets_.size()) return false;
        std::int64_t first = buckets_[b].front().at_ps;
        for (const Entry& entry : buckets_[b]) first = std::min(first, entry.at_ps);
        now_ps_ = first;
        moving_.swap(buckets_[b]);
        for (const Entry& entry : moving_) buckets_[bucket_of(entry.at_ps)].push_back(entry);
        if (moving_.capacity() > capacity_kept) std::vector<Entry>().swap(moving_);
        moving_.clear();
        return true;
    }

    /// Takes one event of the present instant; false if none is left.
    bool take(Event& event) {
        if (buckets_[0].empty()) return false;
        event = buckets_[0].back().event;
        buckets_[0].pop_back();
        return true;
    }

    [[nodiscard]] bool has_now() const { return !buckets_[0].empty(); }
    [[nodiscard]] std::int64_t now_ps() const { return now_ps_; }

  private:
    struct Entry {
        std::int64_t at_ps;
        Event event;
    };
    /// Larger buckets give their memory back once emptied: a burst of a million events should not stay.
    static constexpr std::size_t capacity_kept = 1 << 16;

    [[nodiscard]] std::size_t bucket_of(std::int64_t at_ps) const {
        return static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(at_ps ^ now_ps_)));
    }

    std::array<std::vector<Entry>, 65> buckets_;
    std::vector<Entry> moving_;
    std::int64_t now_ps_ = 0;
};

}  // namespace orrery
