// The catalogue holds what it promises: sources for all numbers, figures as published, look-ups that help.
#include "hardware/device.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "network/collective_parameters.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/catalog_files.hpp"
#include "scenarios/json.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <unistd.h>

using namespace orrery;

namespace {

namespace fs = std::filesystem;

/// Keys of catalogue files that hold words, not figures.
const std::set<std::string> word_keys{"title", "kind",   "device",           "scale_up", "nic_kind", "provider", "sku",
                                      "note",  "source", "collectives_like", "kernels_like", "date",     "notes",    "range",
                                      "extends", "compared_with"};

/// Adds the place of every number, or text that could be one, that has no source and date.
void find_sourceless(const Json& json, const std::string& place, std::vector<std::string>& found) {
    if (json.is_object() && json.contains("value")) {
        const bool sourced = !text_member(json, "source").empty() && !text_member(json, "date").empty();
        if (!sourced) found.push_back(place);
        if (const auto others = json.find("alternatives"); others != json.end()) {
            find_sourceless(*others, pointer_to(place, "alternatives"), found);
        }
        return;
    }
    if (json.is_array()) {
        for (std::size_t i = 0; i < json.size(); ++i) find_sourceless(json[i], pointer_to(place, i), found);
        return;
    }
    if (!json.is_object()) {
        found.push_back(place);
        return;
    }
    for (const auto& [key, value] : json.items()) {
        const bool is_words = word_keys.contains(key) && !value.is_number() && !value.is_object();
        if (!is_words) find_sourceless(value, pointer_to(place, key), found);
    }
}

/// A data directory of its own for one test, removed at its end.
class OwnCatalog {
  public:
    OwnCatalog() : home_(fs::temp_directory_path() / ("orrery-catalog-test-" + std::to_string(::getpid()))) {
        fs::create_directories(home_ / "hardware/catalog/devices");
        ::setenv("ORRERY_HOME", home_.c_str(), 1);
    }
    OwnCatalog(const OwnCatalog&) = delete;
    OwnCatalog& operator=(const OwnCatalog&) = delete;
    ~OwnCatalog() {
        ::unsetenv("ORRERY_HOME");
        std::error_code ignored;
        fs::remove_all(home_, ignored);
    }
    void add_device(const std::string& name, const std::string& text) const {
        std::ofstream(home_ / "hardware/catalog/devices" / (name + ".json")) << text;
    }

  private:
    fs::path home_;
};

double teraflops(const Device& device, DataType type) { return device.matrix_peak[type] / 1.0_TFLOPps; }

}  // namespace

TEST_CASE("every number of the catalogue has a source and a date", "[catalog]") {
    // Method: walks the files of devices, nodes, links, prices and frameworks as JSON, whatever their keys.
    std::size_t files = 0;
    for (const char* folder : {"hardware/catalog/devices", "hardware/catalog/nodes", "hardware/catalog/links",
                               "hardware/catalog/prices", "models/frameworks"}) {
        for (const std::string& name : names_in(folder)) {
            const auto json = parse_json_file(existing_file(folder, name));
            INFO(folder << "/" << name);
            REQUIRE(json);
            std::vector<std::string> sourceless;
            find_sourceless(*json, "", sourceless);
            CHECK(sourceless == std::vector<std::string>{});
            ++files;
        }
    }
    CHECK(files >= 200);
}

TEST_CASE("names are unique over all kinds, lower case and hyphenated", "[catalog]") {
    // Method: the names of all files; `orrery show NAME` has no other way to tell kinds apart.
    std::set<std::string> seen;
    for (const CatalogKind& kind : catalog_kinds()) {
        for (const std::string& name : names_in(kind.folder)) {
            INFO(kind.name << " " << name);
            CHECK(seen.insert(name).second);
            CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") == std::string::npos);
        }
    }
}

TEST_CASE("at least 60 devices simulate, and every other one says why it cannot", "[catalog]") {
    // Method: one product on each, in bf16 or else int8; no time may beat flop over peak or bytes over bandwidth.
    int simulated = 0;
    const auto pages = list_catalog("devices");
    REQUIRE(pages);
    for (const CatalogPage& page : *pages) {
        INFO(page.name << ": " << page.line);
        const auto device = find_device(page.name);
        if (device) {
            ++simulated;
            const DataType type = device->peak(DataType::bf16).si() > 0.0 ? DataType::bf16 : DataType::int8;
            const Work product = MatrixMultiply{.m = 1024, .n = 1024, .k = 1024, .type = type};
            CHECK(execution_time(*device, product) >= physical_floor(*device, product));
            CHECK(is_finite(execution_time(*device, product)));
        } else {
            CHECK(page.line.find("not simulated: ") != std::string::npos);
            REQUIRE(device.problems().size() == 1);
            CHECK(device.problems().front().problem.find("cannot be simulated") != std::string::npos);
        }
    }
    CHECK(simulated >= 60);
}

