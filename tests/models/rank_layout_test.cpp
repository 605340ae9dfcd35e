// Parallel groups partition the ranks, and lie where Megatron puts them.
#include "models/rank_layout.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace orrery;

namespace {

constexpr std::array<Axis, axis_count> all_axes{Axis::tensor,       Axis::context, Axis::data, Axis::pipeline,
                                                Axis::data_context, Axis::expert,  Axis::world};

Parallelism grid(int tensor, int context, int data, int pipeline, int expert = 1) {
    Parallelism p;
    p.tensor = tensor;
    p.context = context;
    p.data = data;
    p.pipeline = pipeline;
    p.expert = expert;
    return p;
}

std::size_t ranks_of(const Parallelism& p, Axis axis) {
    switch (axis) {
        case Axis::tensor:
            return static_cast<std::size_t>(p.tensor);
        case Axis::context:
            return static_cast<std::size_t>(p.context);
        case Axis::data:
            return static_cast<std::size_t>(p.data);
        case Axis::pipeline:
            return static_cast<std::size_t>(p.pipeline);
        case Axis::data_context:
            return static_cast<std::size_t>(p.data * p.context);
        case Axis::expert:
            return static_cast<std::size_t>(p.expert);
        case Axis::world:
            break;
    }
    return static_cast<std::size_t>(p.devices());
}

}  // namespace

TEST_CASE("every rank has one place and every place one rank", "[models][layout]") {
    // Method: bijection, walked over whole grids.
    for (const Parallelism& p : {grid(1, 1, 1, 1), grid(2, 3, 4, 5), grid(8, 1, 4, 2), grid(1, 2, 1, 7)}) {
        std::set<RankId> seen;
        for (RankId rank = 0; rank < p.devices(); ++rank) {
            const RankPlace place = place_of(p, rank);
            CHECK(place.tensor < p.tensor);
            CHECK(place.context < p.context);
            CHECK(place.data < p.data);
            CHECK(place.pipeline < p.pipeline);
            CHECK(rank_at(p, place) == rank);
            seen.insert(rank_at(p, place));
        }
        CHECK(seen.size() == static_cast<std::size_t>(p.devices()));
    }
}

TEST_CASE("the groups of an axis partition the ranks", "[models][layout]") {
    // Method: conservation; each rank is in its own group once, and all members name the same group.
    for (const Parallelism& p : {grid(2, 2, 4, 3, 4), grid(4, 1, 6, 2, 3), grid(1, 3, 2, 1, 6)}) {
        for (const Axis axis : all_axes) {
            std::multiset<RankId> covered;
            for (RankId rank = 0; rank < p.devices(); ++rank) {
                const auto group = group_of(p, axis, rank);
                REQUIRE(group.size() == ranks_of(p, axis));
                CHECK(std::count(group.begin(), group.end(), rank) == 1);
                CHECK(std::is_sorted(group.begin(), group.end()));
                for (const RankId member : group) CHECK(group_of(p, axis, member) == group);
                if (group.front() == rank) covered.insert(group.begin(), group.end());
            }
            CHECK(covered.size() == static_cast<std::size_t>(p.devices()));
            CHECK(std::set<RankId>(covered.begin(), covered.end()).size() == covered.size());
        }
    }
}

TEST_CASE("Megatron's example of 16 ranks with tensor 2 and pipeline 4 has its documented groups", "[models][layout]") {
    // Method: the docstring of megatron/core/parallel_state.py, initialize_model_parallel: "8 tensor groups [g0, g1],
    // [g2, g3], ...; 4 pipeline groups [g0, g4, g8, g12], [g1, g5, g9, g13], ...; 8 data groups [g0, g2], [g1, g3],
    // [g4, g6], ...".
    const Parallelism p = grid(2, 1, 2, 4);
    CHECK(group_of(p, Axis::tensor, 0) == std::vector<RankId>{0, 1});
    CHECK(group_of(p, Axis::tensor, 3) == std::vector<RankId>{2, 3});
    CHECK(group_of(p, Axis::pipeline, 0) == std::vector<RankId>{0, 4, 8, 12});
    CHECK(group_of(p, Axis::pipeline, 13) == std::vector<RankId>{1, 5, 9, 13});
    CHECK(group_of(p, Axis::data, 1) == std::vector<RankId>{1, 3});
    CHECK(group_of(p, Axis::data, 4) == std::vector<RankId>{4, 6});
}

TEST_CASE("expert groups are runs of neighbours in a stage", "[models][layout]") {
    // Method: by hand; tensor 2, context 2, data 4: 16 ranks in groups of 4.
    const Parallelism p = grid(2, 2, 4, 1, 4);
    CHECK(group_of(p, Axis::expert, 0) == std::vector<RankId>{0, 1, 2, 3});
    CHECK(group_of(p, Axis::expert, 7) == std::vector<RankId>{4, 5, 6, 7});
    CHECK(group_of(p, Axis::expert, 8) == std::vector<RankId>{8, 9, 10, 11});
    CHECK(group_of(p, Axis::data_context, 1) == std::vector<RankId>{1, 3, 5, 7, 9, 11, 13, 15});
}
