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
    double parameters;
};
// torchvision: num_params of the weights; timm: param_count of its results tables; the counts "by layers" are sums over
// the layers that the source of the catalogue file prints, made apart from the product.
const PublishedFamily published_families[] = {
    {"resnet50", 25557032},                 // torchvision
    {"resnext101-32x4d", 44.18e6},          // timm
    {"se-resnext101-32x4d", 48.96e6},       // timm, seresnext101_32x4d
    {"efficientnet-b0", 5288548},           // torchvision
    {"efficientnet-b4", 19341616},          // torchvision
    {"efficientnet-widese-b0", 8423848},        // by layers
    {"efficientnet-widese-b4", 34927246},        // by layers
    {"ssd300-resnet50", 22894902},             // by layers
    {"ssd-resnet34", 19975222},                // by layers
    {"retinanet-resnext50", 37e6},          // MLPerf Inference, table of models
    {"maskrcnn-resnet50-fpn", 44401393},    // torchvision
    {"unet3d-kits19", 31.2e6},              // nnU-Net 3-D: Roy et al., arXiv 2303.09975, table of networks
    {"nnunet-3d", 31.2e6},                  // likewise
    {"nnunet-2d", 20612876},                     // by layers
    {"stable-diffusion-v2-512", 1206.3e6},  // U-Net 865.91e6 (model card of Stable Diffusion 2) and the text encoder by layers
    {"dit-xl-2", 675e6},                    // Peebles & Xie, arXiv 2212.09748, table 4
    {"wan2.1-14b", 14.29e9},                // safetensors of Wan-AI/Wan2.1-T2V-14B
    // 187,767,399 rows of 128 (MLPerf v0.7's table sizes), 204,184,588 (v3.0's), and the MLPs.
    {"dlrm-mlperf", 24.04e9},
    {"dlrm-dcnv2", 26.15e9},
    // 15.6 and 84.9 GB of fp32 (NVIDIA DeepLearningExamples, README of DLRM).
    {"dlrm-criteo-small", 3.9e9},
    {"dlrm-criteo-large", 21.23e9},
    {"dcnv2-criteo-small", 3.91e9},
    {"dcnv2-criteo-large", 21.24e9},
    {"gnmt-v2", 160671297},  // printed by NVIDIA's GNMT v2 trainer
    {"rnn-t", 49e6},         // MLPerf Training v1.0, rnn_speech_recognition
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

TEST_CASE("the denoiser of Stable Diffusion 2 without its text encoder has the published parameters", "[scenarios][family]") {
    // Method: 865.91e6, model card; Stable Diffusion 2's U-Net.
    LatentUNet model;
    model.text_layers = 0;
    CHECK(family_parameters(model) == Approx(865910724).epsilon(0.0005));
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
