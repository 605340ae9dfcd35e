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
/// Events of one instant come in the order in which they were pushed.
template <class Event>
class Calendar {
  public:
    /// Requires `at_ps` not before now_ps().
    void push(std::int64_t at_ps, Event event) {
        ORRERY_CHECK(at_ps >= now_ps_);
        place({at_ps, event});
    }

    /// Moves on to the next instant that has an event (the present one, if it has any left); false if there is none.
    bool next() {
        if (has_now()) return true;
        if (occupied_ == 0) return false;
        Bucket& bucket = buckets_[static_cast<std::size_t>(std::countr_zero(occupied_)) + 1];
        occupied_ &= occupied_ - 1;
        now_ps_ = std::min_element(bucket.begin(), bucket.end(), [](const Entry& a, const Entry& b) {
                      return a.at_ps < b.at_ps;
                  })->at_ps;
        moving_.swap(bucket);
        for (const Entry& entry : moving_) place(entry);
        empty_out(moving_);
        return true;
    }

    /// Takes the next event of the present instant; false if none is left.
    bool take(Event& event) {
        if (!has_now()) return false;
        event = buckets_[0][head_++].event;
        if (head_ == buckets_[0].size()) {
            empty_out(buckets_[0]);
            head_ = 0;
        }
        return true;
    }

    [[nodiscard]] bool has_now() const { return head_ < buckets_[0].size(); }
    [[nodiscard]] std::int64_t now_ps() const { return now_ps_; }

  private:
    struct Entry {
        std::int64_t at_ps;
        Event event;
    };
    using Bucket = std::vector<Entry>;
    /// Larger buckets give their memory back once emptied: a burst of a million events should not stay.
    static constexpr std::size_t capacity_kept = 1 << 16;

    void place(const Entry& entry) {
        const auto b = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(entry.at_ps ^ now_ps_)));
        buckets_[b].push_back(entry);
        if (b > 0) occupied_ |= std::uint64_t{1} << (b - 1);
    }
    static void empty_out(Bucket& bucket) {
        if (bucket.capacity() > capacity_kept) Bucket().swap(bucket);
        bucket.clear();
    }

    std::array<Bucket, 65> buckets_;  // 0: of this instant; b: differs from it in bit b - 1 and none above
    std::uint64_t occupied_ = 0;      // bit b - 1: bucket b has events
    std::size_t head_ = 0;            // first event of bucket 0 not taken yet
    Bucket moving_;
    std::int64_t now_ps_ = 0;
};

}  // namespace orrery
