// Transfers on shared links: latency, then a flow in the network, then what waits for it.
#include "sim/player.hpp"

namespace orrery {

std::int32_t Player::new_play(const Play& play) {
    if (free_plays_.empty()) {
        plays_.push_back(play);
        return static_cast<std::int32_t>(plays_.size()) - 1;
    }
    const std::int32_t id = free_plays_.back();
    free_plays_.pop_back();
    plays_[static_cast<std::size_t>(id)] = play;
    return id;
}

/// Latency from `begin` on, then the network.
void Player::begin_transfer(PlayKind kind, std::int32_t group, std::int32_t exchange, Picoseconds begin_at) {
    const std::int32_t index = transfer_of(group, exchange);
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(index)];
    const double share = kind == PlayKind::held ? transfer.held : 1.0;
    const std::int32_t play = new_play({index, group, exchange, -1, kind, transfer.size.si() * share, begin_at});
    schedule(begin_at + to_picoseconds(transfer.latency * share), start_moving, play);
}

void Player::start_flow(std::int32_t id) {
    Play& play = plays_[static_cast<std::size_t>(id)];
    if (play.kind == PlayKind::held) {
        pause_rest(play.subject);
        group_states_[static_cast<std::size_t>(play.subject)].hold_moves = true;
    }
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(play.transfer)];
    bytes_given_ += play.size;
    play.flow = network_.start(now_, Bytes::from_si(play.size), transfer.rate_max, cast_.loads_of(transfer),
                               static_cast<std::uint64_t>(id), transfer.weight);
}

void Player::end_flow(std::int32_t id) {
    const Play play = plays_[static_cast<std::size_t>(id)];
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(play.transfer)];
    bytes_left_ += play.size;
    free_plays_.push_back(id);
    switch (play.kind) {
        case PlayKind::held: {
            GroupState& state = group_states_[static_cast<std::size_t>(play.subject)];
            state.hold_moves = false;
            if (state.started.empty()) {
                release(play.subject, play.exchange, now_);
            } else {
                end_started(play.subject);
            }
            if (transfer.held < 1.0) add_rest(play);
            move_rest(play.subject);
            break;
        }
        case PlayKind::rest: {
            GroupState& state = group_states_[static_cast<std::size_t>(play.subject)];
            state.rests.erase(state.rests.begin());
            state.rest_moves = false;
            for (const std::int32_t m : cast_.members_of(play.subject)) {
                trace_.beside(m, play.exchange, play.begin, now_ - play.begin);
            }
            move_rest(play.subject);
            break;
        }
        case PlayKind::started:
            end_started(play.subject);
            break;
        case PlayKind::message_held: {
            Actor& actor = actors_[static_cast<std::size_t>(play.subject)];
            spent(play.subject, TimePart::pipeline_comm) += now_ - actor.t;
            actor.t = now_;
            wake(play.subject);
            if (transfer.held < 1.0) {
                const double share = 1.0 - transfer.held;
                const std::int32_t rest = new_play({play.transfer, play.subject, play.exchange, -1,
                                                    PlayKind::message_rest, transfer.size.si() * share, play.begin});
                schedule(now_ + to_picoseconds(transfer.latency * share), start_moving, rest);
            } else {
                deliver_message(play);
            }
            break;
        }
        case PlayKind::message_rest:
            deliver_message(play);
            break;
    }
}

void Player::deliver_message(const Play& play) {
    const CastActor& sender = cast_.actors[static_cast<std::size_t>(play.subject)];
    const auto sent_pass = static_cast<std::size_t>(play.exchange);
    const ScorePass& pass = score_.stages[static_cast<std::size_t>(sender.stage)].passes[sent_pass];
    trace_.sent(play.subject, play.begin, now_ - play.begin);
    deliver(sender.neighbour[pass.direction], pass.receiving_pass, now_);
}

/// What of an exchange does not hold anybody up still loads the links, whenever its group holds nobody up. It may
/// outlast the step: then it is hidden behind the passes before (a gradient reduction) or the next step's (a gather).
void Player::add_rest(const Play& held) {
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(held.transfer)];
    Play rest = held;
    rest.kind = PlayKind::rest;
    rest.size = transfer.size.si() * (1.0 - transfer.held);
    rest.begin = now_;
    group_states_[static_cast<std::size_t>(held.subject)].rests.push_back(new_play(rest));
}

void Player::move_rest(std::int32_t group) {
    GroupState& state = group_states_[static_cast<std::size_t>(group)];
    if (state.hold_moves || state.rest_moves || state.rests.empty()) return;
    state.rest_moves = true;
    start_flow(state.rests.front());
}

void Player::pause_rest(std::int32_t group) {
    GroupState& state = group_states_[static_cast<std::size_t>(group)];
    if (!state.rest_moves) return;
    state.rest_moves = false;
    Play& rest = plays_[static_cast<std::size_t>(state.rests.front())];
    const double left = network_.stop(rest.flow, now_).si();
    bytes_given_ -= left;
    bytes_left_ += rest.size - left;
    rest.size = left;
}

}  // namespace orrery
