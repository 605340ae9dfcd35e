// The state of a step being played; play.hpp is its door.
#pragma once

#include "hardware/rng.hpp"
#include "network/fluid.hpp"
#include "sim/play.hpp"
#include "sim/recorder.hpp"
#include "sim/score.hpp"

#include <string>

namespace orrery {

/// An actor runs ahead of the clock for as long as nothing that others do can change what it does: through its
/// computes, through exchanges and messages whose links nobody else loads (their time is known once all have joined).
/// It goes step by step with the clock where its speed can change: while an exchange that it started is not complete.
class Player {
  public:
    Player(const StepProgram& program, const GroupTable& groups, const Cast& cast, const PlayOptions& options);
    Result<PlayedStep> play();

  private:
    enum class State : std::uint8_t {
        ready,
        resuming,
        computing,
        joined,
        held,
        waits_message,
        sending,
        waits_started,
        done
    };
    enum class Phase : std::uint8_t { prologue, receive, body, epilogue, over };
    enum EventKind : std::uint32_t { begin, resume, compute_end, group_release, start_moving, flow_end, started_end };

    struct Actor {
        Picoseconds t = 0;  // its own clock; since when, if it waits or computes step by step
        const ScoreLine* line = nullptr;
        const ScoreLine* line_end = nullptr;
        double factor = 1.0;  // on compute time, in this pass
        double work = 0.0;    // ps of compute left at `since`, at full speed
        Picoseconds since = 0;
        std::int32_t pass = 0;
        std::int32_t exchange = -1;  // that it has joined or waits for
        std::int32_t block = -1;
        std::uint32_t version = 0;      // of its compute_end event
        std::uint16_t outstanding = 0;  // exchanges started and not complete
        std::uint16_t in_flight = 0;    // of these, the ones being transferred
        State state = State::ready;
        Phase phase = Phase::prologue;
        TimePart part = TimePart::compute;
        Picoseconds block_start = 0;
    };

    /// An exchange on a group's communication stream, one after the other in the order of the program.
    struct Started {
        std::int32_t exchange = -1;
        std::int32_t joined = 0;
        bool holds = false;  // met as `exchange` behind started ones: its members wait for it
        bool begun = false;
        Picoseconds begin = 0;
    };
    struct GroupState {
        std::int32_t joined = 0;
        Picoseconds latest = 0;           // arrival
        std::uint32_t first_started = 0;  // number of the first of `started`
        std::vector<Started> started;
        std::vector<std::int32_t> rests;  // plays that yield to the group's held transfers; the first moves if it can
        bool rest_moves = false;
        bool hold_moves = false;
    };

    enum class PlayKind : std::uint8_t { held, rest, started, message_held, message_rest };
    /// A transfer on shared links, on its way through latency and network.
    struct Play {
        std::int32_t transfer = 0;
        std::int32_t subject = 0;    // group, or sending actor
        std::int32_t exchange = -1;  // or the pass whose message it is
        FlowId flow = -1;
        PlayKind kind = PlayKind::held;
        double size = 0.0;
        Picoseconds begin = 0;
    };

    // The clock (player.cpp).
    void handle(const Event& event);
    void settle();
    void run_ready();
    void schedule(Picoseconds at, EventKind kind, std::int32_t subject, std::uint64_t data = 0) {
        engine_.schedule(at, kind, static_cast<std::uint32_t>(subject), data);
    }

    // Actors (player.cpp).
    void advance(std::int32_t a);
    bool next_block(std::int32_t a);
    void enter_block(std::int32_t a, std::int32_t block);
    void leave_block(std::int32_t a);
    bool receive(std::int32_t a);
    bool send(std::int32_t a);
    bool send_alone(std::int32_t a, std::int32_t to, const ScorePass& pass, std::size_t stream);
    void deliver(std::int32_t from, std::int32_t pass, Picoseconds arrival);
    bool go_on_at(std::int32_t a, Picoseconds at);
    void wake(std::int32_t a);
    [[nodiscard]] Picoseconds slowed(Picoseconds duration, double factor) const;
    void start_compute(std::int32_t a, Picoseconds duration, TimePart part);
    void schedule_compute_end(std::int32_t a);
    void change_speed(std::int32_t a, std::int32_t in_flight_change, std::int32_t outstanding_change);
    Picoseconds& spent(std::int32_t a, TimePart part) {
        return spent_[static_cast<std::size_t>(a)][static_cast<std::size_t>(part)];
    }

    // Exchanges (player_exchanges.cpp).
    void join(std::int32_t a, const ScoreLine& line);
    void join_started(std::int32_t a, const ScoreLine& line);
    bool wait_started(std::int32_t a, const ScoreLine& line);
    void release(std::int32_t group, std::int32_t exchange, Picoseconds leave);
    void begin_started(std::int32_t group);
    void end_started(std::int32_t group);
    void complete_on(std::int32_t a, const Started& started);
    void begin_transfer(PlayKind kind, std::int32_t group, std::int32_t exchange, Picoseconds begin);
    [[nodiscard]] std::int32_t group_of_actor(std::int32_t a, std::int32_t slot) const {
        return cast_.group_at[static_cast<std::size_t>(slot) * cast_.actors.size() + static_cast<std::size_t>(a)];
    }
    [[nodiscard]] std::int32_t transfer_of(std::int32_t group, std::int32_t exchange) const {
        return cast_.transfer_of[static_cast<std::size_t>(exchange)] + group;
    }

    // Transfers on shared links (player_transfers.cpp).
    std::int32_t new_play(const Play& play);
    void start_flow(std::int32_t play);
    void end_flow(std::int32_t play);
    void deliver_message(const Play& play);
    void add_rest(const Play& held);
    void move_rest(std::int32_t group);
    void pause_rest(std::int32_t group);

    // The end (player_end.cpp).
    [[nodiscard]] std::string what_holds(std::int32_t a) const;
    [[nodiscard]] Problem deadlock() const;
    PlayedStep result();

    const StepProgram& program_;
    const GroupTable& groups_;
    const Cast& cast_;
    const PlayOptions& options_;
    StepScore score_;
    Picoseconds boundary_ = 0;
    double slow_ = 1.0;  // on compute beside a started exchange
    Engine engine_;
    FluidNetwork network_;
    TraceRecorder trace_;
    Picoseconds now_ = 0;

    std::vector<Actor> actors_;
    std::vector<SpentTime> spent_;
    std::vector<Rng> jitter_;
    std::vector<Picoseconds> arrival_;        // of the message of each pass of each actor; -1: not yet
    std::vector<std::size_t> first_arrival_;  // by actor
    std::vector<Picoseconds> stream_free_;    // by actor and direction: of messages that share no link
    std::vector<GroupState> group_states_;
    std::vector<std::uint32_t> started_count_;            // [slot * actors + actor]
    std::vector<std::vector<std::int32_t>> outstanding_;  // by actor: exchanges started and not complete
    std::vector<std::int32_t> ready_;
    std::vector<Play> plays_;
    std::vector<std::int32_t> free_plays_;
    std::vector<FlowUpdate> updates_;
    double bytes_given_ = 0.0;
    double bytes_left_ = 0.0;
    std::uint64_t exchanges_played_ = 0;
    std::uint64_t messages_played_ = 0;
};

}  // namespace orrery
