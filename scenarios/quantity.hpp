// Numbers with units as people write them, to SI base units and back: the only place that knows prefixes and bits.
#pragma once

#include "hardware/result.hpp"
#include "hardware/units.hpp"

#include <string>
#include <string_view>

namespace orrery {

/// Exponents of a quantity's dimension, as in Quantity<..>; all zero: a count or a ratio.
struct Dimension {
    int seconds = 0;
    int bytes = 0;
    int flop = 0;
    int joules = 0;
    int dollars = 0;
    constexpr bool operator==(const Dimension&) const = default;
};

template <int S, int B, int F, int J, int U>
constexpr Dimension dimension_of(Quantity<S, B, F, J, U>) {
    return {S, B, F, J, U};
}

inline constexpr Dimension plain_number{};

/// "400 Gb/s" -> 5e10 for bytes per second, "2 h" -> 7200 for seconds, "15 T" -> 1.5e13 for a plain number, "$2.5"
/// -> 2.5 for dollars, "0.08 USD/kWh" -> 2.2e-8. b is a bit and B a byte; k, M, G, T, P, E are powers of 1000, Ki, Mi,
/// .. of 1024. The problem (its place left empty) says what is wrong with the text and which units would do.
Result<double> parse_quantity(std::string_view text, Dimension dimension);

/// Examples for messages: `"400 Gb/s" or "50 GB/s"`; empty for dimensions that no scenario has.
std::string_view unit_examples(Dimension dimension);

/// Name of the SI unit in which bare numbers are taken: "bytes per second", "seconds", "" for plain numbers.
std::string_view unit_words(Dimension dimension);

// For people: a fitting prefix, four significant digits without trailing zeros.
std::string format_seconds(Seconds value);      // "1.25 us", "63.4 s", "2.5 h", "54.2 days"
std::string format_bytes(Bytes value);          // decimal: "80 GB"
std::string format_rate(BytesPerSecond value);  // "50 GB/s"
std::string format_flop(Flop value);            // "2.5 PFLOP"
std::string format_flops(FlopPerSecond value);  // "400 TFLOP/s"
std::string format_watts(Watts value);          // "10.2 kW"
std::string format_joules(Joules value);        // "3.4 kWh" from a kWh on, else J
std::string format_usd(Usd value);              // "$0.0123", "$41.2 k", "$61.6 M"
std::string format_count(double value);         // "405.9 B", "16384"
std::string format_ratio(double value);         // "41.3 %"
/// Value of a dimension that is only known at run time, as the function above of that dimension writes it.
std::string format_quantity(double si, Dimension dimension);

}  // namespace orrery
