// Max-min fair sharing by progressive filling.
#include "network/sharing.hpp"

#include "network/filling.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

namespace orrery {

namespace {

class Filling {
  public:
    Filling(const FillingProblem& problem, std::vector<double>& rates) : p_(problem), rates_(rates) {
        const std::size_t links = p_.capacity.size();
        left_ = p_.capacity;
        weight_.assign(links, 0.0);
        rising_.assign(links, 0);
        link_first_.assign(links + 1, 0);
        rates_.assign(p_.flows(), -1.0);
        for (const std::int32_t link : p_.entry_link) ++link_first_[link + 1];
        std::partial_sum(link_first_.begin(), link_first_.end(), link_first_.begin());
        link_flow_.resize(p_.entry_link.size());
        std::vector<std::int32_t> next(link_first_.begin(), link_first_.end() - 1);
        for (std::size_t f = 0; f < p_.flows(); ++f) {
            for (std::int32_t e = p_.first[f]; e < p_.first[f + 1]; ++e) {
                const std::int32_t link = p_.entry_link[e];
                link_flow_[next[link]++] = static_cast<std::int32_t>(f);
                weight_[link] += p_.entry_load[e] * p_.weight[f];
                ++rising_[link];
            }
        }
    }

    void run() {
        std::vector<std::int32_t> by_limit(p_.flows());
        std::iota(by_limit.begin(), by_limit.end(), 0);
        std::sort(by_limit.begin(), by_limit.end(), [&](std::int32_t a, std::int32_t b) {
            return std::pair(own_level(a), a) < std::pair(own_level(b), b);
        });
        for (std::size_t link = 0; link < left_.size(); ++link) push(static_cast<std::int32_t>(link));
        for (std::size_t next = 0; next < by_limit.size();) {
            const std::int32_t flow = by_limit[next];
            if (rates_[flow] >= 0.0) {
                ++next;
                continue;
            }
            const std::int32_t link = next_full_link();
            if (link < 0 || own_level(flow) <= level_of(link)) {
                level_ = std::max(level_, own_level(flow));
                stop(flow, p_.rate_max[flow]);
                ++next;
            } else {
                fill(link);
            }
        }
    }

  private:
    [[nodiscard]] double own_level(std::int32_t flow) const { return p_.rate_max[flow] / p_.weight[flow]; }
    [[nodiscard]] double level_of(std::int32_t link) const { return std::max(level_, left_[link] / weight_[link]); }
    void push(std::int32_t link) {
        if (rising_[link] > 0) heap_.emplace(level_of(link), link);
    }

    /// The link that is full first, or -1. Levels only rise as flows stop, so an entry that is out of date is too low.
    std::int32_t next_full_link() {
        while (!heap_.empty()) {
            const auto [level, link] = heap_.top();
            if (rising_[link] > 0 && level_of(link) <= level) return link;
            heap_.pop();
            push(link);
        }
        return -1;
    }

    void fill(std::int32_t link) {
        level_ = level_of(link);
        for (std::int32_t i = link_first_[link]; i < link_first_[link + 1]; ++i) {
            const std::int32_t flow = link_flow_[i];
            if (rates_[flow] < 0.0) stop(flow, std::min(p_.rate_max[flow], cut_rate(level_ * p_.weight[flow])));
        }
    }

    void stop(std::int32_t flow, double rate) {
        rates_[flow] = rate;
        for (std::int32_t e = p_.first[flow]; e < p_.first[flow + 1]; ++e) {
            const std::int32_t link = p_.entry_link[e];
            left_[link] -= p_.entry_load[e] * rate;
            weight_[link] -= p_.entry_load[e] * p_.weight[flow];
            --rising_[link];
        }
    }

    using Entry = std::pair<double, std::int32_t>;
    const FillingProblem& p_;
    std::vector<double>& rates_;         // -1: still rising
    std::vector<double> left_, weight_;  // by link: capacity not taken, weight still rising
    std::vector<std::int32_t> rising_, link_first_, link_flow_;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap_;
    double level_ = 0.0;
};

}  // namespace

void FillingProblem::clear() {
    capacity.clear();
    rate_max.clear();
    weight.clear();
    first.assign(1, 0);
    entry_link.clear();
    entry_load.clear();
}

void FillingProblem::end_flow(double flow_rate_max, double flow_weight) {
    rate_max.push_back(flow_rate_max);
    weight.push_back(flow_weight);
    first.push_back(static_cast<std::int32_t>(entry_link.size()));
}

void fill_progressively(const FillingProblem& problem, std::vector<double>& rates) { Filling(problem, rates).run(); }

std::vector<BytesPerSecond> max_min_rates(std::span<const BytesPerSecond> bandwidth,
                                          std::span<const FlowDemand> flows) {
    FillingProblem problem;
    for (const BytesPerSecond link : bandwidth) {
        ORRERY_CHECK(link.si() > 0.0);
        problem.capacity.push_back(link.si());
    }
    for (const FlowDemand& flow : flows) {
        ORRERY_CHECK(flow.rate_max.si() > 0.0);
        ORRERY_CHECK(flow.weight > 0.0);
        for (const LinkLoad& load : flow.loads) {
            ORRERY_CHECK(load.link >= 0 && static_cast<std::size_t>(load.link) < bandwidth.size());
            ORRERY_CHECK(load.bytes_per_byte > 0.0);
            problem.entry_link.push_back(load.link);
            problem.entry_load.push_back(load.bytes_per_byte);
        }
        problem.end_flow(flow.rate_max.si(), flow.weight);
    }
    std::vector<double> rates;
    fill_progressively(problem, rates);
    std::vector<BytesPerSecond> result;
    result.reserve(rates.size());
    for (const double rate : rates) result.push_back(BytesPerSecond::from_si(rate));
    return result;
}

}  // namespace orrery
