// What is asked of the network: a kind of exchange, how many bytes, among whom. Never when, and never its price.
#pragma once

#include "hardware/data_type.hpp"
#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <array>
#include <cstdint>

namespace orrery {

using RankId = std::int32_t;  // a device of the cluster, 0 .. devices - 1, node by node
using LinkId = std::int32_t;

enum class CollectiveKind : std::uint8_t {
    all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, reduce, send_recv, barrier
};
inline constexpr std::size_t collective_kind_count = 8;

template <>
struct EnumTable<CollectiveKind> {
    static constexpr std::array<EnumName<CollectiveKind>, collective_kind_count> names{{
        {CollectiveKind::all_reduce, "all-reduce", "everyone ends with the sum; size: the buffer of one rank"},
        {CollectiveKind::all_gather, "all-gather", "everyone ends with all shards; size: the gathered total"},
        {CollectiveKind::reduce_scatter, "reduce-scatter", "everyone ends with a shard of the sum; size: the input of one rank"},
        {CollectiveKind::all_to_all, "all-to-all", "everyone sends a different part to each; size: the send buffer of one rank"},
        {CollectiveKind::broadcast, "broadcast", "one rank's buffer to all; size: that buffer"},
        {CollectiveKind::reduce, "reduce", "the sum to one rank; size: the buffer of one rank"},
        {CollectiveKind::send_recv, "send-recv", "one message from the first rank to the second; size: the message"},
        {CollectiveKind::barrier, "barrier", "nobody leaves before all have come; size: 0"},
    }};
};

/// `size` follows nccl-tests (see each kind's line above).
struct Collective {
    CollectiveKind kind = CollectiveKind::all_reduce;
    Bytes size;
    DataType type = DataType::bf16;
    bool operator==(const Collective&) const = default;
};

/// How a group lies on the cluster: all that its price on idle links depends on.
struct GroupShape {
    int ranks = 1;
    int per_domain = 1;   // ranks of the group inside one scale-up domain (the fullest)
    int domains = 1;      // scale-up domains that it touches
    int per_node_peers = 1;  // groups that run the same collective at the same time out of one domain and share its NICs
    bool operator==(const GroupShape&) const = default;
};

}  // namespace orrery
