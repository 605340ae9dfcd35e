// Groups of actors that exchange: those that hold compute up, and those that run beside it.
#include "sim/player.hpp"

#include <algorithm>

namespace orrery {

/// The actor is held up until all of its group have come and the held share of the transfer is done.
void Player::join(std::int32_t a, const ScoreLine& line) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const std::int32_t group = group_of_actor(a, line.slot);
    GroupState& state = group_states_[static_cast<std::size_t>(group)];
    actor.state = State::joined;
    actor.exchange = line.exchange;
    state.latest = std::max(state.latest, actor.t);
    if (++state.joined < cast_.groups[static_cast<std::size_t>(group)].count) return;
    const Picoseconds start = state.latest;
    state.joined = 0;
    state.latest = 0;
    ++exchanges_played_;
    if (!state.started.empty()) {  // behind what the group has on its communication stream; all are at the clock then
        for (const std::int32_t m : cast_.members_of(group)) {
            ++started_count_[static_cast<std::size_t>(line.slot) * actors_.size() + static_cast<std::size_t>(m)];
        }
        state.started.push_back({line.exchange, cast_.groups[static_cast<std::size_t>(group)].count, true, false, 0});
        return;
    }
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(transfer_of(group, line.exchange))];
    if (transfer.is_shared()) {
        begin_transfer(PlayKind::held, group, line.exchange, start);
    } else {
        release(group, line.exchange, start + transfer.held_alone);
    }
}

/// All members go on at `leave`; those that go with the clock wait for it.
void Player::release(std::int32_t group, std::int32_t exchange, Picoseconds leave) {
    const TimePart part = program_.exchanges[static_cast<std::size_t>(exchange)].part;
    bool somebody_waits = false;
    const auto members = cast_.members_of(group);
    for (auto m = members.rbegin(); m != members.rend(); ++m) {
        Actor& actor = actors_[static_cast<std::size_t>(*m)];
        ORRERY_CHECK(actor.state == State::joined);
        spent(*m, part) += leave - actor.t;
        trace_.held(*m, exchange, actor.t, leave - actor.t);
        actor.t = leave;
        if (actor.outstanding == 0 || leave <= now_) {
            wake(*m);
        } else {
            actor.state = State::held;
            somebody_waits = true;
        }
    }
    if (somebody_waits) schedule(leave, group_release, group);
}

/// On the communication stream, the actor goes on.
void Player::join_started(std::int32_t a, const ScoreLine& line) {
    const std::int32_t group = group_of_actor(a, line.slot);
    GroupState& state = group_states_[static_cast<std::size_t>(group)];
    std::uint32_t& number =
        started_count_[static_cast<std::size_t>(line.slot) * actors_.size() + static_cast<std::size_t>(a)];
    const std::uint32_t place = number++ - state.first_started;
    if (place == state.started.size()) state.started.push_back({line.exchange, 0, false, false, 0});
    Started& started = state.started[place];
    ORRERY_CHECK(started.exchange == line.exchange);
    ++started.joined;
    outstanding_[static_cast<std::size_t>(a)].push_back(line.exchange);
    ++actors_[static_cast<std::size_t>(a)].outstanding;
    if (place == 0) begin_started(group);
}

/// True if the actor has to wait.
bool Player::wait_started(std::int32_t a, const ScoreLine& line) {
    const std::vector<std::int32_t>& open = outstanding_[static_cast<std::size_t>(a)];
    if (std::find(open.begin(), open.end(), line.exchange) == open.end()) return false;
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    actor.state = State::waits_started;
    actor.exchange = line.exchange;
    actor.part = line.part;
    return true;
}

/// Begins the first exchange of the group's communication stream, if all have joined it.
void Player::begin_started(std::int32_t group) {
    GroupState& state = group_states_[static_cast<std::size_t>(group)];
    if (state.started.empty()) return;
    Started& first = state.started.front();
    if (first.begun || first.joined < cast_.groups[static_cast<std::size_t>(group)].count) return;
    first.begun = true;
    first.begin = now_;
    const std::int32_t exchange = first.exchange;
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(transfer_of(group, exchange))];
    if (!first.holds) {
        ++exchanges_played_;
        for (const std::int32_t m : cast_.members_of(group)) change_speed(m, 1, 0);
    }
    if (transfer.is_shared()) {
        begin_transfer(first.holds ? PlayKind::held : PlayKind::started, group, exchange, now_);
    } else {
        schedule(now_ + (first.holds ? transfer.held_alone : transfer.alone), started_end, group);
    }
}

void Player::end_started(std::int32_t group) {
    GroupState& state = group_states_[static_cast<std::size_t>(group)];
    const Started done = state.started.front();
    state.started.erase(state.started.begin());
    ++state.first_started;
    if (done.holds) {
        release(group, done.exchange, now_);
    } else {
        for (const std::int32_t m : cast_.members_of(group)) complete_on(m, done);
    }
    begin_started(group);
}

void Player::complete_on(std::int32_t a, const Started& started) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    std::vector<std::int32_t>& open = outstanding_[static_cast<std::size_t>(a)];
    open.erase(std::find(open.begin(), open.end(), started.exchange));
    trace_.beside(a, started.exchange, started.begin, now_ - started.begin);
    change_speed(a, -1, -1);
    const bool waited_for = actor.state == State::waits_started && actor.exchange == started.exchange &&
                            std::find(open.begin(), open.end(), started.exchange) == open.end();
    const bool ends_with_it = actor.state == State::done && actor.outstanding == 0;
    if (!waited_for && !ends_with_it) return;
    const TimePart part = waited_for ? actor.part : program_.exchanges[static_cast<std::size_t>(started.exchange)].part;
    spent(a, part) += now_ - actor.t;
    trace_.held(a, started.exchange, actor.t, now_ - actor.t);
    actor.t = now_;
    if (waited_for) wake(a);
}

}  // namespace orrery
