// The simulated clock. Behind it one SystemC process drains an event calendar; nobody else knows SystemC.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace orrery {

/// Simulated time in picoseconds; wraps after 106 days as a signed count, so additions are guarded.
using Picoseconds = std::int64_t;

struct Event {
    Picoseconds at = 0;
    std::uint32_t kind = 0;
    std::uint32_t subject = 0;
    std::uint64_t data = 0;
};

/// One run of the simulated clock from 0 until the calendar is empty; events of one instant in the order they were
/// scheduled. One at a time per process.
class Engine {
  public:
    using Handler = std::function<void(const Event&)>;
    Engine();
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    void schedule(Picoseconds at, std::uint32_t kind, std::uint32_t subject, std::uint64_t data = 0);
    [[nodiscard]] Picoseconds now() const;
    [[nodiscard]] std::uint64_t events() const;

    /// Runs until nothing is scheduled. `at_instant_end` is called once all events of an instant are handled and may
    /// schedule more, also for the same instant.
    void run(const Handler& handler, const std::function<void()>& at_instant_end);

  private:
    struct State;
    State* state_;
};

}  // namespace orrery
