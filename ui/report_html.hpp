// A report as one page that needs nothing else: styles and drawings are inside.
#pragma once

#include "ui/report_view.hpp"

#include <string>
#include <string_view>

namespace orrery {

/// HTML 5, light or dark as the reader's system is.
std::string report_html(const ReportView& view);

/// `text` with the characters that HTML would act on replaced.
std::string html_text(std::string_view text);

}  // namespace orrery
