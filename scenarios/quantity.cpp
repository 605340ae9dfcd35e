// Units as tables: every unit is a factor and a dimension, every text a number and a quotient of units.
#include "scenarios/quantity.hpp"

#include "scenarios/shown_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace orrery {
namespace {

constexpr Dimension time_dimension{1, 0, 0, 0, 0};
constexpr Dimension frequency_dimension{-1, 0, 0, 0, 0};
constexpr Dimension bytes_dimension{0, 1, 0, 0, 0};
constexpr Dimension rate_dimension{-1, 1, 0, 0, 0};
constexpr Dimension flop_dimension{0, 0, 1, 0, 0};
constexpr Dimension flops_dimension{-1, 0, 1, 0, 0};
constexpr Dimension energy_dimension{0, 0, 0, 1, 0};
constexpr Dimension power_dimension{-1, 0, 0, 1, 0};
constexpr Dimension money_dimension{0, 0, 0, 0, 1};
constexpr Dimension rent_dimension{-1, 0, 0, 0, 1};
constexpr Dimension energy_price_dimension{0, 0, 0, -1, 1};

/// SI base units in one unit, as a quotient of whole numbers: 5 us is 5 / 1e6, and so rounded once, to what 5e-6 is.
struct UnitFactor {
    double above = 1.0;
    double below = 1.0;
};

struct Unit {
    std::string_view name;
    UnitFactor factor;
    Dimension dimension;
    bool prefixes;  // k, M, G, .. may stand before it
};

// BIPM, The International System of Units, 9th edition, 2019, for the factors of minute, hour and day.
constexpr auto units = std::to_array<Unit>({
    {"s", {1.0}, time_dimension, false},
    {"sec", {1.0}, time_dimension, false},
    {"second", {1.0}, time_dimension, false},
    {"seconds", {1.0}, time_dimension, false},
    {"ms", {1.0, 1e3}, time_dimension, false},
    {"us", {1.0, 1e6}, time_dimension, false},
    {"\xC2\xB5s", {1.0, 1e6}, time_dimension, false},  // micro sign
    {"\xCE\xBCs", {1.0, 1e6}, time_dimension, false},  // Greek mu
    {"ns", {1.0, 1e9}, time_dimension, false},
    {"ps", {1.0, 1e12}, time_dimension, false},
    {"min", {60.0}, time_dimension, false},
    {"minute", {60.0}, time_dimension, false},
    {"minutes", {60.0}, time_dimension, false},
    {"h", {3600.0}, time_dimension, false},
    {"hour", {3600.0}, time_dimension, false},
    {"hours", {3600.0}, time_dimension, false},
    {"day", {86400.0}, time_dimension, false},
    {"days", {86400.0}, time_dimension, false},
    {"week", {604800.0}, time_dimension, false},
    {"weeks", {604800.0}, time_dimension, false},
    {"Hz", {1.0}, frequency_dimension, true},
    {"B", {1.0}, bytes_dimension, true},
    {"byte", {1.0}, bytes_dimension, false},
    {"bytes", {1.0}, bytes_dimension, false},
    {"b", {1.0, 8.0}, bytes_dimension, true},
    {"bit", {1.0, 8.0}, bytes_dimension, true},
    {"bits", {1.0, 8.0}, bytes_dimension, true},
    {"Bps", {1.0}, rate_dimension, true},
    {"bps", {1.0, 8.0}, rate_dimension, true},
    {"FLOP", {1.0}, flop_dimension, true},
    {"FLOPs", {1.0}, flop_dimension, true},
    {"OP", {1.0}, flop_dimension, true},
    {"OPs", {1.0}, flop_dimension, true},
    {"FLOPS", {1.0}, flops_dimension, true},
    {"OPS", {1.0}, flops_dimension, true},
    {"J", {1.0}, energy_dimension, true},
    {"Wh", {3600.0}, energy_dimension, true},
    {"W", {1.0}, power_dimension, true},
    {"mW", {1.0, 1e3}, power_dimension, false},
    {"USD", {1.0}, money_dimension, false},
    {"k USD", {1e3}, money_dimension, false},
    {"M USD", {1e6}, money_dimension, false},
    {"B USD", {1e9}, money_dimension, false},
    {"$", {1.0}, money_dimension, false},
    {"$k", {1e3}, money_dimension, false},
    {"$M", {1e6}, money_dimension, false},
    {"$B", {1e9}, money_dimension, false},
});

struct Prefix {
    std::string_view name;
    double factor;
};

// Binary ones first: "Ki" must not be read as "K" and a unit that begins with "i".
constexpr auto prefixes = std::to_array<Prefix>({
    {"Ki", 1024.0},
    {"Mi", 1048576.0},
    {"Gi", 1073741824.0},
    {"Ti", 1099511627776.0},
    {"Pi", 1125899906842624.0},
    {"k", 1e3},
    {"K", 1e3},
    {"M", 1e6},
    {"G", 1e9},
    {"T", 1e12},
    {"P", 1e15},
    {"E", 1e18},
    {"Z", 1e21},
    {"Y", 1e24},
});

struct CountWord {
    std::string_view name;
    UnitFactor factor;
};

constexpr auto count_words = std::to_array<CountWord>({
    {"", {}},
    {"k", {1e3}},
    {"K", {1e3}},
    {"M", {1e6}},
    {"B", {1e9}},
    {"G", {1e9}},
    {"T", {1e12}},
    {"P", {1e15}},
    {"E", {1e18}},
    {"Ki", {1024.0}},
    {"Mi", {1048576.0}},
    {"Gi", {1073741824.0}},
    {"Ti", {1099511627776.0}},
    {"thousand", {1e3}},
    {"million", {1e6}},
    {"billion", {1e9}},
    {"trillion", {1e12}},
    {"%", {1.0, 100.0}},
});

struct DimensionWords {
    Dimension dimension;
    std::string_view words;
    std::string_view examples;
};

constexpr auto dimension_words = std::to_array<DimensionWords>({
    {time_dimension, "seconds", "\"5 us\", \"20 ms\" or \"2 h\""},
    {frequency_dimension, "per second", "\"100 /s\" or \"1.5 GHz\""},
    {bytes_dimension, "bytes", "\"80 GB\" or \"80 GiB\""},
    {rate_dimension, "bytes per second", "\"400 Gb/s\" or \"50 GB/s\""},
    {flop_dimension, "FLOP", "\"2 TFLOP\""},
    {flops_dimension, "FLOP per second", "\"989 TFLOP/s\""},
    {energy_dimension, "joules", "\"50 J\" or \"3 kWh\""},
    {power_dimension, "watts", "\"700 W\" or \"10.2 kW\""},
    {money_dimension, "USD", "\"2.5 USD\" or \"$2.5\""},
    {rent_dimension, "USD per second", "\"2.5 USD/h\""},
    {energy_price_dimension, "USD per joule", "\"0.08 USD/kWh\""},
    {plain_number, "", "\"128\" or \"15 T\""},
});

const DimensionWords* words_for(Dimension dimension) {
    const auto found = std::find_if(dimension_words.begin(), dimension_words.end(),
                                    [&](const DimensionWords& entry) { return entry.dimension == dimension; });
    return found == dimension_words.end() ? nullptr : &*found;
}

std::string_view without_blanks(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::string quoted_text(std::string_view text) { return "\"" + shown_text(text, 40) + "\""; }

std::string write_such_as(Dimension dimension) {
    return "write a unit, such as " + std::string(unit_examples(dimension));
}

struct Scaled {
    UnitFactor factor;
    Dimension dimension;
};

std::optional<Scaled> unit_named(std::string_view name) {
    for (const Unit& unit : units) {
        if (unit.name == name) return Scaled{unit.factor, unit.dimension};
    }
    for (const Prefix& prefix : prefixes) {
        if (name.substr(0, prefix.name.size()) != prefix.name) continue;
        for (const Unit& unit : units) {
            if (unit.prefixes && name.substr(prefix.name.size()) == unit.name) {
                return Scaled{{prefix.factor * unit.factor.above, unit.factor.below}, unit.dimension};
            }
        }
    }
    return std::nullopt;
}

Dimension divided(Dimension a, Dimension b) {
    return {a.seconds - b.seconds, a.bytes - b.bytes, a.flop - b.flop, a.joules - b.joules, a.dollars - b.dollars};
}

/// "GB/s" as a product: unit, or unit / unit, or / unit.
std::optional<Scaled> unit_expression(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return unit_named(text);
    const std::string_view above = without_blanks(text.substr(0, slash));
    const auto below = unit_named(without_blanks(text.substr(slash + 1)));
    const auto numerator = above.empty() ? std::optional(Scaled{{}, plain_number}) : unit_named(above);
    if (!numerator || !below) return std::nullopt;
    return Scaled{{numerator->factor.above * below->factor.below, numerator->factor.below * below->factor.above},
                  divided(numerator->dimension, below->dimension)};
}

/// A factor for `unit` where `dimension` is expected.
Result<UnitFactor> factor_of(std::string_view unit, Dimension dimension, std::string_view text) {
    if (dimension == plain_number) {
        for (const CountWord& word : count_words) {
            if (word.name == unit) return word.factor;
        }
        return Problem{"", "is " + quoted_text(text) + ", and a plain number is expected",
                       "write a number, such as 128, or with k, M, B or T, such as \"15 T\""};
    }
    if (unit.empty()) return Problem{"", "is " + quoted_text(text), write_such_as(dimension)};
    const auto known = unit_expression(unit);
    if (!known) {
        const std::string bits = dimension.bytes != 0 ? " (b is a bit, B a byte)" : "";
        return Problem{"", "has the unit " + quoted_text(unit) + ", which is not known",
                       write_such_as(dimension) + bits};
    }
    if (known->dimension != dimension) {
        const DimensionWords* other = words_for(known->dimension);
        const std::string kind =
            other == nullptr || other->words.empty() ? "something else" : std::string(other->words);
        return Problem{"",
                       "is " + quoted_text(text) + ", which is " + kind + " where " +
                           std::string(unit_words(dimension)) + " are expected",
                       write_such_as(dimension)};
    }
    return known->factor;
}

/// `value` with the prefix that leaves 1 to 999 before the point, none below `lowest`.
std::string with_prefix(double value, std::string_view unit, double lowest) {
    static constexpr auto steps = std::to_array<Prefix>({{"f", 1e-15},
                                                         {"p", 1e-12},
                                                         {"n", 1e-9},
                                                         {"u", 1e-6},
                                                         {"m", 1e-3},
                                                         {"", 1.0},
                                                         {"k", 1e3},
                                                         {"M", 1e6},
                                                         {"G", 1e9},
                                                         {"T", 1e12},
                                                         {"P", 1e15},
                                                         {"E", 1e18},
                                                         {"Z", 1e21}});
    if (value == 0.0 || !std::isfinite(value)) return fmt::format("{:.4g} {}", value, unit);
    std::size_t index = 0;
    // 999.95 rounds to 1000 at four digits: such values take the next prefix.
    while (index + 1 < steps.size() &&
           (std::abs(value) >= 999.95 * steps[index].factor || steps[index].factor < lowest)) {
        ++index;
    }
    return fmt::format("{:.4g} {}{}", value / steps[index].factor, steps[index].name, unit);
}

}  // namespace

Result<double> parse_quantity(std::string_view text, Dimension dimension) {
    std::string_view rest = without_blanks(text);
    const bool dollar_first = dimension.dollars == 1 && !rest.empty() && rest.front() == '$';
    if (dollar_first) rest = without_blanks(rest.substr(1));
    if (!rest.empty() && rest.front() == '+') rest.remove_prefix(1);
    double number = 0.0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error == std::errc::result_out_of_range) {
        return Problem{"", "is " + quoted_text(text) + ", beyond what a number can hold", "check the exponent"};
    }
    if (error != std::errc{} || !std::isfinite(number)) {
        return Problem{"", "is " + quoted_text(text) + ", which does not begin with a number",
                       "write a number and a unit, such as " + std::string(unit_examples(dimension))};
    }
    std::string_view unit = without_blanks(rest.substr(static_cast<std::size_t>(end - rest.data())));
    if (!unit.empty() && (unit.front() == ',' || unit.front() == '_' || unit.front() == '\'')) {
        return Problem{"", "is " + quoted_text(text) + ", with a separator in the number",
                       "write it without, such as 16384"};
    }
    std::string with_dollar;
    if (dollar_first) unit = with_dollar = "$" + std::string(unit);
    const Result<UnitFactor> factor = factor_of(unit, dimension, text);
    if (!factor) return factor.problems();
    const double value = number * factor->above / factor->below;
    if (!std::isfinite(value)) {
        return Problem{"", "is " + quoted_text(text) + ", beyond what a number can hold", "check the exponent"};
    }
    return value;
}