TEST_CASE("devices have the figures of their datasheets", "[catalog]") {
    // Method: public datasheets: NVIDIA V100, A100, H100, L40S; Google Cloud TPU v5p; AMD MI300X.
    const auto h100 = find_device("h100-sxm");
    REQUIRE(h100);
    CHECK(teraflops(*h100, DataType::bf16) == Approx(989.4));
    CHECK(teraflops(*h100, DataType::fp8) == Approx(1978.9));
    CHECK(h100->memory_bandwidth / 1.0_GBps == Approx(3350.0));
    CHECK(h100->memory_capacity / 1.0_GB == Approx(80.0));
    CHECK(h100->scale_up_bandwidth / 1.0_GBps == Approx(450.0));
    CHECK(h100->power_limit / 1.0_W == Approx(700.0));
    CHECK(h100->cores == 132);
    CHECK(h100->scale_up_domain == 8);
    CHECK(h100->kind == DeviceKind::gpu);

    const auto a100 = find_device("a100-sxm-80");
    REQUIRE(a100);
    CHECK(teraflops(*a100, DataType::fp16) == Approx(312.0));
    CHECK(a100->memory_bandwidth / 1.0_GBps == Approx(2039.0));
    CHECK(a100->cores == 108);
    CHECK(teraflops(*find_device("v100-sxm-32"), DataType::fp16) == Approx(125.0));
    CHECK(find_device("l40s")->cores == 18176 / 128);
    CHECK(teraflops(*find_device("mi300x"), DataType::bf16) == Approx(1307.0));

    const auto v5p = find_device("tpu-v5p");
    REQUIRE(v5p);
    CHECK(teraflops(*v5p, DataType::bf16) == Approx(459.0));
    CHECK(v5p->scale_up_bandwidth / 1.0_GBps == Approx(1200.0 / 2));  // printed for both directions together
}

TEST_CASE("processor peaks are cores times clock times operations per cycle", "[catalog]") {
    // Method: the product worked out here; Zen 4 does 32 fp32 flop a cycle, Sapphire Rapids' AMX 1024 bf16 flop.
    CHECK(teraflops(*find_device("epyc-9654"), DataType::fp32) == Approx(96 * 3.55e9 * 32 / 1e12));
    CHECK(find_device("epyc-9654")->memory_bandwidth / 1.0_GBps == Approx(12 * 4800e6 * 8 / 1e9));
    CHECK(teraflops(*find_device("xeon-8480"), DataType::bf16) == Approx(56 * 2.0e9 * 1024 / 1e12));
}

TEST_CASE("narrower floating types are never slower on a device", "[catalog]") {
    // Method: order of dense peaks among the types that a device has; a transposed figure would break it.
    for (const std::string& name : names_in(find_catalog_kind("device")->folder)) {
        const auto device = read_device_entry(name);
        REQUIRE(device);
        FlopPerSecond before{};
        for (const DataType type : {DataType::fp64, DataType::fp32, DataType::tf32, DataType::bf16, DataType::fp8,
                                    DataType::fp4}) {
            const FlopPerSecond peak = device->matrix_peak[type];
            if (peak.si() == 0.0) continue;
            INFO(name << " " << name_of(type));
            CHECK(peak >= before);
            before = peak;
        }
    }
}

TEST_CASE("nodes are made of devices that exist and that their power supplies can feed", "[catalog]") {
    // Method: rated power of the node against the limits of its devices; both come from different documents.
    for (const std::string& name : names_in(find_catalog_kind("node")->folder)) {
        INFO(name);
        const auto node = find_node(name);
        REQUIRE(node);
        const auto device = find_device(node->device);
        REQUIRE(device);
        CHECK(node->scale_up_domain >= 1);
        if (node->power_max.si() > 0.0) CHECK(node->power_max >= device->power_limit * node->devices);
        if (node->scale_up != ScaleUp::pcie && node->scale_up_domain > 1) CHECK(device->scale_up_bandwidth.si() > 0.0);
    }
}

