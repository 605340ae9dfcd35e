// The clock and the actors of a step being played.
#include "sim/player.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

Player::Player(const StepProgram& program, const GroupTable& groups, const Cast& cast, const PlayOptions& options)
    : program_(program),
      groups_(groups),
      cast_(cast),
      options_(options),
      score_(score_step(program, groups)),
      boundary_(to_picoseconds(program.boundary_idle)),
      slow_(1.0 + program.contention),
      network_(cast.bandwidth),
      trace_(program, cast, options.trace_spans_max),
      actors_(cast.actors.size()),
      spent_(cast.actors.size()),
      stream_free_(cast.actors.size() * 2),
      group_states_(cast.groups.size()),
      started_count_(groups.slots.size() * cast.actors.size()),
      outstanding_(cast.actors.size()) {
    std::size_t passes = 0;
    for (std::size_t a = 0; a < actors_.size(); ++a) {
        actors_[a].factor = cast.actors[a].factor;
        first_arrival_.push_back(passes);
        passes += score_.stages[static_cast<std::size_t>(cast.actors[a].stage)].passes.size();
        if (options.jitter > 0.0) {
            jitter_.push_back(Rng::stream(options.seed, "jitter", static_cast<std::uint64_t>(cast.actors[a].rank)));
        }
    }
    arrival_.assign(passes, -1);
}

Result<PlayedStep> Player::play() {
    schedule(0, begin, 0);
    engine_.run([this](const Event& event) { handle(event); }, [this] { settle(); });
    ORRERY_CHECK(network_.active() == 0);
    ORRERY_CHECK(std::abs(bytes_given_ - bytes_left_) <= 1e-6 * bytes_given_);
    const auto all_done = std::all_of(actors_.begin(), actors_.end(), [](const Actor& actor) {
        return actor.state == State::done && actor.outstanding == 0;
    });
    if (!all_done) return deadlock();
    return result();
}

void Player::handle(const Event& event) {
    now_ = event.at;
    const auto subject = static_cast<std::int32_t>(event.subject);
    switch (static_cast<EventKind>(event.kind)) {
        case begin:
            for (std::size_t a = actors_.size(); a-- > 0;) ready_.push_back(static_cast<std::int32_t>(a));
            break;
        case resume:
            wake(subject);
            break;
        case compute_end: {
            Actor& actor = actors_[static_cast<std::size_t>(subject)];
            if (actor.state != State::computing || actor.version != event.data) return;
            spent(subject, actor.part) += now_ - actor.t;
            actor.t = now_;
            wake(subject);
            break;
        }
        case group_release:
            for (const std::int32_t a : cast_.members_of(subject)) {
                const Actor& actor = actors_[static_cast<std::size_t>(a)];
                if (actor.state == State::held && actor.t == now_) wake(a);
            }
            break;
        case start_moving:
            start_flow(subject);
            break;
        case flow_end: {
            const auto version = static_cast<std::uint32_t>(event.data >> 32U);
            if (!network_.complete(subject, version, now_)) return;
            end_flow(static_cast<std::int32_t>(event.data & 0xFFFFFFFFU));
            break;
        }
        case started_end:
            end_started(subject);
            break;
    }
    run_ready();
}

/// Once an instant is over: the network says what flows now end when.
void Player::settle() {
    updates_.clear();
    network_.settle(now_, updates_);
    for (const FlowUpdate& update : updates_) {
        schedule(update.completion_ps, flow_end, update.flow,
                 (static_cast<std::uint64_t>(update.version) << 32U) | update.tag);
    }
}

void Player::run_ready() {
    while (!ready_.empty()) {
        const std::int32_t a = ready_.back();
        ready_.pop_back();
        advance(a);
    }
}

void Player::wake(std::int32_t a) {
    actors_[static_cast<std::size_t>(a)].state = State::ready;
    ready_.push_back(a);
}

/// Sets the actor's clock; false if it has to wait there for the common one.
bool Player::go_on_at(std::int32_t a, Picoseconds at) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    actor.t = at;
    if (actor.outstanding == 0 || at <= now_) return true;
    actor.state = State::resuming;
    schedule(at, resume, a);
    return false;
}

