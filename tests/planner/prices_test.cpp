// Rents and ownership against published prices and sums by hand.
#include "planner/prices.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

TEST_CASE("a year's payment for a loan is that of annuity tables", "[planner][prices]") {
    // Method: the factor of 6 % over ten years, 0.13587, that every table of capital recovery prints; and equal parts
    // without interest.
    OwnHardware own;
    own.operation = {};
    own.life = calendar_year * 10.0;
    own.interest = 0.06;
    const BoughtMachine machine{1, 8, 100000.0_USD, {}};
    CHECK(ownership_bill(own, machine).capital_year.si() == Approx(13586.8).epsilon(1e-5));
    own.interest = 0.0;
    CHECK(ownership_bill(own, machine).capital_year.si() == Approx(10000.0));
    own.residual = 0.3;
    CHECK(ownership_bill(own, machine).capital_year.si() == Approx(7000.0));
    own.interest = 0.06;   // what is left at the end costs its interest alone
    CHECK(ownership_bill(own, machine).capital_year.si() == Approx(0.7 * 13586.8 + 0.3 * 6000.0).epsilon(1e-5));
}

TEST_CASE("an owned device hour holds purchases, operation, staff and repairs over the hours in use", "[planner][prices]") {
    // Method: five nodes at 300,000, network 90,000, storage 50,000, two racks at 5,000, cooling 40,000; 50,000 of
    // operation a node in five years, one person at 200,000, 2 % of repairs, 8,766 hours a year of which 80 % are used.
    OwnHardware own;
    own.storage_price = 50000.0_USD;
    own.rack_price = 5000.0_USD;
    own.cooling_price = 40000.0_USD;
    own.staff = 1.0;
    own.repair_share = 0.02;
    own.used = 0.8;
    const BoughtMachine machine{5, 40, 300000.0_USD, 90000.0_USD};
    const OwnershipBill bill = ownership_bill(own, machine);
    CHECK(bill.purchase().si() == Approx(1'690'000.0));
    CHECK(bill.capital_year.si() == Approx(338'000.0));
    CHECK(bill.operation_year.si() == Approx(50'000.0 + 200'000.0 + 33'800.0));
    CHECK(owned_hour(own, machine).si() == Approx(621'800.0 / (8766.0 * 0.8 * 40.0)));
}

TEST_CASE("rents follow the tenure", "[planner][prices]") {
    // Method: Amazon's p5.48xlarge at 98.32 USD an hour for eight H100, 44 % less from June 2025: 55.04, or 6.88 a device.
    Prices prices;
    prices.device_hour = Usd::from_si(98.32 / 8.0);
    CHECK(rent_hour(prices, Tenure::on_demand).si() == Approx(12.29));
    prices.cloud.reserved_discount = 0.44;
    CHECK(rent_hour(prices, Tenure::reserved).si() == Approx(6.88).epsilon(1e-3));
    prices.cloud.spot_discount = 0.6;
    CHECK(rent_hour(prices, Tenure::spot).si() == Approx(4.916));
    prices.cloud.device_share = 0.5;   // the same again for storage and traffic
    CHECK(rent_hour(prices, Tenure::on_demand).si() == Approx(24.58));
    const BoughtMachine machine{1, 8, 310000.0_USD, {}};
    prices.tenure = Tenure::owned;
    CHECK(device_hour_of(prices, machine) == owned_hour(prices.own, machine));
    CHECK(energy_paid(prices) == prices.energy_price);
    prices.tenure = Tenure::spot;
    CHECK(energy_paid(prices).si() == 0.0);
}

TEST_CASE("buying pays from the month in which it has cost less than renting", "[planner][prices]") {
    // Method: both bills added up hour by hour.
    Prices prices;
    prices.own.used = 0.7;
    const BoughtMachine machine{2, 16, 310000.0_USD, 60000.0_USD};
    const Watts power = 18000.0_W;
    const auto found = break_even(prices, machine, 3.0_USD, power);
    REQUIRE(found.has_value());
    double owned = 680000.0;
    double rented = 0.0;
    int hours = 0;
    while (owned > rented) {
        owned += 2 * 50000.0 / (5 * 8766.0) + 18.0 * 0.7 * 0.08;
        rented += 3.0 * 16 * 0.7;
        ++hours;
    }
    CHECK(*found / 1.0_hours == Approx(hours).margin(1.0));
    CHECK_FALSE(break_even(prices, machine, 0.1_USD, power).has_value());   // below operation and electricity
}
