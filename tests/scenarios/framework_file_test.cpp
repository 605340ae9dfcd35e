// Framework profiles: what they take from each other, what a scenario changes, and what the schema says of it.
#include "scenarios/framework_file.hpp"

#include "scenarios/catalog.hpp"
#include "scenarios/explain.hpp"
#include "scenarios/scenario.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

using namespace orrery;

namespace {

/// The scenario of a small training whose workload.framework is `framework`, as JSON text.
Result<Scenario> scenario_with(const std::string& framework, const std::vector<Setting>& settings = {}) {
    const std::filesystem::path file = std::filesystem::temp_directory_path() / ("orrery_framework_scenario_" + std::to_string(getpid()) + ".json");   // tests run side by side
    std::ofstream(file) << R"({ "name": "t", "cluster": { "node": "dgx-h100", "nodes": 1 },
        "workload": { "kind": "training", "model": "llama2-7b", "sequence": 2048, "global_batch": 8, "framework": )"
                        << framework << "} }";
    auto scenario = read_scenario(file.string(), settings);
    std::filesystem::remove(file);
    return scenario;
}

bool mentions(const Problems& problems, const std::string& place, const std::string& word) {
    for (const Problem& one : problems) {
        const bool is_here = one.place.find(place) != std::string::npos;
        if (is_here && (one.problem + one.remedy).find(word) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a profile takes what it does not say from the one that it extends", "[scenarios][framework]") {
    // Method: Horovod's profile against the one of DistributedDataParallel below it, and its own documented defaults.
    const auto horovod = find_framework("horovod");
    const auto ddp = find_framework("pytorch-ddp");
    REQUIRE(horovod.ok());
    REQUIRE(ddp.ok());
    CHECK(horovod->gradient_bytes == ddp->gradient_bytes);
    CHECK(horovod->reduces_by_all_reduce);
    CHECK(horovod->gradient_bucket_parameters == 128.0 * 1024 * 1024 / 4);
    CHECK(horovod->reduction_cycle.si() == 1e-3);
    CHECK(horovod->compared_with.empty());
}

TEST_CASE("an alias is its base in all that counts", "[scenarios][framework]") {
    // Method: every field but name and title equal.
    for (const auto& [alias, base] : {std::pair{"megatron-lm", "megatron-core"}, std::pair{"nemo", "megatron-core"},
                                      std::pair{"maxtext", "jax-xla"}, std::pair{"megatron-deepspeed", "megatron-2021"}}) {
        auto one = find_framework(alias);
        const auto other = find_framework(base);
        REQUIRE(one.ok());
        REQUIRE(other.ok());
        CHECK(one->name == alias);
        FrameworkProfile same = *one;
        same.name = other->name;
        same.title = other->title;
        CHECK(same == *other);
        CHECK(!one->compared_with.empty());
    }
}

TEST_CASE("the page of a profile says which figures come from another", "[scenarios][framework]") {
    // Method: the sources of an inherited and an own figure; the line says on what it was fitted.
    const auto page = show_catalog("megatron-2022");
    REQUIRE(page.ok());
    CHECK(page->line.find("fitted on 4 published runs") != std::string::npos);
    for (const CatalogFigure& figure : page->figures) {
        if (figure.key == "host_forward") CHECK(figure.source.rfind("as megatron-2021: ", 0) == 0);
        if (figure.key == "gradient_bytes") CHECK(figure.source.rfind("as ", 0) != 0);
    }
}

TEST_CASE("a scenario changes single settings of a profile", "[scenarios][framework]") {
    // Method: the changed value, one that stays, and the title that tells.
    const auto scenario = scenario_with(R"({ "name": "megatron-core", "host_forward": "300 us" })");
    REQUIRE(scenario.ok());
    CHECK(scenario->workload.framework == "megatron-core");
    const auto resolved = resolve(*scenario);
    REQUIRE(resolved.ok());
    const FrameworkProfile& used = resolved->run.framework;
    CHECK(used.host_forward.si() == Approx(300e-6));
    CHECK(used.host_backward == find_framework("megatron-core")->host_backward);
    CHECK(used.compared_with.empty());
    CHECK(used.title.find("host_forward as the scenario says, the rest as fitted") != std::string::npos);
    const auto named = scenario_with(R"("megatron-core")", {{"workload.framework.fragmentation", "0.1"}});
    REQUIRE(named.ok());
    CHECK(resolve(*named)->run.framework.fragmentation == 0.1);
    CHECK(resolve(*named)->run.framework.name == "megatron-core");
    const auto nameless = scenario_with(R"({ "fragmentation": 0.2 })");
    REQUIRE(nameless.ok());
    CHECK(resolve(*nameless)->run.framework.fragmentation == 0.2);
}

TEST_CASE("mistakes in changed settings are told at their place", "[scenarios][framework]") {
    // Method: an unknown name, an unknown key and a value out of range.
    CHECK(mentions(scenario_with(R"({ "name": "megatron-cor" })").problems(), "/workload/framework", "megatron-core"));
    CHECK(mentions(scenario_with(R"({ "host_foward": "1 us" })").problems(), "/workload/framework/host_foward",
                   "host_forward"));
    CHECK(mentions(scenario_with(R"({ "fragmentation": 2 })").problems(), "/workload/framework/fragmentation", "range"));
    CHECK(mentions(scenario_with("7").problems(), "/workload/framework", "text"));
}

TEST_CASE("schema and explanations know the settings of a profile", "[scenarios][framework]") {
    // Method: what the schema's text and the explanation of one setting hold.
    CHECK(scenario_schema().find("\"gradient_overlap\"") != std::string::npos);
    const auto one = explain("workload.framework.host_forward");
    REQUIRE(one.ok());
    CHECK(one->find("Host time per layer and forward pass") != std::string::npos);
    const auto whole = explain("workload.framework");
    REQUIRE(whole.ok());
    CHECK(whole->find("text, or an object of the keys below") != std::string::npos);
}