/// Walks the actor's program until it has to wait for somebody or for the clock.
void Player::advance(std::int32_t a) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    for (;;) {
        if (actor.line == actor.line_end) {
            if (!next_block(a)) return;
            continue;
        }
        const ScoreLine& line = *actor.line;
        switch (line.op) {
            case Op::compute: {
                ++actor.line;
                const Picoseconds duration = slowed(line.duration, actor.factor);
                if (actor.outstanding > 0 && duration > 0) {
                    start_compute(a, duration, line.part);
                    return;
                }
                actor.t += duration;
                spent(a, line.part) += duration;
                break;
            }
            case Op::exchange:
                ++actor.line;
                join(a, line);
                return;
            case Op::start:
                if (actor.t > now_) {
                    actor.state = State::resuming;
                    schedule(actor.t, resume, a);
                    return;
                }
                ++actor.line;
                join_started(a, line);
                break;
            case Op::wait:
                ++actor.line;
                if (wait_started(a, line)) return;
                break;
        }
    }
}

Picoseconds Player::slowed(Picoseconds duration, double factor) const {
    return factor == 1.0 ? duration : std::llround(static_cast<double>(duration) * factor);
}

/// The program's next block, with the message before it and the one after it; false if the actor has to wait or is
/// done.
bool Player::next_block(std::int32_t a) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const ScoreStage& stage = score_.stages[static_cast<std::size_t>(cast_.actors[static_cast<std::size_t>(a)].stage)];
    leave_block(a);
    switch (actor.phase) {
        case Phase::prologue:
            actor.phase = Phase::receive;
            enter_block(a, stage.prologue);
            return true;
        case Phase::receive: {
            if (static_cast<std::size_t>(actor.pass) == stage.passes.size()) {
                actor.phase = Phase::epilogue;
                actor.factor = cast_.actors[static_cast<std::size_t>(a)].factor;
                enter_block(a, stage.epilogue);
                return true;
            }
            return receive(a);
        }
        case Phase::body: {
            actor.phase = Phase::receive;
            const bool goes_on = send(a);
            ++actor.pass;
            return goes_on;
        }
        case Phase::epilogue:
            actor.phase = Phase::over;
            break;
        case Phase::over:
            break;
    }
    actor.state = State::done;
    return false;
}

void Player::enter_block(std::int32_t a, std::int32_t block) {
    if (block < 0) return;
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const std::vector<ScoreLine>& lines = score_.blocks[static_cast<std::size_t>(block)];
    actor.line = lines.data();
    actor.line_end = lines.data() + lines.size();
    actor.block = block;
    actor.block_start = actor.t;
}

void Player::leave_block(std::int32_t a) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    if (actor.block >= 0) trace_.block(a, actor.block, actor.block_start, actor.t - actor.block_start);
    actor.block = -1;
}

/// Begins a pass once its message is there. Of the wait, as much as the message itself takes counts as communication.
bool Player::receive(std::int32_t a) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const CastActor& cast = cast_.actors[static_cast<std::size_t>(a)];
    const auto pass_index = static_cast<std::size_t>(actor.pass);
    const ScorePass& pass = score_.stages[static_cast<std::size_t>(cast.stage)].passes[pass_index];
    Picoseconds begin_at = actor.t;
    if (pass.waits || pass.waits_for_next) {
        const std::size_t here = first_arrival_[static_cast<std::size_t>(a)] + pass_index;
        const Picoseconds own = pass.waits ? arrival_[here] : 0;
        const Picoseconds next = pass.waits_for_next ? arrival_[here + 1] : 0;
        if (own < 0 || next < 0) {
            actor.state = State::waits_message;
            return false;
        }
        const Picoseconds arrival = std::max(own, next);
        begin_at = std::max(actor.t, arrival);
        const Picoseconds waited = begin_at - actor.t;
        spent(a, TimePart::pipeline_comm) += std::min(waited, boundary_);
        spent(a, TimePart::pipeline_bubble) += waited - std::min(waited, boundary_);
        trace_.waited_for_stage(a, actor.t, waited);
    }
    actor.factor = cast.factor;
    if (options_.jitter > 0.0) {  // mean 1: the lognormal's own mean is taken off
        const double sigma = options_.jitter;
        actor.factor *= std::exp(sigma * jitter_[static_cast<std::size_t>(a)].normal() - 0.5 * sigma * sigma);
    }
    actor.phase = Phase::body;
    const bool goes_on = go_on_at(a, begin_at);
    enter_block(a, pass.block);
    return goes_on;
}

