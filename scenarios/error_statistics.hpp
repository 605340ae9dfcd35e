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
    double expected_low = 0.0;   // of measured / predicted, as the answer itself says; both 0: it says nothing
    double expected_high = 0.0;
    std::string kind = {};       // of what was predicted, where its table holds several
    [[nodiscard]] double error() const { return predicted / measured - 1.0; }
    [[nodiscard]] bool has_interval() const { return expected_high > 0.0; }
    [[nodiscard]] bool is_inside() const {
        return measured >= expected_low * predicted && measured <= expected_high * predicted;
    }
};

/// Errors as fractions; all zero for no comparisons.
struct ErrorStatistics {
    std::size_t rows = 0;
    double mape = 0.0;       // mean of |predicted / measured - 1|
    double median_ape = 0.0;
    double p90_ape = 0.0;    // nearest rank
    double bias = 0.0;       // mean of predicted / measured - 1
};

/// Of the comparisons that state an interval, how many there are and how many measurements lie inside.
struct Coverage {
    std::size_t stated = 0;
    std::size_t inside = 0;
};
Coverage coverage(const std::vector<Comparison>& comparisons);

ErrorStatistics error_statistics(const std::vector<Comparison>& comparisons);

}  // namespace orrery
