// Ranks to places in the grids of parallel groups and back: mixed-radix numbers with digits in the plan's order.
#include "models/rank_layout.hpp"

#include "hardware/result.hpp"

#include <algorithm>

namespace orrery {
namespace {

int digit(RankId rank, int stride, int size) { return rank / stride % size; }

/// The stage that holds the same pieces of the model under a bidirectional schedule.
int mirror(const Parallelism& parallelism, int stage) { return parallelism.pipeline - 1 - stage; }

/// Ranks that hold the same dense parameters, context fastest, then data, then the mirrored stage: [first, first + n).
std::vector<RankId> data_context_run(const Parallelism& parallelism, const RankPlace& place, int first, int n,
                                     int step = 1) {
    std::vector<RankId> group;
    group.reserve(static_cast<std::size_t>(n));
    const int of_stage = parallelism.context * parallelism.data;
    const int lower = std::min(place.pipeline, mirror(parallelism, place.pipeline));
    for (int position = first; position < first + n * step; position += step) {
        RankPlace member = place;
        member.context = position % parallelism.context;
        member.data = position / parallelism.context % parallelism.data;
        if (parallelism.copies() > 1) {
            member.pipeline = position < of_stage ? lower : mirror(parallelism, lower);
        }
        group.push_back(rank_at(parallelism, member));
    }
    return group;
}

int data_context_position(const Parallelism& parallelism, const RankPlace& place) {
    const bool is_upper = parallelism.copies() > 1 && place.pipeline > mirror(parallelism, place.pipeline);
    return place.context + parallelism.context * (place.data + (is_upper ? parallelism.data : 0));
}

/// The group that varies one digit of `place`.
template <class Place>
std::vector<RankId> digit_run(const Parallelism& parallelism, Place place, int Place::*digit, int n) {
    std::vector<RankId> group;
    group.reserve(static_cast<std::size_t>(n));
    for (int value = 0; value < n; ++value) {
        place.*digit = value;
        group.push_back(rank_at(parallelism, place));
    }
    return group;
}

std::vector<RankId> expert_copies(const Parallelism& parallelism, RankId rank) {
    ExpertPlace place = expert_place_of(parallelism, rank);
    const int copies = parallelism.expert_replicas() / parallelism.copies();
    if (parallelism.copies() == 1) return digit_run(parallelism, place, &ExpertPlace::data, copies);
    place.pipeline = std::min(place.pipeline, mirror(parallelism, place.pipeline));
    std::vector<RankId> group = digit_run(parallelism, place, &ExpertPlace::data, copies);
    place.pipeline = mirror(parallelism, place.pipeline);
    const std::vector<RankId> other = digit_run(parallelism, place, &ExpertPlace::data, copies);
    group.insert(group.end(), other.begin(), other.end());
    return group;
}

std::vector<RankId> everyone(const Parallelism& parallelism) {
    std::vector<RankId> all;
    all.reserve(static_cast<std::size_t>(parallelism.devices()));
    for (RankId r = 0; r < parallelism.devices(); ++r) all.push_back(r);
    return all;
}

}  // namespace

std::vector<RankAxis> axis_order(const Parallelism& parallelism) {
    if (!parallelism.order.empty()) return parallelism.order;
    return {RankAxis::tensor, RankAxis::context, RankAxis::expert, RankAxis::data, RankAxis::pipeline};
}

RankStrides rank_strides(const Parallelism& p) {
    if (p.order.empty()) return {1, p.tensor, p.tensor * p.context, p.tensor * p.context * p.data};
    RankStrides strides;
    int stride = 1;
    const auto take = [&](int& where, int degree) {
        where = stride;
        stride *= degree;
    };
    for (const RankAxis axis : p.order) {
        switch (axis) {
            case RankAxis::tensor: take(strides.tensor, p.tensor); break;
            case RankAxis::context: take(strides.context, p.context); break;
            case RankAxis::data: take(strides.data, p.data); break;
            case RankAxis::pipeline: take(strides.pipeline, p.pipeline); break;
            case RankAxis::expert: break;
        }
    }
    return strides;
}

ExpertStrides expert_strides(const Parallelism& p) {
    ExpertStrides strides;
    int stride = 1;
    const auto take = [&](int& where, int degree) {
        where = stride;
        stride *= degree;
    };
    for (const RankAxis axis : axis_order(p)) {
        switch (axis) {
            case RankAxis::tensor: take(strides.tensor, p.expert_tensor); break;
            case RankAxis::expert: take(strides.expert, p.expert); break;
            case RankAxis::data: take(strides.data, p.tensor * p.context * p.data / p.expert_ranks()); break;
            case RankAxis::pipeline: take(strides.pipeline, p.pipeline); break;
            case RankAxis::context: break;
        }
    }
    return strides;
}

RankPlace place_of(const Parallelism& parallelism, RankId rank) {
    ORRERY_CHECK(rank >= 0);
    ORRERY_CHECK(rank < parallelism.devices());
    const RankStrides strides = rank_strides(parallelism);
    RankPlace place;
    place.tensor = digit(rank, strides.tensor, parallelism.tensor);
    place.context = digit(rank, strides.context, parallelism.context);
    place.data = digit(rank, strides.data, parallelism.data);
    place.pipeline = digit(rank, strides.pipeline, parallelism.pipeline);
    return place;
}

RankId rank_at(const Parallelism& parallelism, const RankPlace& place) {
    const RankStrides strides = rank_strides(parallelism);
    return place.tensor * strides.tensor + place.context * strides.context + place.data * strides.data +
           place.pipeline * strides.pipeline;
}

ExpertPlace expert_place_of(const Parallelism& p, RankId rank) {
    const int of_stage = p.tensor * p.context * p.data;
    ORRERY_CHECK(of_stage % p.expert_ranks() == 0);
    const ExpertStrides strides = expert_strides(p);
    return {digit(rank, strides.tensor, p.expert_tensor), digit(rank, strides.expert, p.expert),
            digit(rank, strides.data, of_stage / p.expert_ranks()), digit(rank, strides.pipeline, p.pipeline)};
}

RankId rank_at(const Parallelism& parallelism, const ExpertPlace& place) {
    const ExpertStrides strides = expert_strides(parallelism);
    return place.tensor * strides.tensor + place.expert * strides.expert + place.data * strides.data +
           place.pipeline * strides.pipeline;
}

std::vector<RankId> group_of(const Parallelism& parallelism, Axis axis, RankId rank) {
    const RankPlace place = place_of(parallelism, rank);
    const int shard = parallelism.shard_ranks();
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
            return data_context_run(parallelism, place, 0, parallelism.replicas());
        case Axis::shard: {
            const int position = data_context_position(parallelism, place);
            return data_context_run(parallelism, place, position - position % shard, shard);
        }
        case Axis::shard_peers: {
            const int position = data_context_position(parallelism, place);
            return data_context_run(parallelism, place, position % shard, parallelism.replicas() / shard, shard);
        }
        case Axis::expert:
            return digit_run(parallelism, expert_place_of(parallelism, rank), &ExpertPlace::expert, parallelism.expert);
        case Axis::expert_tensor:
            return digit_run(parallelism, expert_place_of(parallelism, rank), &ExpertPlace::tensor,
                             parallelism.expert_tensor);
        case Axis::expert_data:
            return expert_copies(parallelism, rank);
        case Axis::self:
            return {rank};
        case Axis::world:
            break;
    }
    return everyone(parallelism);
}

}  // namespace orrery