/// Sends the message of the pass just done; false if that holds the actor up until the network says otherwise.
bool Player::send(std::int32_t a) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const CastActor& cast = cast_.actors[static_cast<std::size_t>(a)];
    const ScorePass& pass =
        score_.stages[static_cast<std::size_t>(cast.stage)].passes[static_cast<std::size_t>(actor.pass)];
    if (pass.receiving_pass < 0) return true;
    const std::int32_t to = pass.is_local ? a : cast.neighbour[pass.direction];
    if (pass.is_local) {
        deliver(to, pass.receiving_pass, actor.t);
        return true;
    }
    const std::size_t stream = static_cast<std::size_t>(a) * 2 + pass.direction;
    const auto index = cast_.first_message + static_cast<std::int32_t>(stream);
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(index)];
    if (!transfer.is_shared()) return send_alone(a, to, pass, stream);
    const bool holds = transfer.held > 0.0;
    const double share = holds ? transfer.held : 1.0;
    const std::int32_t play =
        new_play({index, a, actor.pass, -1, holds ? PlayKind::message_held : PlayKind::message_rest,
                  transfer.size.si() * share, actor.t});
    schedule(actor.t + to_picoseconds(transfer.latency * share), start_moving, play);
    if (holds) actor.state = State::sending;
    return !holds;
}

/// On links that only this actor's messages to that stage use: one after the other, their time known now.
bool Player::send_alone(std::int32_t a, std::int32_t to, const ScorePass& pass, std::size_t stream) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const CastTransfer& transfer = cast_.transfers[static_cast<std::size_t>(cast_.first_message) + stream];
    const Picoseconds start = std::max(actor.t, stream_free_[stream]);
    stream_free_[stream] = start + transfer.moving_alone;
    trace_.sent(a, start, transfer.alone);
    const Picoseconds until = transfer.held_alone > 0 ? start + transfer.held_alone : actor.t;
    spent(a, TimePart::pipeline_comm) += until - actor.t;
    deliver(to, pass.receiving_pass, start + transfer.alone);
    return go_on_at(a, until);
}

void Player::deliver(std::int32_t to, std::int32_t pass, Picoseconds arrival) {
    ++messages_played_;
    arrival_[first_arrival_[static_cast<std::size_t>(to)] + static_cast<std::size_t>(pass)] = arrival;
    const Actor& receiver = actors_[static_cast<std::size_t>(to)];
    if (receiver.state != State::waits_message) return;
    const auto stage = static_cast<std::size_t>(cast_.actors[static_cast<std::size_t>(to)].stage);
    const ScorePass& waiting = score_.stages[stage].passes[static_cast<std::size_t>(receiver.pass)];
    if (receiver.pass == pass || (waiting.waits_for_next && receiver.pass + 1 == pass)) wake(to);
}

/// Compute that goes with the clock, because an exchange beside it may begin or end meanwhile.
void Player::start_compute(std::int32_t a, Picoseconds duration, TimePart part) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    actor.state = State::computing;
    actor.part = part;
    actor.work = static_cast<double>(duration);
    actor.since = now_;
    schedule_compute_end(a);
}

void Player::schedule_compute_end(std::int32_t a) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const double left = actor.in_flight > 0 ? actor.work * slow_ : actor.work;
    schedule(now_ + std::llround(left), compute_end, a, ++actor.version);
}

/// An exchange that the actor started began (1, 0) or ended (-1, -1).
void Player::change_speed(std::int32_t a, std::int32_t in_flight_change, std::int32_t outstanding_change) {
    Actor& actor = actors_[static_cast<std::size_t>(a)];
    const bool was_slow = actor.in_flight > 0;
    const Picoseconds elapsed = now_ - actor.since;
    actor.in_flight = static_cast<std::uint16_t>(actor.in_flight + in_flight_change);
    actor.outstanding = static_cast<std::uint16_t>(actor.outstanding + outstanding_change);
    if (actor.state != State::computing) return;
    const bool runs_free = actor.outstanding == 0;
    if (was_slow == (actor.in_flight > 0) && !runs_free) return;
    actor.work = std::max(actor.work - static_cast<double>(elapsed) / (was_slow ? slow_ : 1.0), 0.0);
    actor.since = now_;
    if (!runs_free) {
        schedule_compute_end(a);
        return;
    }
    const Picoseconds end = now_ + std::llround(actor.work);
    spent(a, actor.part) += end - actor.t;
    actor.t = end;
    wake(a);
}

}  // namespace orrery
