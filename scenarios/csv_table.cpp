// Splits a table's lines at commas (no quoting: the tables hold numbers and words) and checks their widths.
#include "scenarios/csv_table.hpp"

#include "scenarios/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

namespace orrery {
namespace {

constexpr std::size_t csv_problems_max = 20;

std::vector<std::string> csv_cells(std::string line) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    std::vector<std::string> cells;
    std::size_t start = 0;
    for (std::size_t comma = line.find(','); comma != std::string::npos; comma = line.find(',', start)) {
        cells.push_back(line.substr(start, comma - start));
        start = comma + 1;
    }
    cells.push_back(line.substr(start));
    return cells;
}

}  // namespace

Result<CsvTable> CsvTable::read(const std::string& path, const std::vector<std::string>& required) {
    const Result<std::string> text = read_text_file(path);
    if (!text) return text.problems();
    return parse(*text, path, required);
}

Result<CsvTable> CsvTable::parse(const std::string& text, const std::string& path, const std::vector<std::string>& required) {
    CsvTable table;
    table.path_ = path;
    Problems problems;
    std::istringstream lines(text);
    std::string line;
    for (std::size_t number = 1; std::getline(lines, line) && problems.size() < csv_problems_max; ++number) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        std::vector<std::string> cells = csv_cells(line);
        if (table.head_.empty()) {
            table.head_ = std::move(cells);
            for (const std::string& column : required) {
                if (std::find(table.head_.begin(), table.head_.end(), column) != table.head_.end()) continue;
                problems.push_back({path + ":" + std::to_string(number), "has no column " + column,
                                    "add the column to the head and the rows"});
            }
            if (!problems.empty()) return problems;
        } else if (cells.size() != table.head_.size()) {
            problems.push_back({path + ":" + std::to_string(number),
                                "has " + std::to_string(cells.size()) + " cells where the head has " +
                                    std::to_string(table.head_.size()),
                                "write one cell for each column"});
        } else {
            table.cells_.push_back(std::move(cells));
            table.lines_.push_back(number);
        }
    }
    if (!problems.empty()) return problems;
    if (table.cells_.empty()) return Problem{path, "has no row", "write a head and one line for each measurement"};
    return table;
}

std::string CsvTable::text(std::size_t row, std::string_view column) const {
    const auto found = std::find(head_.begin(), head_.end(), column);
    return found == head_.end() ? std::string() : cells_[row][static_cast<std::size_t>(found - head_.begin())];
}

double CsvTable::number(std::size_t row, std::string_view column, Problems& problems) const {
    const std::string cell = text(row, column);
    double value = 0.0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc{} && end == cell.data() + cell.size() && std::isfinite(value)) return value;
    if (problems.size() < csv_problems_max) {
        problems.push_back({place(row), "column " + std::string(column) + " is \"" + cell + "\"", "write a number"});
    }
    return 0.0;
}

}  // namespace orrery
