// What a search ranges over: machines and models with everything fixed, and for each the values of every axis.
#pragma once

#include "planner/plan_axes.hpp"
#include "sim/cluster.hpp"
#include "sim/training.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace orrery {

using AxisValues = std::array<std::vector<std::int32_t>, plan_axis_count>;

/// One cluster and one training; plans are its specification with the axes set.
struct SearchBase {
    Cluster cluster;
    TrainingRun run;
    FrameworkProfile sharded_framework;   // of plans with fsdp
    UsdPerJoule energy_paid;              // beside the devices' hours; none where they are rented
    std::vector<std::pair<std::string, std::string>> settings;  // other keys that were varied to get here: path, value
    std::string sha256;                   // of the scenario with those settings
    AxisValues values;
};

struct SearchSpace {
    std::vector<SearchBase> bases;
};

/// Values that an axis takes where nobody gives any; the scenario's own where there is no better guess.
std::vector<std::int32_t> automatic_values(PlanAxis axis, const Cluster& cluster, const TrainingRun& run);

/// Splits of layers that a search tries where it is asked to: with up to one layer fewer on the first stage and up to two
/// on the last; on a mixed machine balanced and evenly.
std::vector<std::int32_t> uneven_splits(const Cluster& cluster);

/// The value of PlanAxis::stage_layers where nobody gives one: evenly, and balanced on a mixed machine.
std::int32_t usual_layers(const Cluster& cluster);

/// Sets the layers of the plan's stages as a value of PlanAxis::stage_layers says; false: there are not enough of them,
/// no pipeline, or the scenario shares them out in its own way.
bool share_out_layers(const SearchBase& base, std::int32_t value, Parallelism& plan);

/// Plans before any is refused: the product of the axes' values, summed over bases. 0 and the axis: an axis without
/// values; more than can be counted is a Problem too, naming the longest axis.
Result<std::uint64_t> raw_plans(const SearchSpace& space);

/// The training of `base` at `point`: what run_training() takes.
TrainingRun run_at(const SearchBase& base, const PlanPoint& point);

}  // namespace orrery
