// Whether numbers with units are read as the SI Brochure defines them, and written back as people write them.
#include "scenarios/quantity.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <string>
#include <utility>

namespace orrery {
namespace {

template <class Q>
double si(std::string_view text) {
    const Result<double> value = parse_quantity(text, dimension_of(Q{}));
    INFO(text << (value ? "" : ": " + value.problems().front().problem));
    REQUIRE(value.ok());
    return *value;
}

template <class Q>
Problem refusal(std::string_view text) {
    const Result<double> value = parse_quantity(text, dimension_of(Q{}));
    INFO(text);
    REQUIRE_FALSE(value.ok());
    REQUIRE(value.problems().size() == 1);
    return value.problems().front();
}

Problem count_refusal(std::string_view text) {
    const Result<double> value = parse_quantity(text, plain_number);
    INFO(text);
    REQUIRE_FALSE(value.ok());
    return value.problems().front();
}

}  // namespace

TEST_CASE("bits and bytes, powers of 1000 and of 1024 are told apart", "[scenarios][quantity]") {
    // Method: definitions of the SI Brochure (prefixes) and IEC 80000-13 (bit, byte, binary prefixes).
    CHECK(si<BytesPerSecond>("400 Gb/s") == 50e9);
    CHECK(si<BytesPerSecond>("400Gbps") == 50e9);
    CHECK(si<BytesPerSecond>("400 Gbit/s") == 50e9);
    CHECK(si<BytesPerSecond>("50 GB/s") == 50e9);
    CHECK(si<BytesPerSecond>("50 GBps") == 50e9);
    CHECK(si<BytesPerSecond>("3.35 TB/s") == Approx(3.35e12).epsilon(1e-15));
    CHECK(si<BytesPerSecond>("1 GiB/s") == 1073741824.0);
    CHECK(si<BytesPerSecond>("60 MB/min") == 1e6);
    CHECK(si<Bytes>("80 GB") == 80e9);
    CHECK(si<Bytes>("80 GiB") == 80.0 * 1073741824.0);
    CHECK(si<Bytes>("1 Mb") == 125000.0);
    CHECK(si<Bytes>("4096 B") == 4096.0);
    CHECK(si<Bytes>(" 2 bytes ") == 2.0);
}

TEST_CASE("time, work, power, energy and money have their usual units", "[scenarios][quantity]") {
    // Method: minute, hour and day of the SI Brochure (table 8); one kWh is 3.6e6 J by definition.
    CHECK(si<Seconds>("5 us") == 5e-6);
    CHECK(si<Seconds>("5 \xC2\xB5s") == 5e-6);
    CHECK(si<Seconds>("20ms") == 0.02);
    CHECK(si<Seconds>("1.5 h") == 5400.0);
    CHECK(si<Seconds>("54 days") == 54 * 86400.0);
    CHECK(si<Seconds>("+1e3 s") == 1000.0);
    CHECK(si<PerSecond>("1.5 GHz") == 1.5e9);
    CHECK(si<PerSecond>("120 /min") == 2.0);
    CHECK(si<Flop>("2 TFLOP") == 2e12);
    CHECK(si<FlopPerSecond>("989 TFLOP/s") == 989e12);
    CHECK(si<FlopPerSecond>("989 TFLOPS") == 989e12);
    CHECK(si<FlopPerSecond>("1979 TOPS") == 1979e12);
    CHECK(si<Watts>("10.2 kW") == 10200.0);
    CHECK(si<Watts>("500 mW") == 0.5);
    CHECK(si<Joules>("2 kWh") == 7.2e6);
    CHECK(si<Joules>("50 J") == 50.0);
    CHECK(si<Usd>("2.5 USD") == 2.5);
    CHECK(si<Usd>("$2.5") == 2.5);
    CHECK(si<Usd>("$41.2 k") == 41200.0);
    CHECK(si<UsdPerSecond>("3.6 USD/h") == Approx(1e-3).epsilon(1e-15));
    CHECK(si<UsdPerSecond>("$3.6/h") == Approx(1e-3).epsilon(1e-15));
    CHECK(si<UsdPerJoule>("0.08 USD/kWh") == Approx(0.08 / 3.6e6).epsilon(1e-15));
}

TEST_CASE("counts may end in k, M, B or T", "[scenarios][quantity]") {
    // Method: short scale: a billion is 1e9, a trillion 1e12.
    const auto count_of = [](std::string_view text) { return parse_quantity(text, plain_number).value(); };
    CHECK(count_of("16384") == 16384.0);
    CHECK(count_of("15 T") == 15e12);
    CHECK(count_of("1.5M") == 1.5e6);
    CHECK(count_of("405 B") == 405e9);
    CHECK(count_of("2 k") == 2000.0);
    CHECK(count_of("8 Ki") == 8192.0);
    CHECK(count_of("15 trillion") == 15e12);
    CHECK(count_of("41 %") == Approx(0.41));
}

TEST_CASE("text without a unit is refused with examples of units", "[scenarios][quantity]") {
    // Method: the message of the style guide, word for word.
    const Problem problem = refusal<BytesPerSecond>("400");
    CHECK(problem.problem == "is \"400\"");
    CHECK(problem.remedy == "write a unit, such as \"400 Gb/s\" or \"50 GB/s\"");
}

TEST_CASE("unknown units, other dimensions and text that is no number each have their message",
          "[scenarios][quantity]") {
    // Method: one text for each way to go wrong.
    CHECK(refusal<BytesPerSecond>("400 gb/s").problem == "has the unit \"gb/s\", which is not known");
    CHECK(refusal<BytesPerSecond>("400 gb/s").remedy ==
          "write a unit, such as \"400 Gb/s\" or \"50 GB/s\" (b is a bit, B a byte)");
    CHECK(refusal<Seconds>("3 lightyears").remedy == "write a unit, such as \"5 us\", \"20 ms\" or \"2 h\"");
    CHECK(refusal<Seconds>("400 W").problem == "is \"400 W\", which is watts where seconds are expected");
    CHECK(refusal<Bytes>("3 B/B").problem == "is \"3 B/B\", which is something else where bytes are expected");
    CHECK(refusal<FlopPerSecond>("989 TFLOP").problem ==
          "is \"989 TFLOP\", which is FLOP where FLOP per second are expected");
    CHECK(refusal<Watts>("a lot").problem == "is \"a lot\", which does not begin with a number");
    CHECK(refusal<Watts>("").problem == "is \"\", which does not begin with a number");
    CHECK(refusal<Watts>("nan W").problem == "is \"nan W\", which does not begin with a number");
    CHECK(refusal<Watts>("inf W").problem == "is \"inf W\", which does not begin with a number");
    CHECK(refusal<Watts>("1e999 W").problem == "is \"1e999 W\", beyond what a number can hold");
    CHECK(refusal<Watts>("1e308 GW").problem == "is \"1e308 GW\", beyond what a number can hold");
    CHECK(refusal<Bytes>("16,384 B").problem == "is \"16,384 B\", with a separator in the number");
    CHECK(refusal<Bytes>("16,384 B").remedy == "write it without, such as 16384");
    CHECK(count_refusal("8 GB").problem == "is \"8 GB\", and a plain number is expected");
    CHECK(count_refusal("8 GB").remedy == "write a number, such as 128, or with k, M, B or T, such as \"15 T\"");
}

TEST_CASE("messages quote neither control characters nor whole files", "[scenarios][quantity]") {
    // Method: an escape sequence, and a text of 100,000 characters.
    CHECK(refusal<Watts>("\x1B[2J").problem == "is \"?[2J\", which does not begin with a number");
    CHECK(refusal<Watts>(std::string(100000, 'x')).problem.size() < 120);
}

TEST_CASE("quantities are written with a fitting prefix and four digits", "[scenarios][quantity]") {
    // Method: by hand.
    CHECK(format_seconds(Seconds::from_si(1.25e-6)) == "1.25 us");
    CHECK(format_seconds(Seconds::from_si(63.42)) == "63.42 s");
    CHECK(format_seconds(Seconds::from_si(600)) == "10 min");
    CHECK(format_seconds(Seconds::from_si(9000)) == "2.5 h");
    CHECK(format_seconds(Seconds::from_si(54.2 * 86400)) == "54.2 days");
    CHECK(format_seconds(Seconds::from_si(0)) == "0 s");
    CHECK(format_bytes(Bytes::from_si(80e9)) == "80 GB");
    CHECK(format_bytes(Bytes::from_si(999.96e6)) == "1 GB");
    CHECK(format_bytes(Bytes::from_si(0.5)) == "0.5 B");
    CHECK(format_rate(BytesPerSecond::from_si(50e9)) == "50 GB/s");
    CHECK(format_flop(Flop::from_si(2.5e15)) == "2.5 PFLOP");
    CHECK(format_flops(FlopPerSecond::from_si(400e12)) == "400 TFLOP/s");
    CHECK(format_watts(Watts::from_si(10200)) == "10.2 kW");
    CHECK(format_joules(Joules::from_si(12.24e6)) == "3.4 kWh");
    CHECK(format_joules(Joules::from_si(50)) == "50 J");
    CHECK(format_usd(Usd::from_si(0.01234)) == "$0.01234");
    CHECK(format_usd(Usd::from_si(1234.4)) == "$1234");
    CHECK(format_usd(Usd::from_si(41200)) == "$41.2 k");
    CHECK(format_usd(Usd::from_si(61.6e6)) == "$61.6 M");
    CHECK(format_usd(Usd::from_si(-3)) == "-$3");
    CHECK(format_count(16384) == "16384");
    CHECK(format_count(405.9e9) == "405.9 B");
    CHECK(format_count(0.25) == "0.25");
    CHECK(format_ratio(0.413) == "41.3 %");
    CHECK(format_quantity(0.08 / 3.6e6, dimension_of(UsdPerJoule{})) == "0.08 USD/kWh");
    CHECK(format_quantity(3.0, Dimension{2, 0, 0, 0, 0}) == "3 SI base units");
}

TEST_CASE("what is written can be read again to four digits", "[scenarios][quantity]") {
    // Method: round trip over 24 powers of ten, tolerance half a unit of the fourth digit.
    double value = 1.2345e-9;
    for (int decade = 0; decade < 24; ++decade, value *= 10) {
        CHECK(si<Seconds>(format_seconds(Seconds::from_si(value))) == Approx(value).epsilon(5e-4));
        CHECK(si<Bytes>(format_bytes(Bytes::from_si(value * 1e9))) == Approx(value * 1e9).epsilon(5e-4));
        CHECK(si<FlopPerSecond>(format_flops(FlopPerSecond::from_si(value * 1e9))) ==
              Approx(value * 1e9).epsilon(5e-4));
    }
}

}  // namespace orrery
