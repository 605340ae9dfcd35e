// Model files with a "family": parameters as published, and what a wrong file is told.
#include "scenarios/catalog.hpp"
#include "scenarios/family_file.hpp"
#include "tests/places.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <set>
#include <string>

using namespace orrery;

namespace {

struct PublishedFamily {
    const char* name;
    double parameters;  // and where they are published
};
const PublishedFamily published_families[] = {
    {"resnet50", 25557032},  // torchvision, resnet50
};

const std::string family_catalog = std::string(orrery::testing::source_directory) + "/models/catalog";

}  // namespace

TEST_CASE("models of layers have the published parameters", "[scenarios][family]") {
    // Method: counts that their authors or libraries print, within 0.5 %.
    for (const PublishedFamily& entry : published_families) {
        INFO(entry.name);
        const auto model = find_trained_model(entry.name);
        REQUIRE(model);
        REQUIRE(model->family);
        CHECK(family_parameters(*model->family) == Approx(entry.parameters).epsilon(0.005));
    }
}

TEST_CASE("every file with a family is tested against a published count", "[scenarios][family]") {
    // Method: the folder against the table above.
    std::set<std::string> known;
    for (const PublishedFamily& entry : published_families) known.insert(entry.name);
    std::set<std::string> found;
    for (const auto& file : std::filesystem::directory_iterator(family_catalog)) {
        if (parse_json_file(file.path().string())->contains("family")) found.insert(file.path().stem().string());
    }
    CHECK(found == known);
}

TEST_CASE("a wrong family and a wrong key are told with what would do", "[scenarios][family]") {
    // Method: the messages.
    const auto wrong = read_family(Json::parse(R"({"family": "resnit"})"), "f:");
    REQUIRE(!wrong);
    CHECK(wrong.problems()[0].place == "f:/family");
    CHECK(wrong.problems()[0].remedy.find("resnet") != std::string::npos);
    const auto key = read_family(Json::parse(R"({"family": "resnet", "blocs": [1], "classes": 0})"), "f:");
    REQUIRE(!key);
    CHECK(key.problems().size() == 2);
    const auto decoder = find_model("resnet50");
    REQUIRE(!decoder);
    CHECK(decoder.problems()[0].problem.find("no decoder transformer") != std::string::npos);
}
