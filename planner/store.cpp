// Three tables: what the search is, which branches are done with what they refused, and the plans.
#include "planner/store.hpp"

#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <map>

namespace orrery {
namespace {

constexpr const char* layout_version = "2";

/// A prepared statement, finalized at the end.
class StoreQuery {
  public:
    StoreQuery(sqlite3* database, const char* sql) { sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr); }
    ~StoreQuery() { sqlite3_finalize(statement_); }
    StoreQuery(const StoreQuery&) = delete;
    StoreQuery& operator=(const StoreQuery&) = delete;
    void number(int at, std::uint64_t value) { sqlite3_bind_int64(statement_, at, static_cast<sqlite3_int64>(value)); }
    void real(int at, double value) { sqlite3_bind_double(statement_, at, value); }
    void text(int at, const std::string& value) { sqlite3_bind_text(statement_, at, value.c_str(), -1, SQLITE_TRANSIENT); }
    void point(int at, const PlanPoint& value) { sqlite3_bind_blob(statement_, at, value.data(), sizeof(value), SQLITE_TRANSIENT); }
    [[nodiscard]] int step() { return sqlite3_step(statement_); }
    void reset() { sqlite3_reset(statement_); }
    [[nodiscard]] std::uint64_t number(int at) const { return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, at)); }
    [[nodiscard]] double real(int at) const { return sqlite3_column_double(statement_, at); }
    [[nodiscard]] std::string text(int at) const {
        const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, at));
        return bytes == nullptr ? "" : bytes;
    }
    [[nodiscard]] PlanPoint point(int at) const {
        PlanPoint value{};
        if (sqlite3_column_bytes(statement_, at) == static_cast<int>(sizeof(value))) {
            std::memcpy(value.data(), sqlite3_column_blob(statement_, at), sizeof(value));
        }
        return value;
    }

  private:
    sqlite3_stmt* statement_ = nullptr;
};

}  // namespace

void PlanStore::Closer::operator()(sqlite3* database) const { sqlite3_close(database); }

Problem PlanStore::failure(const std::string& what) const {
    return {path_, what + ": " + sqlite3_errmsg(database_.get()), "check the disk and the file, or take another --store"};
}

