// The only file that knows SystemC: one kernel per process, one method process that drains the calendar.
#include "sim/engine.hpp"

#include "hardware/result.hpp"
#include "network/calendar.hpp"

#include <exception>
#include <limits>
#include <systemc>

/// libsystemc.so carries a main that calls this; orrery has its own and drives the kernel with sc_start.
extern "C" int sc_main(int, char**) { return 1; }

namespace orrery {

struct Engine::State {
    /// An event without its time, which the calendar keeps.
    struct Due {
        std::uint32_t kind = 0;
        std::uint32_t subject = 0;
        std::uint64_t data = 0;
    };
    Calendar<Due> calendar;
    Picoseconds now = 0;
    std::uint64_t events = 0;
    sc_core::sc_time::value_type start = 0;  // kernel time at which this run began
    const Handler* handler = nullptr;
    const std::function<void()>* at_instant_end = nullptr;
    std::exception_ptr failure;

    void drain_instant();
};

namespace {

/// SystemC's kernel is one process-wide pointer, and a second elaboration after a run is an error (E529). So its one
/// process is made once and outlives every run; it is never destroyed, because the kernel itself never is.
struct EngineKernel {
    sc_core::sc_event wake;
    void (*drain)(void*) = nullptr;
    void* running = nullptr;

    EngineKernel() {
        sc_core::sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
        sc_core::sc_report_handler::set_actions(sc_core::SC_WARNING, sc_core::SC_DO_NOTHING);
        sc_core::sc_spawn_options options;
        options.spawn_method();
        options.dont_initialize();
        options.set_sensitivity(&wake);
        sc_core::sc_spawn([this] { drain(running); }, "calendar", &options);
    }
};

EngineKernel& engine_kernel() {
    static EngineKernel* const kernel = new EngineKernel;
    return *kernel;
}

}  // namespace

Engine::Engine() : state_(new State) {}
Engine::~Engine() { delete state_; }

void Engine::schedule(Picoseconds at, std::uint32_t kind, std::uint32_t subject, std::uint64_t data) {
    ORRERY_CHECK(at >= state_->now);
    state_->calendar.push(at, {kind, subject, data});
}

Picoseconds Engine::now() const { return state_->now; }
std::uint64_t Engine::events() const { return state_->events; }

/// Handles everything due now, then asks the kernel to come back at the next instant.
void Engine::State::drain_instant() {
    try {
        Due due;
        do {
            while (calendar.take(due)) {
                ++events;
                (*handler)({now, due.kind, due.subject, due.data});
            }
            (*at_instant_end)();
        } while (calendar.has_now());
    } catch (...) {
        failure = std::current_exception();
        return;
    }
    if (!calendar.next()) return;
    const Picoseconds next = calendar.now_ps();
    engine_kernel().wake.notify(sc_core::sc_time::from_value(static_cast<sc_core::sc_time::value_type>(next - now)));
    now = next;
}

void Engine::run(const Handler& handler, const std::function<void()>& at_instant_end) {
    EngineKernel& kernel = engine_kernel();
    ORRERY_CHECK(kernel.running == nullptr);
    state_->handler = &handler;
    state_->at_instant_end = &at_instant_end;
    state_->start = sc_core::sc_time_stamp().value();
    const Picoseconds before = state_->now;
    kernel.running = state_;
    kernel.drain = [](void* state) { static_cast<State*>(state)->drain_instant(); };
    kernel.wake.notify(sc_core::SC_ZERO_TIME);
    sc_core::sc_start();
    kernel.running = nullptr;
    if (state_->failure) std::rethrow_exception(state_->failure);
    // The kernel's clock and ours have gone the same way; SystemC's unsigned count would wrap silently after 213 days.
    const auto elapsed = static_cast<sc_core::sc_time::value_type>(state_->now - before);
    ORRERY_CHECK(elapsed <= std::numeric_limits<sc_core::sc_time::value_type>::max() - state_->start);
    ORRERY_CHECK(sc_core::sc_time_stamp().value() == state_->start + elapsed);
}

}  // namespace orrery
