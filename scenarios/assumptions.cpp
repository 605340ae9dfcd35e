// Numbers of assumptions as text.
#include "scenarios/assumptions.hpp"

#include <fmt/format.h>

namespace orrery {

std::string assumed_text(double si, Dimension dimension, std::string_view key) {
    if (key.ends_with("_per_kwh")) return fmt::format("{:.4g} USD/kWh", si * bare_divisor(key));
    if (dimension == plain_number) return fmt::format("{:.6g}", si);
    return format_quantity(si, dimension);
}

}  // namespace orrery
