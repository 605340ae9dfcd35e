// Messages between a rank that hands out branches and ranks that search them.
#include "planner/search_team.hpp"

#include "planner/search_units.hpp"

#include <cstdlib>

#ifdef ORRERY_MPI
#include <mpi.h>
#endif

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <list>
#include <thread>
#include <tuple>
#include <type_traits>

namespace orrery {

TeamPlace team_place() {
    // Open MPI; MPICH, Intel MPI and Slurm's PMI.
    for (const auto& [rank, size, local] : {std::tuple("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
                                            std::tuple("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID")}) {
        const char* own = std::getenv(rank);
        const char* all = std::getenv(size);
        if (own == nullptr || all == nullptr) continue;
        TeamPlace place{std::max(std::atoi(own), 0), std::max(std::atoi(all), 1), false};
        const char* on_node = std::getenv(local);
        const auto processors = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
        place.rests = place.rank > 0 && on_node != nullptr && std::atoi(on_node) > std::max(processors, 1);   // rank 0 sleeps
        return place;
    }
    return {};
}

#ifndef ORRERY_MPI

TeamSession::TeamSession() = default;
TeamSession::~TeamSession() = default;
SearchResult search_with_team(const SearchSpace&, const SearchOptions&) { return {}; }
void rest_in_team() {}
void dismiss_team() {}

#else

namespace {

constexpr int tag_findings = 1;   // worker to rank 0: what was found; see searching_ranks()
constexpr int tag_work = 2;       // rank 0 to worker: what to do next
constexpr int tag_end = 3;        // rank 0 to worker: the session is over

constexpr std::chrono::microseconds longest_pause{1600};   // a hundredth of the time for which a branch keeps a rank

enum class TeamOrder : std::uint8_t { search, stop };

using Packet = std::vector<char>;

/// Values of one process to bytes and back, on machines of one kind.
template <class Value>
void put(Packet& bytes, const Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    const auto* from = reinterpret_cast<const char*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
}
template <class Value>
void put_list(Packet& bytes, const std::vector<Value>& list) {
    put(bytes, list.size());
    for (const Value& one : list) put(bytes, one);
}

class ByteReader {
  public:
    explicit ByteReader(const Packet& bytes) : bytes_(bytes) {}
    [[nodiscard]] bool at_end() const { return next_ == bytes_.size(); }
    template <class Value>
    Value take() {
        static_assert(std::is_trivially_copyable_v<Value>);
        ORRERY_CHECK(next_ + sizeof(Value) <= bytes_.size());
        Value value;
        std::memcpy(&value, bytes_.data() + next_, sizeof value);
        next_ += sizeof value;
        return value;
    }
    template <class Value>
    std::vector<Value> take_list() {
        std::vector<Value> list(take<std::size_t>());
        for (Value& one : list) one = take<Value>();
        return list;
    }

  private:
    const Packet& bytes_;
    std::size_t next_ = 0;
};

void send(const Packet& bytes, int to, int tag) {
    MPI_Send(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD);
}

/// The next message with `tag`, from whoever it is.
Packet receive(int tag, int& from) {
    MPI_Status status;
    int is_there = 0;
    std::chrono::microseconds pause{50};
    for (;;) {   // MPI_Probe would spin on a core that another rank could search with
        MPI_Iprobe(from, tag, MPI_COMM_WORLD, &is_there, &status);
        if (is_there != 0) break;
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, longest_pause);
    }
    int size = 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    Packet bytes(static_cast<std::size_t>(size));
    from = status.MPI_SOURCE;
    MPI_Recv(bytes.data(), size, MPI_BYTE, from, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return bytes;
}

}  // namespace

/// Open MPI looks for fabrics half as long as a search of a million plans takes. Branches and findings are small: the
/// plain transport carries them, where the user names no other.
TeamSession::TeamSession() {
    ::setenv("OMPI_MCA_pml", "ob1", 0);
    is_open_ = MPI_Init(nullptr, nullptr) == MPI_SUCCESS;
}
/// MPI_Finalize() spins until all ranks are there: those that are done sleep until rank 0 has its answer.
TeamSession::~TeamSession() {
    if (!is_open_) return;
    int rank = 0;
    int ranks = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int leader = 0;
    if (rank > 0) (void)receive(tag_end, leader);
    for (int other = 1; rank == 0 && other < ranks; ++other) send({}, other, tag_end);
    MPI_Finalize();
}

namespace {

void put_findings(Packet& bytes, std::size_t unit, const UnitFindings& found) {
    put(bytes, unit);
    put(bytes, found.found.counts.estimated);
    put(bytes, found.found.counts.feasible);
    put(bytes, found.found.counts.refused);
    put(bytes, found.found.counts.examples);
    put(bytes, found.found.counts.closest);
    put_list(bytes, found.found.best.ranked());
    put_list(bytes, found.found.best.front());
    put_list(bytes, found.found.best.fastest());
    put_list(bytes, found.kept.plans);
    put(bytes, found.kept.refused);
    put(bytes, found.kept.examples);
}

void offer_plans(const SearchSpace& space, const std::vector<FoundPlan>& plans, BestPlans& best) {
    for (const FoundPlan& plan : plans) best.offer(plan, figures_of(space.bases[plan.base], plan));
}

UnitFindings take_findings(ByteReader& reader, const SearchSpace& space, const SearchOptions& options) {
    UnitFindings found;
    found.found.counts.estimated = reader.take<std::uint64_t>();
    found.found.counts.feasible = reader.take<std::uint64_t>();
    found.found.counts.refused = reader.take<decltype(found.found.counts.refused)>();
    found.found.counts.examples = reader.take<decltype(found.found.counts.examples)>();
    found.found.counts.closest = reader.take<std::optional<FoundPlan>>();
    found.found.best = BestPlans(options.objective, options.top, options.by_group);
    for (int list = 0; list < 3; ++list) offer_plans(space, reader.take_list<FoundPlan>(), found.found.best);
    found.kept.plans = reader.take_list<FoundPlan>();
    found.kept.refused = reader.take<decltype(found.kept.refused)>();
    found.kept.examples = reader.take<decltype(found.kept.examples)>();
    return found;
}

/// Everyone reports once ahead of all work: with nothing, or with a byte whoever rests.
std::vector<int> searching_ranks() {
    int ranks = 1;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    std::vector<int> searching;
    for (int rank = 1; rank < ranks; ++rank) {
        int from = rank;
        if (receive(tag_findings, from).empty()) searching.push_back(rank);
    }
    return searching;
}

/// Orders on their way to ranks that may be sending themselves.
class Outbox {
  public:
    void send(Packet bytes, int to, int tag) {
        std::erase_if(letters_, [](Letter& one) { return one.is_gone(); });
        Letter& one = letters_.emplace_back(Letter{std::move(bytes), MPI_REQUEST_NULL});
        MPI_Isend(one.bytes.data(), static_cast<int>(one.bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD, &one.request);
    }
    void wait() {
        for (Letter& one : letters_) MPI_Wait(&one.request, MPI_STATUS_IGNORE);
        letters_.clear();
    }

  private:
    struct Letter {
        Packet bytes;
        MPI_Request request;
        bool is_gone() {
            int done = 0;
            MPI_Test(&request, &done, MPI_STATUS_IGNORE);
            return done != 0;
        }
    };
    std::list<Letter> letters_;   // stay where they are
};

/// Rank 0: what is left to do, who waits, what was found.
class TeamLeader {
  public:
    TeamLeader(const SearchSpace& space, const SearchOptions& options)
        : space_(space), options_(options), to_beat_(options.objective, options.top, options.by_group),
          all_{{}, BestPlans(options.objective, options.top, options.by_group)} {}

    SearchResult lead() {
        SearchResult result;
        units_ = own_units(space_, options_, result);
        result.units = units_.size();
        done_.assign(units_.size(), 0);
        if (options_.store != nullptr) {
            auto recalled = recall_stored(space_, units_, options_, done_);
            if (recalled) all_ = std::move(recalled).value();
            else problems_ = recalled.problems();
        }
        steps_done_ = static_cast<std::size_t>(std::count(done_.begin(), done_.end(), 1));
        const bool is_bounded = options_.store == nullptr && !options_.exhaustive;
        steps_ = is_bounded ? 2 * units_.size() : units_.size();
        workers_ = searching_ranks();
        for (int order = 0; order < 2; ++order) free_.insert(free_.end(), workers_.begin(), workers_.end());
        if (is_bounded) {
            share_out(SearchRound::quick);
            to_beat_.merge(all_.best);
            share_out(SearchRound::bounded);
        } else {
            share_out(SearchRound::all);
        }
        Packet stop;
        put(stop, TeamOrder::stop);
        for (const int rank : workers_) outbox_.send(stop, rank, tag_work);
        outbox_.wait();
        result.problems = std::move(problems_);
        put_together(all_, static_cast<std::size_t>(std::count(done_.begin(), done_.end(), 1)), result);
        return result;
    }

  private:
    const SearchSpace& space_;
    const SearchOptions& options_;
    BestPlans to_beat_;
    std::vector<SearchUnit> units_;
    std::vector<char> done_;    // by unit
    Findings all_;
    Outbox outbox_;
    std::vector<int> free_;     // ranks that can be given work: each twice, so that none has to wait for the next
    struct Stretch {            // of left_
        std::size_t begin = 0;
        std::size_t end = 0;
        [[nodiscard]] std::size_t size() const { return end - begin; }
    };
    std::vector<std::size_t> left_;      // branches of the round, in their order
    std::vector<int> workers_;           // ranks that search
    std::vector<Stretch> stretches_;     // of each of them: what nobody has begun
    std::size_t steps_done_ = 0;
    std::size_t steps_ = 0;
    Problems problems_;

    [[nodiscard]] bool goes_on() const { return problems_.empty() && (options_.stop == nullptr || !options_.stop->load()); }

    /// Branches beside each other share prices, which each rank keeps for itself: each rank starts with a stretch of its
    /// own and, when that is done, takes over the second half of the longest one left.
    void share_out(SearchRound round) {
        left_.clear();
        for (std::size_t i = 0; i < units_.size(); ++i) {
            if (done_[i] == 0) left_.push_back(i);
        }
        stretches_.assign(workers_.size(), {});
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            stretches_[i] = {left_.size() * i / workers_.size(), left_.size() * (i + 1) / workers_.size()};
        }
        int busy = 0;
        for (;;) {
            while (!free_.empty() && goes_on() && hand_out(round, free_.back())) {
                free_.pop_back();
                ++busy;
            }
            if (busy == 0) break;
            int from = MPI_ANY_SOURCE;
            const Packet bytes = receive(tag_findings, from);
            take_in(round, bytes);
            free_.push_back(from);
            --busy;
        }
    }

    /// The next branches of a rank: so many that its stretch takes a dozen times. False: nothing is left.
    bool hand_out(SearchRound round, int rank) {
        const auto worker = std::lower_bound(workers_.begin(), workers_.end(), rank) - workers_.begin();
        Stretch& own = stretches_[static_cast<std::size_t>(worker)];
        if (own.size() == 0) {
            Stretch& longest = *std::max_element(stretches_.begin(), stretches_.end(), [](const Stretch& a, const Stretch& b) { return a.size() < b.size(); });
            const std::size_t middle = longest.begin + longest.size() / 2;
            own = {middle, longest.end};
            longest.end = middle;
        }
        if (own.size() == 0) return false;
        const std::size_t count = std::max<std::size_t>(own.size() / 12, 1);
        Packet order;
        put(order, TeamOrder::search);
        put(order, round);
        put_list(order, to_beat_.ranked());
        put_list(order, to_beat_.front());
        put_list(order, to_beat_.fastest());
        const auto first = left_.begin() + static_cast<std::ptrdiff_t>(own.begin);
        put_list(order, std::vector<std::size_t>(first, first + static_cast<std::ptrdiff_t>(count)));
        own.begin += count;
        outbox_.send(std::move(order), rank, tag_work);
        return true;
    }

    void take_in(SearchRound round, const Packet& bytes) {
        ByteReader reader(bytes);
        while (!reader.at_end()) {
            const auto unit = reader.take<std::size_t>();
            UnitFindings found = take_findings(reader, space_, options_);
            if (options_.store != nullptr && problems_.empty()) {
                found.kept.unit = units_[unit].number;
                problems_ = options_.store->write(found.kept);
            }
            if (!problems_.empty()) return;
            all_.add(found.found);
            done_[unit] = round == SearchRound::quick ? 0 : 1;
            ++steps_done_;
            if (options_.progress) options_.progress(steps_done_, steps_);
        }
    }
};

/// Any other rank: searches what it is told to until it is told to stop.
void follow(const SearchSpace& space, const SearchOptions& options) {
    SearchResult unused;
    const std::vector<SearchUnit> units = own_units(space, options, unused);
    Evaluators evaluators;
    Packet report;
    for (;;) {
        send(report, 0, tag_findings);
        report.clear();
        int leader = 0;
        const Packet bytes = receive(tag_work, leader);
        ByteReader reader(bytes);
        if (reader.take<TeamOrder>() == TeamOrder::stop) return;
        const auto round = reader.take<SearchRound>();
        BestPlans to_beat(options.objective, options.top, options.by_group);
        for (int list = 0; list < 3; ++list) offer_plans(space, reader.take_list<FoundPlan>(), to_beat);
        for (const std::size_t unit : reader.take_list<std::size_t>()) {
            const UnitFindings found = search_unit(space, units[unit], options, round, to_beat, evaluators);
            put_findings(report, unit, found);
        }
    }
}

}  // namespace

SearchResult search_with_team(const SearchSpace& space, const SearchOptions& options) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) return TeamLeader(space, options).lead();
    follow(space, options);
    return {};
}

void rest_in_team() { send({'r'}, 0, tag_findings); }

void dismiss_team() {
    Packet stop;
    put(stop, TeamOrder::stop);
    for (const int rank : searching_ranks()) send(stop, rank, tag_work);
}

#endif

}  // namespace orrery
