// Pairs of sends and receives held to the order of posting, and each way not to pair up to its message.
#include "network/message_pairs.hpp"

#include "hardware/rng.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;

TEST_CASE("messages between two ranks under one tag meet in the order of posting", "[network][flows]") {
    // Method: generated sends, receives posted in another interleaving of the pairs; each pair's own order must hold.
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Rng rng = Rng::stream(seed, "message pairs", 0);
        std::vector<PostedMessage> sends;
        std::vector<PostedMessage> receives;
        for (int i = 0; i < 200; ++i) {
            const auto draw = [&](std::uint64_t bound) { return static_cast<std::int32_t>(rng.below(bound)); };
            sends.push_back({draw(4), draw(4), draw(2), Bytes::from_si(static_cast<double>(i))});
            receives.push_back({sends.back().peer, sends.back().rank, sends.back().tag, sends.back().size});
        }
        std::stable_sort(receives.begin(), receives.end(), [](const auto& a, const auto& b) { return a.rank > b.rank; });
        const auto pairs = pair_messages(sends, receives);
        REQUIRE(pairs.ok());
        bool right = true;
        for (std::size_t i = 0; i < sends.size(); ++i) right = right && receives[pairs.value()[i]].size == sends[i].size;
        CHECK(right);
    }
}

TEST_CASE("messages that do not pair up are named, the first ten", "[network][flows]") {
    // Method: twelve sends without a receive; one receive without a send; one pair of different size.
    const std::vector<PostedMessage> lonely(12, {0, 1, 7, 1.0_KiB});
    const auto sends = pair_messages(lonely, {});
    REQUIRE_FALSE(sends.ok());
    CHECK(sends.problems().size() == 10);
    CHECK(sends.problems()[0] == Problem{"/sends/0", "send of rank 0 to 1 under tag 7 has no receive",
                                         "post the receive, or drop the send (12 messages do not pair up)"});
    const std::vector<PostedMessage> waiting{{1, 0, 7, 1.0_KiB}};
    CHECK(pair_messages({}, waiting).problems()[0].problem == "receive of rank 1 from 0 under tag 7 has no send");
    const std::vector<PostedMessage> one{{0, 1, 7, 2.0_KiB}};
    const auto unequal = pair_messages(one, waiting);
    REQUIRE_FALSE(unequal.ok());
    CHECK(unequal.problems()[0].problem.find("has 2048") != std::string::npos);
}
