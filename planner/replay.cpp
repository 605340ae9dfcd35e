// Pipes to processes: a plan goes down one, what the simulation says comes up the other.
#include "planner/replay.hpp"

#include "sim/training.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <type_traits>

namespace orrery {
namespace {

constexpr std::size_t problem_bytes = 240;

struct ReplayMessage {
    double step_s = 0.0;
    std::array<char, problem_bytes> problem{};
};
static_assert(std::is_trivially_copyable_v<FoundPlan> && std::is_trivially_copyable_v<ReplayMessage>);

bool read_all(int file, void* to, std::size_t size) {
    auto* bytes = static_cast<char*>(to);
    while (size > 0) {
        const ssize_t got = ::read(file, bytes, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool write_all(int file, const void* from, std::size_t size) {
    const auto* bytes = static_cast<const char*>(from);
    while (size > 0) {
        const ssize_t put = ::write(file, bytes, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        bytes += put;
        size -= static_cast<std::size_t>(put);
    }
    return true;
}

void say(ReplayMessage& message, const std::string& text) {
    std::memcpy(message.problem.data(), text.data(), std::min(text.size(), problem_bytes - 1));
}

ReplayMessage play_plan(const SearchSpace& space, const FoundPlan& plan, std::uint64_t seed) {
    ReplayMessage message;
    const SearchBase& base = space.bases[plan.base];
    SimulateOptions options;
    options.seed = seed;
    const auto answer = run_training(base.cluster, run_at(base, plan.point), Fidelity::fluid, options);
    if (answer) {
        message.step_s = answer->outcome.step.si();
    } else {
        say(message, answer.problems().front().problem);
    }
    return message;
}

/// The life of a member: plans until its pipe is closed.
[[noreturn]] void serve(const SearchSpace& space, int from, int to, std::uint64_t seed) {
    ::signal(SIGINT, SIG_IGN);   // Ctrl-C is the parent's to answer
    FoundPlan plan;
    while (read_all(from, &plan, sizeof plan)) {
        const ReplayMessage message = play_plan(space, plan, seed);
        if (!write_all(to, &message, sizeof message)) break;
    }
    ::_exit(0);
}

}  // namespace

ReplayCrew::ReplayCrew(const SearchSpace& space, int workers, std::uint64_t seed) {
    for (int i = 0; i < workers; ++i) {
        int down[2];
        int up[2];
        if (::pipe(down) != 0) return;
        if (::pipe(up) != 0) {
            ::close(down[0]);
            ::close(down[1]);
            return;
        }
        const pid_t process = ::fork();
        if (process == 0) {
            for (const Member& other : members_) {   // or they would never see their pipes closed
                ::close(other.to);
                ::close(other.from);
            }
            ::close(down[1]);
            ::close(up[0]);
            serve(space, down[0], up[1], seed);
        }
        ::close(down[0]);
        ::close(up[1]);
        if (process < 0) {
            ::close(down[1]);
            ::close(up[0]);
            return;
        }
        members_.push_back({static_cast<int>(process), down[1], up[0], 0, false});
    }
}

ReplayCrew::~ReplayCrew() {
    for (Member& member : members_) dismiss(member);
}

void ReplayCrew::dismiss(Member& member) {
    if (!member.is_alive()) return;
    ::close(member.to);
    ::close(member.from);
    if (member.is_busy) ::kill(member.process, SIGTERM);
    int status = 0;
    while (::waitpid(member.process, &status, 0) < 0 && errno == EINTR) {}
    member.to = member.from = -1;
    member.is_busy = false;
}

std::vector<ReplayedPlan> ReplayCrew::play(std::span<const FoundPlan> plans) {
    std::vector<ReplayedPlan> replayed(plans.size(), ReplayedPlan{{}, "no process was left to play it"});
    void (*const before)(int) = ::signal(SIGPIPE, SIG_IGN);   // a member that is gone is seen where it is written to
    std::size_t next = 0;
    const auto hand_out = [&](Member& member) {
        if (!member.is_alive() || member.is_busy || next == plans.size()) return;
        member.plan = next++;
        member.is_busy = true;
        if (!write_all(member.to, &plans[member.plan], sizeof(FoundPlan))) dismiss(member);
    };
    for (Member& member : members_) hand_out(member);
    for (;;) {
        std::vector<pollfd> waits;
        std::vector<Member*> waiting;
        for (Member& member : members_) {
            if (!member.is_busy) continue;
            waits.push_back({member.from, POLLIN, 0});
            waiting.push_back(&member);
        }
        if (waits.empty()) break;
        if (::poll(waits.data(), waits.size(), -1) < 0) {
            if (errno == EINTR) continue;
            break;
        }
        for (std::size_t i = 0; i < waits.size(); ++i) {
            if (waits[i].revents == 0) continue;
            Member& member = *waiting[i];
            ReplayMessage message;
            if (read_all(member.from, &message, sizeof message)) {
                replayed[member.plan] = {Seconds::from_si(message.step_s), std::string(message.problem.data())};
                member.is_busy = false;
                hand_out(member);
            } else {
                replayed[member.plan].problem = "its simulation broke off";
                dismiss(member);
            }
        }
    }
    ::signal(SIGPIPE, before);
    return replayed;
}

void rank_replayed(const SearchSpace& space, Objective objective, std::vector<FoundPlan>& plans,
                   std::vector<ReplayedPlan>& replayed) {
    std::vector<std::size_t> order(plans.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto score = [&](std::size_t i) {
        if (replayed[i].step <= Seconds{}) return std::pair(1, score_of(objective, figures_of(space.bases[plans[i].base], plans[i])));
        FoundPlan played = plans[i];
        played.estimate.busy *= played.estimate.step / replayed[i].step;   // the same kernels in another time
        played.estimate.step = replayed[i].step;
        return std::pair(0, score_of(objective, figures_of(space.bases[played.base], played)));
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score(a) < score(b); });
    std::vector<FoundPlan> sorted_plans;
    std::vector<ReplayedPlan> sorted;
    for (const std::size_t i : order) {
        sorted_plans.push_back(plans[i]);
        sorted.push_back(replayed[i]);
    }
    plans = std::move(sorted_plans);
    replayed = std::move(sorted);
}

}  // namespace orrery