TEST_CASE("nodes have the ports of their published descriptions", "[catalog]") {
    // Method: user guides of DGX A100, DGX H100 and DGX B200; AWS p5 has 32 ports of 100 Gb/s, 3,200 Gb/s together.
    const auto node_rate = [](const char* name) {
        const auto node = find_node(name);
        REQUIRE(node);
        return node->nic_bandwidth * node->nics / 1.0_Gbps;
    };
    CHECK(node_rate("dgx-a100") == Approx(1600.0));
    CHECK(node_rate("dgx-h100") == Approx(3200.0));
    CHECK(node_rate("aws-p5") == Approx(3200.0));
    CHECK(node_rate("aws-p4d") == Approx(400.0));
    CHECK(find_node("dgx-b200")->power_max / 1.0_W == Approx(14300.0));
    CHECK(find_node("gb200-nvl72")->devices == 72);
    CHECK(find_node("gb200-tray")->scale_up_domain == 72);
    CHECK(find_node("dgx-1-v100")->scale_up == ScaleUp::cube_mesh);
}

TEST_CASE("links carry their nominal rate, and hops are slower the longer the stack", "[catalog]") {
    // Method: names say the rate in Gb/s; published floors put InfiniBand below RoCE below EFA.
    CHECK(find_link("ndr400")->bandwidth / 1.0_Gbps == Approx(400.0));
    CHECK(find_link("hdr200")->bandwidth / 1.0_Gbps == Approx(200.0));
    CHECK(find_link("roce-800")->bandwidth / 1.0_Gbps == Approx(800.0));
    CHECK(find_link("ndr400")->latency < find_link("roce-400")->latency);
    CHECK(find_link("roce-400")->latency < find_link("efa-v4")->latency);
    for (const std::string& name : names_in(find_catalog_kind("link")->folder)) {
        INFO(name);
        const auto link = find_link(name);
        REQUIRE(link);
        CHECK(link->latency.si() > 0.0);
    }
}

TEST_CASE("the rent of a device is the median of its on-demand offers", "[catalog]") {
    // Method: medians by hand: L4 of 0.75 and 0.95; B200 of 6.69, 6.89 and 6.99; A100 40 GB has a reserved price only.
    CHECK(device_hour_price("l4") / 1.0_USD == Approx(0.85));
    CHECK(device_hour_price("b200-sxm") / 1.0_USD == Approx(6.89));
    CHECK(device_hour_price("a100-sxm-40") / 1.0_USD == Approx(1.844));
    CHECK(device_hour_price("no-such-device") == Usd{});
    const auto page = show_catalog("h100-sxm");
    REQUIRE(page);
    const auto rent = std::find_if(page->figures.begin(), page->figures.end(),
                                   [](const CatalogFigure& figure) { return figure.key == "rent"; });
    REQUIRE(rent != page->figures.end());
    CHECK(rent->alternatives.size() >= 10);
}

TEST_CASE("a device page shows each figure with its source and what other sources say", "[catalog]") {
    // Method: B200, where two of the sources disagree on the memory bandwidth (8,000 and 7,700 GB/s).
    const auto page = show_catalog("b200-sxm");
    REQUIRE(page);
    CHECK(page->kind == "device");
    const auto bandwidth = std::find_if(page->figures.begin(), page->figures.end(), [](const CatalogFigure& figure) {
        return figure.key == "memory_bandwidth";
    });
    REQUIRE(bandwidth != page->figures.end());
    CHECK(bandwidth->value == "8000 GB/s");
    CHECK(!bandwidth->source.empty());
    REQUIRE(bandwidth->alternatives.size() == 1);
    CHECK(bandwidth->alternatives.front().find("7700 GB/s") == 0);
}

TEST_CASE("a model page shows the published configuration with its origin and the parameters counted from it",
          "[catalog]") {
    // Method: Falcon 7B, whose checkpoint holds 6,921,720,704 parameters (huggingface.co/tiiuae/falcon-7b).
    const auto page = show_catalog("falcon-7b");
    REQUIRE(page);
    CHECK(page->line.find("6.922 B parameters") == 0);
    const auto layers = std::find_if(page->figures.begin(), page->figures.end(), [](const CatalogFigure& figure) {
        return figure.key == "num_hidden_layers";
    });
    REQUIRE(layers != page->figures.end());
    CHECK(layers->value == "32");
    CHECK(layers->source.find("huggingface.co") != std::string::npos);
}

