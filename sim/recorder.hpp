// Writes the spans of a played step into trace columns, up to a limit, and counts what it had to leave out.
#pragma once

#include "sim/cast.hpp"
#include "sim/outcome.hpp"

#include <cstdint>

namespace orrery {

/// Off unless made with a limit above 0. Spans are added as they become known: in time order within a lane only.
class TraceRecorder {
  public:
    TraceRecorder() = default;
    TraceRecorder(const StepProgram& program, const Cast& cast, std::int64_t spans_max);

    [[nodiscard]] bool is_on() const { return spans_max_ > 0; }
    void block(std::int32_t actor, std::int32_t block, Picoseconds start, Picoseconds duration) {
        if (is_on()) add(compute_lane(actor), static_cast<std::uint32_t>(block), start, duration);
    }
    /// On the compute stream: time that `exchange` held it up, waiting for its peers included.
    void held(std::int32_t actor, std::int32_t exchange, Picoseconds start, Picoseconds duration) {
        if (is_on()) add(compute_lane(actor), exchange_name(exchange), start, duration);
    }
    /// On the communication stream: an exchange that runs beside compute.
    void beside(std::int32_t actor, std::int32_t exchange, Picoseconds start, Picoseconds duration) {
        if (is_on()) add(compute_lane(actor) + 1, exchange_name(exchange), start, duration);
    }
    void waited_for_stage(std::int32_t actor, Picoseconds start, Picoseconds duration) {
        if (is_on()) add(compute_lane(actor), wait_name_, start, duration);
    }
    void sent(std::int32_t actor, Picoseconds start, Picoseconds duration) {
        if (is_on()) add(compute_lane(actor) + 1, wait_name_ + 1, start, duration);
    }
    /// The columns; a lane says how many spans were left out.
    Trace take();

  private:
    static std::uint32_t compute_lane(std::int32_t actor) { return static_cast<std::uint32_t>(actor) * 2; }
    [[nodiscard]] std::uint32_t exchange_name(std::int32_t exchange) const {
        return first_exchange_name_ + static_cast<std::uint32_t>(exchange);
    }
    void add(std::uint32_t lane, std::uint32_t name, Picoseconds start, Picoseconds duration);

    Trace trace_;
    std::int64_t spans_max_ = 0;
    std::int64_t left_out_ = 0;
    std::uint32_t first_exchange_name_ = 0;
    std::uint32_t wait_name_ = 0;
};

}  // namespace orrery