std::string_view unit_examples(Dimension dimension) {
    const DimensionWords* entry = words_for(dimension);
    return entry == nullptr ? std::string_view{} : entry->examples;
}

std::string_view unit_words(Dimension dimension) {
    const DimensionWords* entry = words_for(dimension);
    return entry == nullptr ? std::string_view("SI base units") : entry->words;
}

std::string format_seconds(Seconds value) {
    const double seconds = value.si();
    const double size = std::abs(seconds);
    if (size >= 2 * 86400.0) return fmt::format("{:.4g} days", seconds / 86400.0);
    if (size >= 2 * 3600.0) return fmt::format("{:.4g} h", seconds / 3600.0);
    if (size >= 120.0) return fmt::format("{:.4g} min", seconds / 60.0);
    return size >= 1.0 ? fmt::format("{:.4g} s", seconds) : with_prefix(seconds, "s", 1e-12);
}

std::string format_bytes(Bytes value) { return with_prefix(value.si(), "B", 1.0); }
std::string format_rate(BytesPerSecond value) { return with_prefix(value.si(), "B/s", 1.0); }
std::string format_flop(Flop value) { return with_prefix(value.si(), "FLOP", 1.0); }
std::string format_flops(FlopPerSecond value) { return with_prefix(value.si(), "FLOP/s", 1.0); }
std::string format_watts(Watts value) { return with_prefix(value.si(), "W", 1e-3); }

