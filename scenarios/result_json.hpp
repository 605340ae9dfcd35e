// The answer about a training as a value with its provenance, and as JSON for scripts.
#pragma once

#include "scenarios/fabric_bill.hpp"
#include "scenarios/scenario.hpp"
#include "sim/training.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace orrery {

/// What an answer rests on: enough to get the same bytes again.
struct Provenance {
    std::string version;
    std::string commit;
    std::string scenario_sha256;
    std::uint64_t seed = 1;
    std::vector<std::string> sources;   // of every catalogue number used
};

/// One change of a plan, as words and as settings, with what the closed form says of the plan so changed.
struct ChangedPlan {
    std::string change;                 // "micro-batch 2 instead of 1"
    std::vector<Setting> settings;      // how to ask for it
    Seconds step_time;
    double speedup = 1.0;               // over the closed form of the plan as it is
    Bytes memory;
    bool fits = true;
};

/// Everything that the reports of one training show.
struct TrainingReport {
    Scenario scenario;
    Cluster cluster;
    TrainingAnswer answer;
    Provenance provenance;
    Seconds estimated_step;             // closed form of the plan as it is: what changes are compared to
    std::vector<ChangedPlan> changes;   // fastest first; for a plan that does not fit: what would fit
    FabricBill fabric;
    Usd device_hour;                    // what an hour of a device costs under the scenario's tenure
    std::string expected_error;         // a sentence with its source; empty: not known
};

/// The commit that this program was built from, "-dirty" behind it if changed since; "unknown" outside a checkout.
std::string program_commit();

/// The documented keys of a training result, and more beside them. Values that are not finite are null.
std::string training_json(const TrainingReport& report);

}  // namespace orrery
