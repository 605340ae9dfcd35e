// How a played step ends: the result, or who still waits and for what.
#include "sim/player.hpp"

#include <algorithm>

namespace orrery {
namespace {

std::string pass_text(const SchedulePass& pass) {
    const std::string way = !pass.backward                   ? "forward"
                            : pass.part == PassPart::whole ? "backward"
                            : pass.part == PassPart::input ? "backward (inputs)"
                                                           : "backward (weights)";
    return way + " of micro-batch " + std::to_string(pass.micro_batch) +
           " through chunk " + std::to_string(pass.chunk);
}

}  // namespace

std::string Player::what_holds(std::int32_t a) const {
    const Actor& actor = actors_[static_cast<std::size_t>(a)];
    const CastActor& cast = cast_.actors[static_cast<std::size_t>(a)];
    std::string text = "rank " + std::to_string(cast.rank) + " (stage " + std::to_string(cast.stage) + ") waits for ";
    const auto exchange_text = [&](std::int32_t x) {
        const Exchange& exchange = program_.exchanges[static_cast<std::size_t>(x)];
        return std::string(name_of(exchange.collective.kind)) + " (" + std::string(name_of(exchange.part)) + ")";
    };
    switch (actor.state) {
        case State::waits_message: {
            const StageProgram& stage = program_.stages[static_cast<std::size_t>(cast.stage)];
            return text + "the stage message of " + pass_text(stage.passes[static_cast<std::size_t>(actor.pass)].pass);
        }
        case State::joined: {
            const std::int32_t slot = groups_.slot_of_exchange[static_cast<std::size_t>(actor.exchange)];
            const std::int32_t group = group_of_actor(a, slot);
            return text + exchange_text(actor.exchange) + ", which " +
                   std::to_string(group_states_[static_cast<std::size_t>(group)].joined) + " of " +
                   std::to_string(cast_.groups[static_cast<std::size_t>(group)].count) + " have joined";
        }
        case State::waits_started:
            return text + "the end of " + exchange_text(actor.exchange) + " that it started";
        case State::done:
            return text + "exchanges that it started";
        case State::ready:
        case State::resuming:
        case State::computing:
        case State::held:
        case State::sending:
            break;
    }
    return text + "the clock";
}

Problem Player::deadlock() const {
    std::string text = "the step cannot end:";
    int named = 0;
    int waiting = 0;
    for (std::size_t a = 0; a < actors_.size(); ++a) {
        if (actors_[a].state == State::done && actors_[a].outstanding == 0) continue;
        ++waiting;
        if (++named <= 10) text += (named == 1 ? " " : "; ") + what_holds(static_cast<std::int32_t>(a));
    }
    if (waiting > 10) text += "; and " + std::to_string(waiting - 10) + " more";
    return {"/workload/parallelism/schedule", text,
            "give every pass a stage that sends to it, and every exchange all its ranks"};
}

/// Idle time at the end, while other stages drain, belongs to the pipeline's bubble.
PlayedStep Player::result() {
    PlayedStep played;
    for (const Actor& actor : actors_) {
        played.end.push_back(actor.t);
        played.step = std::max(played.step, actor.t);
    }
    for (std::size_t a = 0; a < actors_.size(); ++a) {
        spent(static_cast<std::int32_t>(a), TimePart::pipeline_bubble) += played.step - actors_[a].t;
        Picoseconds sum = 0;
        for (const Picoseconds part : spent_[a]) sum += part;
        ORRERY_CHECK(sum == played.step);
    }
    played.spent = std::move(spent_);
    played.events = engine_.events() + exchanges_played_ + messages_played_;
    played.trace = trace_.take();
    return played;
}

Result<PlayedStep> play_step(const StepProgram& program, const GroupTable& groups, const Cast& cast,
                             const PlayOptions& options) {
    Player player(program, groups, cast, options);
    return player.play();
}

}  // namespace orrery