std::string format_joules(Joules value) {
    constexpr double kwh = 3.6e6;
    if (std::abs(value.si()) >= kwh) return with_prefix(value.si() / 3600.0, "Wh", 1.0);
    return with_prefix(value.si(), "J", 1e-3);
}

std::string format_usd(Usd value) {
    const double dollars = value.si();
    const std::string sign = dollars < 0 ? "-" : "";
    const double size = std::abs(dollars);
    if (size < 9999.5)
        return size >= 99.995 || size == 0.0 ? fmt::format("{}${:.0f}", sign, size)
                                             : fmt::format("{}${:.4g}", sign, size);
    if (size < 999.95e3) return fmt::format("{}${:.4g} k", sign, size / 1e3);
    if (size < 999.95e6) return fmt::format("{}${:.4g} M", sign, size / 1e6);
    return fmt::format("{}${:.4g} B", sign, size / 1e9);
}

std::string format_count(double value) {
    const double size = std::abs(value);
    if (size < 1e6 && value == std::trunc(value)) return fmt::format("{:.0f}", value);
    if (size < 9999.5) return fmt::format("{:.4g}", value);
    if (size < 999.95e3) return fmt::format("{:.0f}", value);
    if (size < 999.95e6) return fmt::format("{:.4g} M", value / 1e6);
    if (size < 999.95e9) return fmt::format("{:.4g} B", value / 1e9);
    return fmt::format("{:.4g} T", value / 1e12);
}

std::string format_ratio(double value) {
    const double percent = value * 100.0;
    return std::abs(percent) < 999.5 ? fmt::format("{:.3g} %", percent) : fmt::format("{:.0f} %", percent);
}

std::string format_quantity(double si, Dimension dimension) {
    if (dimension == time_dimension) return format_seconds(Seconds::from_si(si));
    if (dimension == bytes_dimension) return format_bytes(Bytes::from_si(si));
    if (dimension == rate_dimension) return format_rate(BytesPerSecond::from_si(si));
    if (dimension == flop_dimension) return format_flop(Flop::from_si(si));
    if (dimension == flops_dimension) return format_flops(FlopPerSecond::from_si(si));
    if (dimension == energy_dimension) return format_joules(Joules::from_si(si));
    if (dimension == power_dimension) return format_watts(Watts::from_si(si));
    if (dimension == money_dimension) return format_usd(Usd::from_si(si));
    if (dimension == energy_price_dimension) return fmt::format("{:.4g} USD/kWh", si * 3.6e6);
    if (dimension == plain_number) return format_count(si);
    return fmt::format("{:.4g} {}", si, unit_words(dimension));
}

}  // namespace orrery
