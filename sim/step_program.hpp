// A training step priced on a cluster: what each pipeline rank does, in seconds and exchanges. The estimate adds it up,
// the simulation plays it; neither asks the models or the device again.
#pragma once

#include "models/rank_layout.hpp"
#include "models/step_graph.hpp"
#include "network/collective.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace orrery {

/// Where a second of the step goes; the keys of `breakdown_s`.
enum class TimePart : std::uint8_t {
    compute, tensor_comm, context_comm, expert_comm, pipeline_bubble, pipeline_comm, data_comm, optimizer, other
};
inline constexpr std::size_t time_part_count = 9;
template <>
struct EnumTable<TimePart> {
    static constexpr std::array<EnumName<TimePart>, time_part_count> names{{
        {TimePart::compute, "compute", "kernels of the model, forward, backward and recomputed"},
        {TimePart::tensor_comm, "tensor_comm", "exchanges among tensor-parallel ranks that nothing hides"},
        {TimePart::context_comm, "context_comm", "exchanges among context-parallel ranks that nothing hides"},
        {TimePart::expert_comm, "expert_comm", "token exchanges among experts that nothing hides"},
        {TimePart::pipeline_bubble, "pipeline_bubble", "waiting for another stage"},
        {TimePart::pipeline_comm, "pipeline_comm", "stage-to-stage messages that nothing hides"},
        {TimePart::data_comm, "data_comm", "gradient and parameter exchanges that nothing hides"},
        {TimePart::optimizer, "optimizer", "the optimizer's own step"},
        {TimePart::other, "other", "host work once per step"},
    }};
};

/// A priced exchange. `exposed` is the share of it that holds up the compute stream when it is met as `exchange`; the
/// rest still loads the fabric. `scale` multiplies latency and bytes (1 unless a measured table says otherwise).
struct Exchange {
    Collective collective;
    Axis axis = Axis::tensor;
    double exposed = 1.0;
    TimePart part = TimePart::tensor_comm;
    Seconds idle;                 // price on idle links, all of it
    double moving = 0.0;          // share of it in which bytes move
    double port = 0.0;            // share of the rank's network port that they take meanwhile
    /// Whether two such exchanges cannot move at their own pace through one port.
    [[nodiscard]] bool fills_port() const { return port > 0.5; }
    /// Of it, the port's time while it holds compute up.
    [[nodiscard]] Seconds held_port_time() const { return idle * (exposed * moving * port); }
    /// And for the rest of it.
    [[nodiscard]] Seconds rest_port_time() const { return idle * ((1.0 - exposed) * moving * port); }
    bool operator==(const Exchange&) const = default;
};

enum class Op : std::uint8_t {
    compute,    // `duration` of kernels
    exchange,   // join `exchange`; held up for its exposed share
    start,      // join `exchange` on the communication stream, go on computing
    wait,       // until the last `start` of `exchange` is complete on this rank
};

struct Instruction {
    Op op = Op::compute;
    TimePart part = TimePart::compute;
    std::int32_t exchange = -1;   // into StepProgram::exchanges
    Seconds duration;             // of compute
    bool operator==(const Instruction&) const = default;
};

/// Straight-line code, shared by all passes and stages that run it. Neighbouring computes are already added up.
struct Block {
    std::string_view name;
    std::vector<Instruction> code;
};

struct PassProgram {
    SchedulePass pass;
    std::int32_t block = 0;        // into StepProgram::blocks
};

struct StageProgram {
    std::int32_t prologue = -1;    // block before the first pass (parameter gather), -1: none
    std::vector<PassProgram> passes;
    std::int32_t epilogue = -1;    // block after the last pass (gradient reduction, optimizer, host)
};

/// A message from one pipeline rank to its neighbour.
struct StageMessage {
    Seconds idle;        // price on idle links
    Seconds overhead;    // of it: start-up and re-gathering, whatever the bandwidth
    Seconds port;        // of it: as long as the message alone fills a rank's network port
    bool operator==(const StageMessage&) const = default;
};

struct StepProgram {
    Parallelism parallelism;
    int micro_batches = 1;                  // of one rank in a step, all rounds together
    int rounds = 1;                         // times that the pipeline fills and drains
    std::vector<Block> blocks;
    std::vector<Exchange> exchanges;
    std::vector<StageProgram> stages;       // by pipeline rank
    Bytes boundary_message;                 // sent after each pass to the stage that needs it; 0: single stage
    double boundary_exposed = 1.0;          // share of a send that holds up the sender's compute stream
    Seconds boundary_idle;                  // price of one message on idle links
    Seconds boundary_overhead;              // of it: start-up and re-gathering, whatever the bandwidth
    Seconds boundary_port;                  // of it: as long as the message alone fills a rank's network port
    std::vector<StageMessage> messages;     // where boundaries differ: of the one behind each pipeline rank; else empty
    double contention = 0.0;                // compute runs 1/(1+contention) as fast beside a started exchange
    std::vector<double> stage_matrix_seconds;  // for power: time in matrix units per step, by stage

    /// Between pipeline rank `rank` and the next one, around the end.
    [[nodiscard]] StageMessage message_behind(int rank) const {
        if (messages.empty()) return {boundary_idle, boundary_overhead, boundary_port};
        return messages[static_cast<std::size_t>(rank)];
    }
    [[nodiscard]] StageMessage message_between(int from, int to) const {
        return message_behind((from + 1) % parallelism.pipeline == to ? from : to);
    }
    /// The slower of those that a rank has to do with.
    [[nodiscard]] StageMessage slower_message(int rank) const {
        if (messages.empty()) return message_behind(rank);
        const bool goes_round = parallelism.interleaves() && parallelism.virtual_stages > 1;
        const int last = parallelism.pipeline - 1;
        StageMessage slower;
        if (rank < last || goes_round) slower = message_behind(rank);
        const StageMessage before = rank > 0 || goes_round ? message_behind(rank > 0 ? rank - 1 : last) : StageMessage{};
        return before.idle > slower.idle ? before : slower;
    }
};

}  // namespace orrery