bool PlanStore::execute(const char* sql) const {
    return sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

Result<PlanStore> PlanStore::connect(const std::string& path, bool make) {
    sqlite3* raw = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | (make ? SQLITE_OPEN_CREATE : 0);
    const int status = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    PlanStore store(path, std::unique_ptr<sqlite3, Closer>(raw));
    if (status != SQLITE_OK) return store.failure("cannot be opened");
    sqlite3_busy_timeout(raw, 10'000);
    const bool is_ready = store.execute("PRAGMA journal_mode=WAL") && store.execute("PRAGMA synchronous=NORMAL") &&
                          (!make || store.execute("CREATE TABLE IF NOT EXISTS search(key TEXT PRIMARY KEY, value TEXT);"
                                                  "CREATE TABLE IF NOT EXISTS units(unit INTEGER PRIMARY KEY);"
                                                  "CREATE TABLE IF NOT EXISTS refusals(unit INTEGER, reason TEXT, plans INTEGER, "
                                                  "example INTEGER, base INTEGER, last INTEGER, point BLOB);"
                                                  "CREATE TABLE IF NOT EXISTS plans(plan INTEGER PRIMARY KEY, unit INTEGER, "
                                                  "base INTEGER, point BLOB, step_s REAL, memory_bytes REAL, busy REAL);"));
    if (!is_ready) return store.failure("is no store of plans");
    return store;
}

Problems PlanStore::read_identity() {
    std::map<std::string, std::string> values;
    StoreQuery query(database_.get(), "SELECT key, value FROM search");
    while (query.step() == SQLITE_ROW) values[query.text(0)] = query.text(1);
    if (values["layout"] != layout_version) return {{path_, "is no store of plans of this version", "take another file"}};
    identity_ = {values["sha256"], values["scenario"], values["settings"], std::strtoull(values["raw_plans"].c_str(), nullptr, 10)};
    return {};
}

Problems PlanStore::write_identity(const StoreIdentity& identity) {
    const std::pair<const char*, std::string> rows[] = {{"layout", layout_version},
                                                        {"sha256", identity.scenario_sha256},
                                                        {"scenario", identity.scenario},
                                                        {"settings", identity.settings},
                                                        {"raw_plans", std::to_string(identity.raw_plans)}};
    bool is_written = execute("BEGIN");
    for (const auto& [key, value] : rows) {
        StoreQuery insert(database_.get(), "INSERT OR REPLACE INTO search VALUES(?, ?)");
        insert.text(1, key);
        insert.text(2, value);
        is_written = is_written && insert.step() == SQLITE_DONE;
    }
    if (!is_written || !execute("COMMIT")) return {failure("cannot be written")};
    identity_ = identity;
    return {};
}

Result<PlanStore> PlanStore::open(const std::string& path, const StoreIdentity& identity, bool resume) {
    const bool is_there = std::filesystem::exists(path);
    if (is_there && !resume) {
        return Problem{path, "is there already", "add --resume to go on with it, or take another file"};
    }
    Result<PlanStore> store = connect(path, true);
    if (!store) return store;
    const bool is_new = !is_there || [&] {   // killed before it said what it was for
        StoreQuery rows(store->database_.get(), "SELECT count(*) FROM search");
        return rows.step() == SQLITE_ROW && rows.number(0) == 0;
    }();
    const Problems problems = is_new ? store->write_identity(identity) : store->read_identity();
    if (!problems.empty()) return problems;
    const StoreIdentity& own = store->identity_;
    if (own.scenario_sha256 != identity.scenario_sha256 || own.raw_plans != identity.raw_plans) {
        return Problem{path, "holds another search (scenario " + own.scenario_sha256.substr(0, 12) + ")",
                       "use the scenario and settings it was made with, or take another file"};
    }
    return store;
}

Result<PlanStore> PlanStore::open_existing(const std::string& path) {
    if (!std::filesystem::exists(path)) return Problem{path, "is not there", "name a file that --store has made"};
    Result<PlanStore> store = connect(path, false);
    if (!store) return store;
    if (const Problems problems = store->read_identity(); !problems.empty()) return problems;
    return store;
}

Problems PlanStore::write(const StoredUnit& unit) {
    bool is_written = execute("BEGIN IMMEDIATE");
    StoreQuery plan(database_.get(), "INSERT INTO plans VALUES(?, ?, ?, ?, ?, ?, ?)");
    for (const FoundPlan& one : unit.plans) {
        plan.reset();
        plan.number(1, one.index);
        plan.number(2, unit.unit);
        plan.number(3, one.base);
        plan.point(4, one.point);
        plan.real(5, one.estimate.step.si());
        plan.real(6, one.estimate.memory.si());
        plan.real(7, one.estimate.busy);
        is_written = is_written && plan.step() == SQLITE_DONE;
    }
    StoreQuery refusal(database_.get(), "INSERT INTO refusals VALUES(?, ?, ?, ?, ?, ?, ?)");
    for (const auto& reason : EnumTable<Refusal>::names) {
        const auto i = static_cast<std::size_t>(reason.value);
        if (unit.refused[i] == 0) continue;
        const RefusedExample example = unit.examples[i].value_or(RefusedExample{});
        refusal.reset();
        refusal.number(1, unit.unit);
        refusal.text(2, std::string(reason.name));
        refusal.number(3, unit.refused[i]);
        refusal.number(4, example.index);
        refusal.number(5, example.base);
        refusal.number(6, static_cast<std::uint64_t>(example.last));
        refusal.point(7, example.point);
        is_written = is_written && refusal.step() == SQLITE_DONE;
    }
    StoreQuery done(database_.get(), "INSERT INTO units VALUES(?)");
    done.number(1, unit.unit);
    is_written = is_written && done.step() == SQLITE_DONE && execute("COMMIT");
    if (is_written) return {};
    Problem problem = failure("cannot be written");
    execute("ROLLBACK");
    return {std::move(problem)};
}

Result<std::vector<StoredUnit>> PlanStore::read() const {
    std::map<std::uint64_t, StoredUnit> units;
    StoreQuery done(database_.get(), "SELECT unit FROM units");
    while (done.step() == SQLITE_ROW) units[done.number(0)].unit = done.number(0);
    StoreQuery refusal(database_.get(), "SELECT unit, reason, plans, example, base, last, point FROM refusals");
    while (refusal.step() == SQLITE_ROW) {
        StoredUnit& unit = units[refusal.number(0)];
        for (const auto& reason : EnumTable<Refusal>::names) {
            if (reason.name != refusal.text(1)) continue;
            const auto i = static_cast<std::size_t>(reason.value);
            unit.refused[i] = refusal.number(2);
            unit.examples[i] = RefusedExample{refusal.number(3), static_cast<std::uint32_t>(refusal.number(4)), refusal.point(6),
                                              static_cast<PlanAxis>(refusal.number(5))};
        }
    }
    StoreQuery plan(database_.get(), "SELECT plan, unit, base, point, step_s, memory_bytes, busy FROM plans ORDER BY plan");
    int status = plan.step();
    for (; status == SQLITE_ROW; status = plan.step()) {
        units[plan.number(1)].plans.push_back({plan.number(0), static_cast<std::uint32_t>(plan.number(2)), plan.point(3),
                                               {Seconds::from_si(plan.real(4)), Bytes::from_si(plan.real(5)), plan.real(6)}});
    }
    if (status != SQLITE_DONE) return failure("cannot be read");
    std::vector<StoredUnit> list;
    for (auto& [number, unit] : units) list.push_back(std::move(unit));
    return list;
}

}  // namespace orrery