TEST_CASE("a model is found by name, by its file and by the folder of a checkpoint", "[catalog]") {
    // Method: the same file through all three doors; a checkpoint keeps it as config.json.
    const std::string file = existing_file("models/catalog", "falcon-7b");
    const fs::path checkpoint = fs::temp_directory_path() / ("orrery-checkpoint-" + std::to_string(::getpid()));
    fs::create_directories(checkpoint);
    fs::copy_file(file, checkpoint / "config.json", fs::copy_options::overwrite_existing);
    const auto by_name = find_model("falcon-7b");
    const auto by_file = find_model(file);
    const auto by_folder = find_model(checkpoint.string());
    fs::remove_all(checkpoint);
    REQUIRE(by_name);
    REQUIRE(by_file);
    REQUIRE(by_folder);
    CHECK(by_name->name == "falcon-7b");
    CHECK(*by_file == *by_name);
    CHECK(by_folder->name == checkpoint.filename().string());
    CHECK(by_folder->layers == by_name->layers);
    CHECK(!find_model("no/such/config.json"));
}

TEST_CASE("a name that does not exist brings the nearest ones and the command that lists them", "[catalog]") {
    // Method: mistyped names whose meant name is obvious to a reader.
    const auto remedy_of = [](const auto& result) {
        REQUIRE(!result);
        REQUIRE(result.problems().size() == 1);
        return result.problems().front().remedy;
    };
    CHECK(remedy_of(find_node("dgx-h10")).find("\"dgx-h100\"") != std::string::npos);
    CHECK(remedy_of(find_node("dgx-h10")).find("`orrery list nodes`") != std::string::npos);
    CHECK(remedy_of(find_device("h100")).find("\"h100-sxm\"") != std::string::npos);
    CHECK(remedy_of(find_device("H100_SXM")).find("\"h100-sxm\"") != std::string::npos);
    CHECK(remedy_of(find_link("ndr40")).find("\"ndr400\"") != std::string::npos);
    CHECK(remedy_of(find_framework("megatron-cor")).find("\"megatron-core\"") != std::string::npos);
    CHECK(remedy_of(show_catalog("dgx-h10")).find("\"dgx-h100\"") != std::string::npos);
    CHECK(remedy_of(show_catalog("dgx-h10")).find("`orrery list nodes`") != std::string::npos);
    CHECK(remedy_of(list_catalog("gadgets")).find("devices, nodes, links, models, frameworks") != std::string::npos);
    CHECK(find_node("dgx-h10").problems().front().problem == "is \"dgx-h10\", which is no node of the catalogue");
}

TEST_CASE("a name cannot lead out of the catalogue's folder", "[catalog]") {
    // Method: paths that exist relative to the folder of devices.
    CHECK(!find_device("../nodes/dgx-h100"));
    CHECK(!find_device(""));
    CHECK(!find_node(".."));
    CHECK(!show_catalog("../devices/h100-sxm"));
}

TEST_CASE("mistakes in a catalogue file are told with file, key and remedy, all at once", "[catalog]") {
    // Method: a catalogue of its own with one wrong file.
    const OwnCatalog own;
    own.add_device("wrong", R"({"title": "Wrong", "kind": "gqu",
        "matrix_peak": {"bf61": {"value": "1 TFLOP/s"}}, "memory_bandwidth": {"value": "400 GB"}, "colour": "red"})");
    const auto device = find_device("wrong");
    REQUIRE(!device);
    const Problems& problems = device.problems();
    REQUIRE(problems.size() == 4);
    const auto told = [&](const std::string& place, const std::string& remedy) {
        return std::any_of(problems.begin(), problems.end(), [&](const Problem& one) {
            return one.place == "hardware/catalog/devices/wrong.json:" + place &&
                   one.remedy.find(remedy) != std::string::npos;
        });
    };
    CHECK(told("/kind", "gpu"));
    CHECK(told("/matrix_peak/bf61", "bf16"));
    CHECK(told("/memory_bandwidth", "GB/s"));
    CHECK(told("/colour", ""));
}

TEST_CASE("a device without a figure that simulation needs is refused with what it lacks", "[catalog]") {
    // Method: a catalogue of its own, each entry without one of the two.
    const OwnCatalog own;
    own.add_device("no-memory", R"({"title": "A", "kind": "npu", "matrix_peak": {"int8": "4 TOP/s"}})");
    own.add_device("no-peak", R"({"title": "B", "kind": "npu", "memory_bandwidth": "100 GB/s"})");
    const auto problem_of = [](const char* name) { return find_device(name).problems().front().problem; };
    CHECK(problem_of("no-memory").find("no memory bandwidth") != std::string::npos);
    CHECK(problem_of("no-peak").find("no compute peak") != std::string::npos);
    CHECK(read_device_entry("no-peak"));
    CHECK(list_catalog("devices")->at(0).line == "A: not simulated: no memory bandwidth");
    CHECK(!find_device("h100-sxm"));  // the catalogue in use is this one alone
}

