// Progressive filling on plain arrays: max-min fair rates found anew, which those kept up to date are held to.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace orrery {

/// Cuts a rate to 40 significant bits, towards zero.
inline double cut_rate(double rate) {
    constexpr std::uint64_t low_bits = (std::uint64_t{1} << 13U) - 1;  // of the 53 of a double
    return std::bit_cast<double>(std::bit_cast<std::uint64_t>(rate) & ~low_bits);
}

/// Flows and links of one problem, numbered from 0. Flow f loads links entry_link[first[f] .. first[f + 1]).
struct FillingProblem {
    std::vector<double> capacity;          // by link, bytes/s
    std::vector<double> rate_max, weight;  // by flow
    std::vector<std::int32_t> first{0};
    std::vector<std::int32_t> entry_link;
    std::vector<double> entry_load;  // bytes on the link per byte of progress

    void clear();
    void end_flow(double flow_rate_max, double flow_weight);  // after its entries were pushed
    [[nodiscard]] std::size_t flows() const { return rate_max.size(); }
};

/// All rates rise together (in proportion to weight) until a flow meets its own limit or a link is full; those stop,
/// the others go on. Bertsekas & Gallager, Data Networks, 1992, 6.5.2; with a lazy heap over links, O(entries log
/// links). Rates are cut to 40 bits, so that sums of the same flows in another order seldom give another answer.
void fill_progressively(const FillingProblem& problem, std::vector<double>& rates);

}  // namespace orrery
