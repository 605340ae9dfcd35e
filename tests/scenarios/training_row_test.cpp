// What a prediction of a published run may look at, and what it may not.
#include "scenarios/catalog.hpp"
#include "scenarios/training_row.hpp"
#include "scenarios/validate.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

TEST_CASE("a prediction reads neither the row's name nor its source nor its model's name", "[validate]") {
    // Method: the same rows under other names, and with other measured values, predict the same step to the last bit.
    const auto rows = read_json_lines(data_directory() + "/scenarios/published-trainings.jsonl");
    REQUIRE(rows);
    REQUIRE_FALSE(rows->empty());
    CatalogCache catalog;
    for (const Json& row : *rows) {
        Json renamed = row;
        for (const char* key : {"id", "source_id", "source", "table", "model", "platform"}) renamed[key] = "another";
        renamed["step_time_s"] = 123.0;
        renamed.erase("mfu");
        renamed.erase("hfu");
        const auto original = prepare_training(row, catalog);
        const auto other = prepare_training(renamed, catalog);
        REQUIRE(original);
        REQUIRE(other);
        const auto first = predict_step(*original);
        const auto second = predict_step(*other);
        REQUIRE(first);
        REQUIRE(second);
        CHECK(*first == *second);
    }
}

TEST_CASE("a row's offloaded layers are read, and other offload is not guessed at", "[validate]") {
    // Method: a published row with each text; where activations leave for the host, the step is no shorter.
    const auto rows = read_json_lines(data_directory() + "/scenarios/published.jsonl");
    REQUIRE(rows);
    CatalogCache catalog;
    Json row = rows->front();
    const auto plain = prepare_training(row, catalog);
    REQUIRE(plain);
    row["offload"] = "activation offload 1 layers";
    const auto away = prepare_training(row, catalog);
    REQUIRE(away);
    CHECK(away->variants.front().spec.offload.activation_layers == 1);
    if (away->cluster.node.host_memory > Bytes{}) CHECK(*predict_step(*away) >= *predict_step(*plain) * (1.0 - 1e-9));
    row["offload"] = "cpu offload";
    const auto unclear = prepare_training(row, catalog);
    REQUIRE_FALSE(unclear);
    CHECK(unclear.problems().front().problem == "offload of unstated parts");
}

TEST_CASE("nine of ten published trainings lie inside the interval that their prediction states", "[validate]") {
    // Method: 229 published runs, every third that can be predicted; the interval's promise is 90 %, and 85 to 95 % may
    // lie inside, for dense models and for mixtures whose recipe is stated.
    const auto report = validate_tables({data_directory() + "/scenarios/published-trainings.jsonl"});
    REQUIRE(report.ok());
    CHECK(report->predicted == report->rows);
    std::vector<Comparison> stated;
    for (const Comparison& one : report->results) {
        if (one.note.empty()) stated.push_back(one);
    }
    const auto share = [](const std::vector<Comparison>& rows) {
        const Coverage covered = coverage(rows);
        REQUIRE(covered.stated == rows.size());
        return static_cast<double>(covered.inside) / static_cast<double>(covered.stated);
    };
    CHECK(share(report->results) > 0.85);
    CHECK(share(report->results) < 0.95);
    CHECK(share(stated) > 0.85);
    CHECK(share(stated) < 0.95);
}

TEST_CASE("published trainings are predicted as well as the README says", "[validate]") {
    // Method: the committed third of the published runs; bounds a little above the figures of the whole table.
    const auto report = validate_tables({data_directory() + "/scenarios/published-trainings.jsonl"});
    REQUIRE(report.ok());
    const ErrorStatistics all = error_statistics(report->results);
    CHECK(all.mape < 0.068);
    CHECK(all.median_ape < 0.047);
    CHECK(all.p90_ape < 0.165);
    CHECK(std::abs(all.bias) < 0.02);
}
