// Parallel groups partition the ranks, and lie where Megatron puts them.
#include "models/rank_layout.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace orrery;

namespace {

constexpr std::array<Axis, axis_count> all_axes{
    Axis::tensor, Axis::context,       Axis::data,        Axis::pipeline, Axis::data_context, Axis::expert,
    Axis::world,  Axis::expert_tensor, Axis::expert_data, Axis::shard,    Axis::shard_peers,  Axis::self};

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
            return static_cast<std::size_t>(p.data * p.context * p.copies());
        case Axis::expert:
            return static_cast<std::size_t>(p.expert);
        case Axis::expert_tensor:
            return static_cast<std::size_t>(p.expert_tensor);
        case Axis::expert_data:
            return static_cast<std::size_t>(p.tensor * p.context * p.data * p.copies() / (p.expert * p.expert_tensor));
        case Axis::shard:
            return static_cast<std::size_t>(p.shard > 0 ? p.shard : p.data * p.context * p.copies());
        case Axis::shard_peers:
            return static_cast<std::size_t>(p.shard > 0 ? p.data * p.context * p.copies() / p.shard : 1);
        case Axis::self:
            return 1;
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
    Parallelism hybrid = grid(2, 2, 4, 3, 4);
    hybrid.shard = 2;
    Parallelism mirrored = grid(2, 2, 2, 4, 2);
    mirrored.schedule = PipelineSchedule::dualpipe;
    mirrored.shard = 4;
    Parallelism split = grid(2, 1, 8, 2, 2);
    split.expert_tensor = 4;
    Parallelism ordered = split;
    ordered.order = {RankAxis::data, RankAxis::expert, RankAxis::tensor, RankAxis::context, RankAxis::pipeline};
    for (const Parallelism& p : {grid(2, 2, 4, 3, 4), grid(4, 1, 6, 2, 3), grid(1, 3, 2, 1, 6), hybrid, mirrored, split,
                                 ordered}) {
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

TEST_CASE("Megatron's order with the pipeline before data has its documented groups", "[models][layout]") {
    // Method: --use-tp-pp-dp-mapping of Megatron-LM ("tp-cp-ep-pp-dp", megatron/training/arguments.py): tensor 2,
    // pipeline 4, data 2. By hand: tensor neighbours, stages two apart, replicas eight apart.
    Parallelism p = grid(2, 1, 2, 4);
    p.order = {RankAxis::tensor, RankAxis::context, RankAxis::expert, RankAxis::pipeline, RankAxis::data};
    CHECK(group_of(p, Axis::tensor, 0) == std::vector<RankId>{0, 1});
    CHECK(group_of(p, Axis::pipeline, 0) == std::vector<RankId>{0, 2, 4, 6});
    CHECK(group_of(p, Axis::data, 1) == std::vector<RankId>{1, 9});
    CHECK(place_of(p, 13) == RankPlace{1, 0, 1, 2});
}

TEST_CASE("Megatron's order written out is the default", "[models][layout]") {
    // Method: same places and groups for every rank.
    const Parallelism plain = grid(2, 2, 4, 3, 4);
    Parallelism written = plain;
    written.order = {RankAxis::tensor, RankAxis::context, RankAxis::expert, RankAxis::data, RankAxis::pipeline};
    for (RankId rank = 0; rank < plain.devices(); ++rank) {
        CHECK(place_of(plain, rank) == place_of(written, rank));
        for (const Axis axis : all_axes) CHECK(group_of(plain, axis, rank) == group_of(written, axis, rank));
    }
}

TEST_CASE("split experts take neighbours first, then expert groups, then copies", "[models][layout]") {
    // Method: by hand for Megatron-Core's RankGenerator with expert-tensor 2, expert 4 on 16 ranks of a stage, tensor 4:
    // dense tensor groups are runs of four, an expert's two halves are neighbours, its group strides over them.
    Parallelism p = grid(4, 1, 4, 1, 4);
    p.expert_tensor = 2;
    CHECK(group_of(p, Axis::tensor, 5) == std::vector<RankId>{4, 5, 6, 7});
    CHECK(group_of(p, Axis::expert_tensor, 5) == std::vector<RankId>{4, 5});
    CHECK(group_of(p, Axis::expert, 5) == std::vector<RankId>{1, 3, 5, 7});
    CHECK(group_of(p, Axis::expert_data, 5) == std::vector<RankId>{5, 13});
}

TEST_CASE("DualPipe's copies of a stage are those of the stage that mirrors it", "[models][layout]") {
    // Method: by hand; 4 stages of 2 replicas: ranks 0 and 1 hold what 6 and 7 hold.
    Parallelism p = grid(1, 1, 2, 4);
    p.schedule = PipelineSchedule::dualpipe;
    CHECK(group_of(p, Axis::data_context, 0) == std::vector<RankId>{0, 1, 6, 7});
    CHECK(group_of(p, Axis::data_context, 7) == std::vector<RankId>{0, 1, 6, 7});
    CHECK(group_of(p, Axis::data_context, 3) == std::vector<RankId>{2, 3, 4, 5});
    CHECK(group_of(p, Axis::data, 3) == std::vector<RankId>{2, 3});
}
