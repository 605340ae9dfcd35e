// Tables of published measurements, predicted row by row.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/error_statistics.hpp"

#include <map>
#include <string>
#include <vector>

namespace orrery {

struct ValidationReport {
    std::string kind;  // "training", "memory", "collective", "kernel" or "mixed"
    std::size_t rows = 0;
    std::size_t predicted = 0;                          // rows with at least one comparison
    std::vector<Comparison> results;                    // in the order of the rows
    std::map<std::string, std::size_t> skipped;         // reason -> rows
    std::map<std::string, std::size_t> rows_of_source;  // the skipped ones too
    std::map<std::string, std::string> kind_of_source;
    std::vector<std::string> fits;  // of each kernel table: how many rows its fit has seen
};

/// Predicts every row of the tables. JSON Lines: the fields tell whether a row is of a training, of memory or of a
/// collective. Kernel CSVs: the file is named SYSTEM.LIBRARY-VERSION.TABLE.csv. The fields of each kind are in the
/// README. A row whose configuration is not whole is skipped with its reason; an unreadable file or line is a problem.
/// Rows are spread over the machine's threads; the report is the same for any number of them.
Result<ValidationReport> validate_tables(const std::vector<std::string>& files);

/// The report as JSON: keys of the interface description, errors as fractions.
std::string validation_json(const ValidationReport& report);

}  // namespace orrery
