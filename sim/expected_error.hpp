// How far an answer may be from the truth, from what published trainings of its kind were away from their predictions.
#pragma once

#include <string>

namespace orrery {

struct Cluster;
struct TrainingRun;

/// Nine of ten published trainings of this kind measured between `low` and `high` times their prediction.
struct ExpectedError {
    double low = 1.0;
    double high = 1.0;
    std::string basis;   // which kind, on how many rows
    std::string kind;    // "dense decoders", ..
};

/// Quantiles (5 and 95 %) of measured / predicted by kind; on a device that no published training was compared with, an
/// assumed interval of a quarter each way.
ExpectedError expected_error(const Cluster& cluster, const TrainingRun& run);

}  // namespace orrery
