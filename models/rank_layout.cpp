// Ranks to places in the grid of parallel groups and back: a mixed-radix number, tensor the fastest digit.
#include "models/rank_layout.hpp"

#include "hardware/result.hpp"

namespace orrery {
namespace {

/// Ranks with all digits equal to those of `place` but the data x context position, for positions [first, first + n).
std::vector<RankId> data_context_run(const Parallelism& parallelism, const RankPlace& place, int first, int n) {
    std::vector<RankId> group;
    group.reserve(static_cast<std::size_t>(n));
    RankPlace member = place;
    for (int position = first; position < first + n; ++position) {
        member.context = position % parallelism.context;
        member.data = position / parallelism.context;
        group.push_back(rank_at(parallelism, member));
    }
    return group;
}

/// The group that varies one digit of `place`.
std::vector<RankId> digit_run(const Parallelism& parallelism, RankPlace place, int RankPlace::*digit, int n) {
    std::vector<RankId> group;
    group.reserve(static_cast<std::size_t>(n));
    for (int value = 0; value < n; ++value) {
        place.*digit = value;
        group.push_back(rank_at(parallelism, place));
    }
    return group;
}

}  // namespace

RankPlace place_of(const Parallelism& parallelism, RankId rank) {
    ORRERY_CHECK(rank >= 0);
    ORRERY_CHECK(rank < parallelism.devices());
    RankPlace place;
    place.tensor = rank % parallelism.tensor;
    rank /= parallelism.tensor;
    place.context = rank % parallelism.context;
    rank /= parallelism.context;
    place.data = rank % parallelism.data;
    place.pipeline = rank / parallelism.data;
    return place;
}

RankId rank_at(const Parallelism& parallelism, const RankPlace& place) {
    return place.tensor + parallelism.tensor *
                              (place.context + parallelism.context * (place.data + parallelism.data * place.pipeline));
}

std::vector<RankId> group_of(const Parallelism& parallelism, Axis axis, RankId rank) {
    const RankPlace place = place_of(parallelism, rank);
    const int replicas = parallelism.context * parallelism.data;
    switch (axis) {
        case Axis::tensor:
            return digit_run(parallelism, place, &RankPlace::tensor, parallelism.tensor);
        case Axis::context:
            return digit_run(parallelism, place, &RankPlace::context, parallelism.context);
        case Axis::data:
            return digit_run(parallelism, place, &RankPlace::data, parallelism.data);
        case Axis::pipeline:
            return digit_run(parallelism, place, &RankPlace::pipeline, parallelism.pipeline);
        case Axis::data_context:
            return data_context_run(parallelism, place, 0, replicas);
        case Axis::expert: {
            ORRERY_CHECK(parallelism.tensor * replicas % parallelism.expert == 0);
            std::vector<RankId> group;
            group.reserve(static_cast<std::size_t>(parallelism.expert));
            const RankId first = rank - rank % parallelism.expert;
            for (int i = 0; i < parallelism.expert; ++i) group.push_back(first + i);
            return group;
        }
        case Axis::world:
            break;
    }
    std::vector<RankId> all;
    all.reserve(static_cast<std::size_t>(parallelism.devices()));
    for (RankId r = 0; r < parallelism.devices(); ++r) all.push_back(r);
    return all;
}

}  // namespace orrery
