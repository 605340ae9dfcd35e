// How far predictions are from measurements: the figures that every accuracy table shows.
#pragma once

#include <string>
#include <vector>

namespace orrery {

/// One prediction beside its measurement, in the same unit.
struct Comparison {
    std::string id;
    std::string source;
    std::string metric;      // "step_time_s", "peak_bytes", ..
    double measured = 0.0;
    double predicted = 0.0;
    std::string note;        // what was assumed where the row is silent
    [[nodiscard]] double error() const { return predicted / measured - 1.0; }
};

/// Errors as fractions; all zero for no comparisons.
struct ErrorStatistics {
    std::size_t rows = 0;
    double mape = 0.0;       // mean of |predicted / measured - 1|
    double median_ape = 0.0;
    double p90_ape = 0.0;    // nearest rank
    double bias = 0.0;       // mean of predicted / measured - 1
};

ErrorStatistics error_statistics(const std::vector<Comparison>& comparisons);

}  // namespace orrery
