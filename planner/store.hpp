// The file that keeps a search: every estimated plan and every finished branch, safe against a kill at any time.
#pragma once

#include "planner/refusal.hpp"
#include "planner/search.hpp"

#include <memory>
#include <string>
#include <vector>

struct sqlite3;

namespace orrery {

/// What a store was made for. Two stores of one identity hold parts of one search.
struct StoreIdentity {
    std::string scenario_sha256;   // of the scenario with its settings
    std::string scenario;          // absolute path of its file
    std::string settings;          // PATH=VALUE, one a line
    std::uint64_t raw_plans = 0;
    bool operator==(const StoreIdentity&) const = default;
};

/// One finished branch of a search.
struct StoredUnit {
    std::uint64_t unit = 0;
    std::vector<FoundPlan> plans;     // all that were estimated
    std::array<std::uint64_t, refusal_count> refused{};
    std::array<std::optional<RefusedExample>, refusal_count> examples;
};

/// An SQLite database in WAL mode; a branch is written in one transaction or not at all.
class PlanStore {
  public:
    /// Opens or makes the file. Problems: it is there already and `resume` is false; it belongs to another search; it is
    /// no store; SQLite's own.
    static Result<PlanStore> open(const std::string& path, const StoreIdentity& identity, bool resume);
    /// Opens a file that must be there, to read it.
    static Result<PlanStore> open_existing(const std::string& path);

    [[nodiscard]] const StoreIdentity& identity() const { return identity_; }
    [[nodiscard]] const std::string& path() const { return path_; }
    Problems write(const StoredUnit& unit);
    /// Every finished branch, by number.
    Result<std::vector<StoredUnit>> read() const;

  private:
    struct Closer {
        void operator()(sqlite3* database) const;
    };
    PlanStore(std::string path, std::unique_ptr<sqlite3, Closer> database) : path_(std::move(path)), database_(std::move(database)) {}
    static Result<PlanStore> connect(const std::string& path, bool make);
    Problem failure(const std::string& what) const;
    bool execute(const char* sql) const;
    Problems read_identity();
    Problems write_identity(const StoreIdentity& identity);

    std::string path_;
    std::unique_ptr<sqlite3, Closer> database_;
    StoreIdentity identity_;
};

}  // namespace orrery
