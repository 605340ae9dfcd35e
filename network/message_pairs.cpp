// Which receive takes which send.
#include "network/message_pairs.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <tuple>

namespace orrery {

namespace {

constexpr std::size_t pair_problems_max = 10;

/// Indices ordered by source, destination and tag; equal ones stay in the order of posting.
template <class Key>
std::vector<std::int32_t> posted_order(std::span<const PostedMessage> messages, const Key& key) {
    std::vector<std::int32_t> order(messages.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return key(messages[a]) < key(messages[b]); });
    return order;
}

std::string message_text(const PostedMessage& m, bool is_send) {
    return std::string(is_send ? "send" : "receive") + " of rank " + std::to_string(m.rank) + (is_send ? " to " : " from ") +
           std::to_string(m.peer) + " under tag " + std::to_string(m.tag);
}

}  // namespace

Result<std::vector<std::int32_t>> pair_messages(std::span<const PostedMessage> sends,
                                                std::span<const PostedMessage> receives) {
    const auto send_key = [](const PostedMessage& m) { return std::tuple(m.rank, m.peer, m.tag); };
    const auto receive_key = [](const PostedMessage& m) { return std::tuple(m.peer, m.rank, m.tag); };
    const std::vector<std::int32_t> out = posted_order(sends, send_key);
    const std::vector<std::int32_t> in = posted_order(receives, receive_key);
    std::vector<std::int32_t> receive_of(sends.size(), -1);
    Problems problems;
    std::size_t faults = 0;
    const auto add = [&](const char* list, std::int32_t index, std::string problem, std::string remedy) {
        ++faults;
        if (problems.size() == pair_problems_max) return;
        problems.push_back({std::string(list) + std::to_string(index), std::move(problem), std::move(remedy)});
    };
    for (std::size_t i = 0, j = 0; i < out.size() || j < in.size();) {
        const bool send_alone = j == in.size() || (i < out.size() && send_key(sends[out[i]]) < receive_key(receives[in[j]]));
        if (send_alone) {
            add("/sends/", out[i], message_text(sends[out[i]], true) + " has no receive", "post the receive, or drop the send");
            ++i;
            continue;
        }
        if (i == out.size() || receive_key(receives[in[j]]) < send_key(sends[out[i]])) {
            add("/receives/", in[j], message_text(receives[in[j]], false) + " has no send", "post the send, or drop the receive");
            ++j;
            continue;
        }
        if (sends[out[i]].size != receives[in[j]].size) {
            add("/sends/", out[i], message_text(sends[out[i]], true) + " has " + std::to_string(sends[out[i]].size.si()) +
                " bytes, its receive " + std::to_string(receives[in[j]].size.si()), "give both the same size");
        }
        receive_of[out[i++]] = in[j++];
    }
    if (problems.empty()) return receive_of;
    problems[0].remedy += " (" + std::to_string(faults) + " messages do not pair up)";
    return problems;
}

}  // namespace orrery
