// Sizes and groups of a collective workload, and what cannot be run of it.
#include "scenarios/collective_workload.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/scenario.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>

namespace orrery {
namespace {

constexpr double bytes_exact_max = 9007199254740992.0;  // 2^53: beyond, a double skips whole bytes
constexpr std::size_t sizes_max = 200;

int group_size(const GroupSpec& group, int devices) {
    if (!group.ranks.empty()) return static_cast<int>(group.ranks.size());
    if (group.size > 0) return group.size;
    return group.first >= devices ? 0 : (devices - group.first - 1 - (group.groups - 1)) / group.stride + 1;
}

class CollectiveCheck {
  public:
    CollectiveCheck(const Scenario& scenario, int devices)
        : scenario_(scenario), workload_(*scenario.collective), devices_(devices) {}

    Problems run() {
        check_sizes();
        check_group();
        if (problems_.empty()) {
            check_parts();
            check_background();
        }
        const std::vector<SlowLink>& slow = scenario_.cluster.faults.slow_links;
        for (std::size_t i = 0; i < slow.size(); ++i) {
            if (slow[i].rank < devices_) continue;
            add(pointer_to("/cluster/faults/slow_links", i) + "/rank", fmt::format("is {}, and the cluster has {} devices", slow[i].rank, devices_),
                fmt::format("write a rank from 0 to {}", devices_ - 1));
        }
        return std::move(problems_);
    }

  private:
    void add(std::string place, std::string problem, std::string remedy) {
        if (problems_.size() < problems_max) problems_.push_back({std::move(place), std::move(problem), std::move(remedy)});
    }

    void check_sizes() {
        const CollectiveWorkload& w = workload_;
        if (w.collective == CollectiveKind::barrier) return;
        if (w.from.si() <= 0.0) return add("/workload/from", "is missing: a collective has a size", "write a size such as \"1 MiB\"");
        const double last = std::max(w.from.si(), w.to.si());
        if (!(last <= bytes_exact_max)) {
            return add(w.to > w.from ? "/workload/to" : "/workload/from", fmt::format("is {:.4g} bytes, beyond the 2^53 that are counted exactly", last),
                       "write at most \"8 PiB\"");
        }
        if (w.to.si() > 0.0 && w.to < w.from) {
            return add("/workload/to", fmt::format("is {:.0f} bytes, less than the {:.0f} of from", w.to.si(), w.from.si()),
                       "write the larger size in to");
        }
        if (w.to.si() > 0.0 && std::log(w.to / w.from) / std::log(w.factor) >= static_cast<double>(sizes_max)) {
            add("/workload/factor", fmt::format("is {:.6g}, which makes more than {} sizes", w.factor, sizes_max), "write a larger factor, such as 2");
        }
    }

    void check_ranks(const std::vector<int>& ranks, const std::string& place) {
        std::set<int> seen;
        for (std::size_t i = 0; i < ranks.size(); ++i) {
            if (ranks[i] >= devices_) {
                add(pointer_to(place, i), fmt::format("is {}, and the cluster has {} devices", ranks[i], devices_),
                    fmt::format("write a rank from 0 to {}", devices_ - 1));
            } else if (!seen.insert(ranks[i]).second) {
                add(pointer_to(place, i), fmt::format("is {}, which is listed twice", ranks[i]), "keep one of the two");
            }
        }
    }

    void check_group() {
        const GroupSpec& group = workload_.group;
        const std::string place = "/workload/group";
        if (!group.ranks.empty() && (group.size > 0 || group.stride != 1 || group.first != 0)) {
            add(place + "/ranks", "stands beside size, stride or first", "list the ranks, or give size and stride");
            return;
        }
        const int size = group_size(group, devices_);
        if (size < 2) {
            return add(place, fmt::format("has {} of {} devices", std::max(size, 0), devices_), "let at least two devices take part");
        }
        if (workload_.collective == CollectiveKind::send_recv && size != 2) {
            return add(place, fmt::format("has {} devices, and send-recv is between two", size), "write \"ranks\": [0, 1], or \"size\": 2");
        }
        if (!group.ranks.empty()) {
            check_ranks(group.ranks, place + "/ranks");
            if (group.groups > 1) add(place + "/groups", "is above 1 beside ranks", "leave it out, or give size and stride");
            return;
        }
        const double last = group.first + (size - 1.0) * group.stride + group.groups - 1.0;
        if (last >= devices_) {
            return add(place + "/size", fmt::format("{} devices at stride {} from {} reach rank {:.0f}, and the cluster has {} devices", size,
                                                    group.stride, group.first, last, devices_),
                       "take fewer of them, a smaller stride, or more nodes");
        }
        if (group.groups > 1 && group.groups > group.stride) {
            add(place + "/groups", fmt::format("is {}, and at stride {} the groups would share devices", group.groups, group.stride),
                fmt::format("write at most {}", group.stride));
        }
    }

