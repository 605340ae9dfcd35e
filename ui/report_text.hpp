// A report as text for a terminal or a file: at most 100 columns wide.
#pragma once

#include "ui/report_view.hpp"
#include "ui/terminal.hpp"

#include <string>
#include <string_view>

namespace orrery {

std::string report_text(const ReportView& view, const Style& style);

/// A bar of `width` cells, `share` of them filled in eighths (in whole cells without Unicode). Shares over 1 fill it.
std::string text_bar(double share, std::size_t width, const Style& style);

/// Columns that `text` takes: code points of UTF-8, which none of our texts combines or widens.
std::size_t columns_of(std::string_view text);

/// `text` filled with blanks up to `width` columns, at the left or at the right.
std::string padded(std::string_view text, std::size_t width, bool at_left = false);

/// Words of `text` in lines of at most `width` columns, every line after the first behind `indent` blanks.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace orrery
