// How the radix heap finds its next instant.
#include "sim/calendar.hpp"

#include <algorithm>

namespace orrery {

/// Moves the clock to the earliest event and spreads that event's bucket over the ones below, in order, so that equal
/// times stay in the order in which they were added.
void Calendar::refill() {
    ORRERY_CHECK(size_ > 0);
    buckets_[0].clear();
    head_ = 0;
    const auto lowest = static_cast<std::size_t>(std::countr_zero(occupied_)) + 1;
    Bucket& bucket = buckets_[lowest];
    occupied_ &= occupied_ - 1;
    last_ =
        std::min_element(bucket.begin(), bucket.end(), [](const Event& a, const Event& b) { return a.at < b.at; })->at;
    moving_.swap(bucket);
    for (const Event& event : moving_) {
        const auto difference = static_cast<std::uint64_t>(event.at ^ last_);
        const auto target = static_cast<std::size_t>(std::bit_width(difference));
        buckets_[target].push_back(event);
        if (target > 0) occupied_ |= std::uint64_t{1} << (target - 1);
    }
    moving_.clear();
    moving_.swap(bucket);
}

}  // namespace orrery