    void check_parts() {
        const CollectiveWorkload& w = workload_;
        const int size = group_size(w.group, devices_);
        if (w.root >= size) {
            add("/workload/root", fmt::format("is {}, and the group has {} devices", w.root, size), fmt::format("write 0 to {}", size - 1));
        }
        const bool exchange = w.collective == CollectiveKind::all_to_all;
        if (!exchange && (w.imbalance != 1.0 || !w.shares.empty())) {
            add(w.shares.empty() ? "/workload/imbalance" : "/workload/shares", "belongs to all-to-all alone", "remove it, or write \"collective\": \"all-to-all\"");
            return;
        }
        if (w.imbalance > size) {
            add("/workload/imbalance", fmt::format("is {:g}, and one of {} receivers cannot get more than all", w.imbalance, size), fmt::format("write at most {}", size));
        }
        if (w.shares.empty()) return;
        if (w.imbalance != 1.0) add("/workload/imbalance", "stands beside shares", "keep one of the two");
        if (static_cast<int>(w.shares.size()) != size) {
            add("/workload/shares", fmt::format("has {} numbers for {} receivers", w.shares.size(), size), "write one for each device of the group");
        }
        double sum = 0.0;
        for (const double share : w.shares) sum += share;
        if (!(sum > 0.0)) add("/workload/shares", "add up to nothing", "let at least one receiver get something");
    }

    void check_background() {
        const std::vector<BackgroundSpec>& all = workload_.background;
        if (!all.empty() && scenario_.fidelity == Fidelity::estimate) {
            add("/workload/background", "has traffic, and an estimate sees idle links alone", "write \"fidelity\": \"fluid\" or \"packet\"");
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::string place = pointer_to("/workload/background", i);
            const BackgroundSpec& one = all[i];
            check_ranks(one.ranks, place + "/ranks");
            const bool has_to = one.pattern == BackgroundPattern::flow || one.pattern == BackgroundPattern::incast;
            if (has_to && one.to >= devices_) {
                add(place + "/to", fmt::format("is {}, and the cluster has {} devices", one.to, devices_), fmt::format("write a rank from 0 to {}", devices_ - 1));
            }
            if (one.pattern != BackgroundPattern::flow) continue;
            if (one.from >= devices_) {
                add(place + "/from", fmt::format("is {}, and the cluster has {} devices", one.from, devices_), fmt::format("write a rank from 0 to {}", devices_ - 1));
            } else if (one.from == one.to) {
                add(place + "/to", "is the sender itself", "name another device");
            }
        }
    }

    const Scenario& scenario_;
    const CollectiveWorkload& workload_;
    int devices_ = 0;
    Problems problems_;
};

}  // namespace

std::vector<Bytes> sweep_sizes(const CollectiveWorkload& workload) {
    if (workload.collective == CollectiveKind::barrier) return {Bytes{}};
    std::vector<Bytes> sizes;
    const double last = std::max(workload.from.si(), workload.to.si()) * (1.0 + 1e-9);  // powers of a factor are rounded
    for (double size = workload.from.si(); size <= last; size *= workload.factor) sizes.push_back(Bytes::from_si(std::round(size)));
    return sizes;
}

std::vector<std::vector<RankId>> group_members(const GroupSpec& group, int devices) {
    if (!group.ranks.empty()) return {std::vector<RankId>(group.ranks.begin(), group.ranks.end())};
    const int size = group_size(group, devices);
    std::vector<std::vector<RankId>> groups(static_cast<std::size_t>(group.groups));
    for (int g = 0; g < group.groups; ++g) {
        for (int i = 0; i < size; ++i) groups[static_cast<std::size_t>(g)].push_back(group.first + g + i * group.stride);
    }
    return groups;
}

Problems collective_problems(const Scenario& scenario, int devices) { return CollectiveCheck(scenario, devices).run(); }

}  // namespace orrery
