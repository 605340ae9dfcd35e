// Which receive takes which send, as message-passing programs post them: an exchange that does not pair up is an error.
#pragma once

#include "hardware/result.hpp"
#include "hardware/units.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace orrery {

/// A send of `rank` to `peer`, or a receive of `rank` from `peer`, in the order in which each rank posts them.
struct PostedMessage {
    std::int32_t rank = 0;
    std::int32_t peer = 0;
    std::int32_t tag = 0;
    Bytes size;
};

/// For each send the index of its receive: the first send from one rank to another under a tag meets the first receive there
/// (MPI 4.0, 3.5: messages between two ranks do not overtake each other). Problems: sends and receives without a
/// partner and pairs of different size, the first ten named, the first with how many there are.
Result<std::vector<std::int32_t>> pair_messages(std::span<const PostedMessage> sends,
                                                std::span<const PostedMessage> receives);

}  // namespace orrery
