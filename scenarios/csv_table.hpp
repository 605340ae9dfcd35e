// Comma-separated tables with a head: cells by column name, and what is wrong with them by line.
#pragma once

#include "hardware/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Cells as text, every row as wide as the head.
class CsvTable {
  public:
    /// Reads a file. Problems name file and line: cannot be read, a column of `required` that is missing, a row that is
    /// not as wide as the head.
    static Result<CsvTable> read(const std::string& path, const std::vector<std::string>& required);
    /// The same from text; `path` is for the place of problems.
    static Result<CsvTable> parse(const std::string& text, const std::string& path, const std::vector<std::string>& required);

    [[nodiscard]] const std::vector<std::string>& columns() const { return head_; }
    [[nodiscard]] std::size_t rows() const { return cells_.size(); }
    /// The cell, or empty text where there is no such column.
    [[nodiscard]] std::string text(std::size_t row, std::string_view column) const;
    /// The cell as a finite number; nothing, and a problem noted, where it is none.
    double number(std::size_t row, std::string_view column, Problems& problems) const;
    /// "FILE:LINE" of a row.
    [[nodiscard]] std::string place(std::size_t row) const { return path_ + ":" + std::to_string(lines_[row]); }

  private:
    std::string path_;
    std::vector<std::string> head_;
    std::vector<std::vector<std::string>> cells_;
    std::vector<std::size_t> lines_;
};

}  // namespace orrery