TEST_CASE("every calibration in the repository belongs to a device that gets it", "[catalog]") {
    // Method: a device's calibration is the file of its own name; a device without one stays without.
    for (const std::string& name : names_in("hardware/calibration")) {
        INFO(name);
        const auto device = find_device(name);
        REQUIRE(device);
        CHECK(!(*device->calibration == Calibration{}));
    }
    CHECK(*find_device("mi300x")->calibration == Calibration{});
    CHECK(show_catalog("mi300x")->line.find("; datasheet only") != std::string::npos);
    CHECK(show_catalog("h100-sxm")->line.find("; kernels measured") != std::string::npos);
    CHECK(show_catalog("tpu-v5p")->line.find("; fitted to published trainings") != std::string::npos);
}

TEST_CASE("a device takes its own collectives, else those of what it is like, else those of an unknown generation",
          "[catalog]") {
    // Method: H800 is an H100 with fewer links; all TPUs share one file; no collectives of Graviton were measured.
    const auto name_of_parameters = [](const char* name) -> std::string {
        const auto device = find_device(name);
        if (!device) return "no device";
        const auto parameters = find_collective_parameters(*device);
        return parameters ? (*parameters)->name : parameters.problems().front().problem;
    };
    CHECK(name_of_parameters("h800-sxm") == name_of_parameters("h100-sxm"));
    CHECK(name_of_parameters("h100-sxm") != CollectiveParameters{}.name);
    CHECK(name_of_parameters("tpu-v5p") == name_of_parameters("tpu-v4"));
    CHECK(name_of_parameters("tpu-v5p") == "tpu");
    CHECK(name_of_parameters("graviton4") == CollectiveParameters{}.name);
}

TEST_CASE("a device whose kernels were measured on a sibling prices them by its own datasheet", "[catalog]") {
    // Method: GB300 has GB200's cores and 1.5 times its fp4 peak (15 against 10 PFLOP/s, vendor figures), so a product that
    // only the matrix units limit takes 1 / 1.5 of GB200's time; bf16 peaks are equal, and so are the times.
    const auto gb200 = find_device("gb200");
    const auto gb300 = find_device("gb300");
    REQUIRE(gb200);
    REQUIRE(gb300);
    const auto ratio = [&](DataType type) {
        const MatrixMultiply product{16384, 16384, 16384, 1, type, 2.0};
        return execution_time(*gb200, product) / execution_time(*gb300, product);
    };
    CHECK(ratio(DataType::fp4) == Approx(1.5).epsilon(0.1));
    CHECK(ratio(DataType::bf16) == Approx(1.0).epsilon(0.01));
}

TEST_CASE("what a device's collectives are like has a file of its own", "[catalog]") {
    // Method: every name under collectives_like against the files of fitted parameters.
    for (const std::string& name : names_in(find_catalog_kind("device")->folder)) {
        const auto json = parse_json_file(existing_file(find_catalog_kind("device")->folder, name));
        REQUIRE(json);
        const std::string like = text_member(*json, "collectives_like");
        INFO(name << " like " << like);
        CHECK((like.empty() || !existing_file("network/calibration", like).empty()));
    }
}

TEST_CASE("each name that a driver gives a GPU leads to a device of the catalogue that can be measured against", "[catalog][cuda]") {
    // Method: every line of the table looked up in the catalogue.
    for (const GpuName& name : gpu_names()) {
        INFO(name.driver << " is " << name.device);
        const Result<Device> device = find_device(name.device);
        REQUIRE(device.ok());
        CHECK(device->peak(DataType::bf16).si() > 0.0);
        CHECK(device->memory_bandwidth.si() > 0.0);
    }
}

TEST_CASE("every framework, model and list line can be read", "[catalog]") {
    // Method: a line that could not be made says so in its own words.
    for (const CatalogKind& kind : catalog_kinds()) {
        const auto pages = list_catalog(kind.plural);
        REQUIRE(pages);
        CHECK(!pages->empty());
        for (const CatalogPage& page : *pages) {
            INFO(page.name << ": " << page.line);
            CHECK(page.line.find("cannot be read") == std::string::npos);
            CHECK(show_catalog(page.name));
        }
    }
}
