// The workload "collective" of a scenario: one collective over a sweep of sizes, where it runs and what runs beside it.
#pragma once

#include "hardware/fields.hpp"
#include "network/collective.hpp"
#include "network/packet/packet_player.hpp"

#include <string>
#include <tuple>
#include <vector>

namespace orrery {

struct Scenario;

/// Which devices take part: listed, or every `stride`-th from `first` on.
struct GroupSpec {
    std::vector<int> ranks;
    int size = 0;
    int stride = 1;
    int first = 0;
    int groups = 1;
    static constexpr auto fields() {
        using G = GroupSpec;
        return std::tuple{
            field("ranks", &G::ranks, {0.0, 16777216.0}, "Devices in the order of the group, counted node by node from 0; absent: by size and stride."),
            field("size", &G::size, {2.0, 16777216.0}, "Devices in the group; absent: as many as there are at this stride."),
            field("stride", &G::stride, count, "From one device of the group to the next."),
            field("first", &G::first, non_negative, "First device of the group."),
            field("groups", &G::groups, count, "Groups that run the collective at the same time, each one device further on."),
        };
    }
};

enum class BackgroundPattern : std::uint8_t { flow, permutation, incast, all_to_all };

template <>
struct EnumTable<BackgroundPattern> {
    static constexpr std::array<EnumName<BackgroundPattern>, 4> names{{
        {BackgroundPattern::flow, "flow", "one message, `from` to `to`"},
        {BackgroundPattern::permutation, "permutation", "every device of `ranks` to another one, by the seed"},
        {BackgroundPattern::incast, "incast", "every device of `ranks` to `to`"},
        {BackgroundPattern::all_to_all, "all-to-all", "every device of `ranks` to every other"},
    }};
};

struct BackgroundSpec {
    BackgroundPattern pattern = BackgroundPattern::flow;
    Bytes size;
    int from = 0;
    int to = 0;
    std::vector<int> ranks;
    int traffic_class = 0;
    static constexpr auto fields() {
        using B = BackgroundSpec;
        return std::tuple{
            required_field("pattern", &B::pattern, any_value, "Who sends to whom."),
            required_field("size", &B::size, positive, "Every message."),
            field("from", &B::from, non_negative, "Of flow: the sending device."),
            field("to", &B::to, non_negative, "Of flow and incast: the receiving device."),
            field("ranks", &B::ranks, {0.0, 16777216.0}, "Devices that send; absent: all that are not in a group."),
            field("class", &B::traffic_class, {0.0, 7.0}, "Traffic class: 0 goes first, others get what it leaves; packets also by class_weights."),
        };
    }
};

struct CollectiveWorkload {
    CollectiveKind collective = CollectiveKind::all_reduce;
    Bytes from;
    Bytes to;
    double factor = 2.0;
    DataType type = DataType::fp32;
    std::string algorithm = "auto";
    int channels = 0;
    int root = 0;
    double imbalance = 1.0;
    std::vector<double> shares;
    GroupSpec group;
    std::vector<BackgroundSpec> background;
    int traffic_class = 0;
    PacketOptions packet;
    static constexpr auto fields() {
        using W = CollectiveWorkload;
        return std::tuple{
            required_field("collective", &W::collective, any_value, "Which exchange."),
            field("from", &W::from, positive, "Smallest size, counted as nccl-tests does; of all but barrier."),
            field("to", &W::to, positive, "Largest size; absent: only the smallest."),
            field("factor", &W::factor, {1.0, 1.0e6, true}, "From one size to the next.", "nccl-tests, -f 2"),
            field("type", &W::type, any_value, "Number format of what is exchanged.", "nccl-tests, -d float"),
            field("algorithm", &W::algorithm, any_value, "\"auto\": as NCCL chooses; or one of `orrery list algorithms`."),
            field("channels", &W::channels, {1.0, 64.0}, "Rings or trees side by side; absent: one for each device of a scale-up domain, one inside a domain."),
            field("root", &W::root, non_negative, "Of broadcast and reduce: place in the group."),
            field("imbalance", &W::imbalance, {1.0, 1.0e6}, "Of all-to-all: bytes of the receiver that gets most over the mean, others alike."),
            field("shares", &W::shares, non_negative, "Of all-to-all: relative bytes for each receiver, in the order of the group; instead of imbalance."),
            field("group", &W::group, any_value, "Which devices take part; absent: all."),
            field("background", &W::background, any_value, "Traffic that starts at the same time; fluid and packet."),
            field("class", &W::traffic_class, {0.0, 7.0}, "Traffic class of the collective: 0 goes first."),
            field("packet", &W::packet, any_value, "Packets, queues and congestion control, of fidelity packet."),
        };
    }
};

/// Sizes of the sweep, smallest first; of a barrier one, of nothing.
std::vector<Bytes> sweep_sizes(const CollectiveWorkload& workload);

/// The groups' members on `devices` devices. Requires what collective_problems() finds no fault with.
std::vector<std::vector<RankId>> group_members(const GroupSpec& group, int devices);

/// What is wrong with a scenario's collective on that many devices, with places; names are looked up elsewhere.
Problems collective_problems(const Scenario& scenario, int devices);

}  // namespace orrery
