// Measured tables and sweeps of collectives: how well calibrations made from a part of one predict the rest.
#pragma once

#include "hardware/result.hpp"

#include <string>
#include <utility>
#include <vector>

namespace orrery {

/// Mean |predicted / measured - 1| over a table's rows. Every figure is of parameters fitted anew, from those of other
/// generations pooled, on what is said to be seen and nothing else; the library's own constants of choice are the device's.
struct CollectiveJudgement {
    std::string table;
    std::string device;
    int rows = 0;
    double unseen = 0.0;            // keys (kind, ranks, bytes, type) of the random half that was left out; mean of three halvings
    double unseen_physics = 0.0;    // without residuals
    double tenth = 0.0;             // the same with a tenth left out in turn
    double size_out = 0.0;          // one size of all kinds and ranks left out in turn
    double size_out_physics = 0.0;
    double interpolated = 0.0;      // log-log interpolation alone, one size left out in turn
    std::vector<std::pair<int, double>> by_anchors;         // count, error on the rows that are no anchor
    std::vector<std::pair<std::string, double>> by_others;  // under another generation's parameters, rates by the link
    double pooled_large = 0.0;      // other generations pooled, sizes from 16 MiB
    std::string worst;              // row of the sizes left out
    double worst_error = 0.0;       // predicted / measured - 1
};

/// Judges each nccl table (SYSTEM.nccl-VERSION.nccl.csv).
Result<std::vector<CollectiveJudgement>> judge_collectives(const std::vector<std::string>& tables);

std::string judgement_text(const std::vector<CollectiveJudgement>& judgements);

/// One sweep of sizes out of rows of collectives: same system, devices, network, collective and table.
struct SweepJudgement {
    std::string name;
    int rows = 0;
    int disturbed = 0;              // left out: over a quarter slower than a larger message of the same sweep
    double stated = -1.0;           // from catalogue and stated rates alone; -1: the rate is not stated
    double stated_large = -1.0;     // the same from 512 MiB; -1: no such row
    double inside = -1.0;           // part of the rows inside the interval that the prediction states
    double size_out = 0.0;          // calibrated on the other sizes
    double five = 0.0;              // calibrated on five sizes spread evenly, on the others
    double worst_bytes = 0.0;       // of the sizes left out
    double worst_error = 0.0;
    bool several_nodes = false;
};

/// Sweeps of at least eight sizes in files of rows (JSON Lines).
Result<std::vector<SweepJudgement>> judge_sweeps(const std::vector<std::string>& files);

std::string sweeps_text(const std::vector<SweepJudgement>& sweeps);

}  // namespace orrery
