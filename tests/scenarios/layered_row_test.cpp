// Rows of convolutional and diffusion networks: what is read of them, what stands in, and why some are left out.
#include "scenarios/layered_row.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace orrery;

namespace {

/// NVIDIA DeepLearningExamples, MXNet ResNet-50 v1.5, README, table of DGX A100 (8x A100 80GB), mixed precision.
Json resnet_row() {
    return Json::parse(R"json({"id": "a", "source_id": "s", "kind": "cnn", "model": "resnet50",
        "accelerator": "A100-SXM-80GB", "n_accel": 8, "accel_per_node": 8, "framework": "MXNet",
        "precision": "mixed (fp16 AMP)", "global_batch": 4096, "micro_batch": 512, "samples_per_s": 26674.0})json");
}

PreparedTraining prepared(const Json& row) {
    CatalogCache rows_catalog;
    const auto result = prepare_training(row, rows_catalog);
    if (!result) FAIL(result.problems().front().problem);
    return *result;
}

std::string reason(const Json& row) {
    CatalogCache rows_catalog;
    const auto result = prepare_training(row, rows_catalog);
    return result ? std::string() : result.problems().front().problem;
}

}  // namespace

TEST_CASE("a row of ResNet-50 becomes data-parallel training in its precision", "[scenarios][layered]") {
    // Method: by hand; 4096 images at 26,674 a second.
    const PreparedTraining row = prepared(resnet_row());
    REQUIRE(row.variants.size() == 1);
    const TrainingRun& run = row.variants.front();
    CHECK(run.family.has_value());
    CHECK(run.spec.precision == DataType::fp16);
    CHECK(run.spec.micro_batch == 512);
    CHECK(run.spec.parallelism.data == 8);
    CHECK(run.spec.framework == "mxnet-ngc");
    CHECK(row.measured_step_s == Approx(4096.0 / 26674.0));
    const auto step = predict_step(row);
    REQUIRE(step);
    CHECK(*step == Approx(row.measured_step_s).epsilon(0.15));  // the published step
}

TEST_CASE("neither a layered row's id nor its source changes its prediction", "[scenarios][layered]") {
    // Method: other names, the same number.
    Json renamed = resnet_row();
    renamed["id"] = "b";
    renamed["source_id"] = "t";
    CHECK(*predict_step(prepared(renamed)) == *predict_step(prepared(resnet_row())));
}

TEST_CASE("what a layered row leaves out is filled by the documented rules", "[scenarios][layered]") {
    // Method: by hand.
    Json row = resnet_row();
    row.erase("precision");
    row.erase("micro_batch");
    row["global_batch"] = 3264;
    CHECK(prepared(row).variants.front().spec.precision == DataType::fp16);
    CHECK(prepared(row).variants.front().spec.micro_batch == 408);
    row.erase("global_batch");
    const PreparedTraining filled = prepared(row);
    CHECK(filled.variants.front().spec.micro_batch == 256);
    CHECK(filled.note.find("batch not stated") != std::string::npos);
    row["framework"] = "NGC MXNet 24.04, NGC Pytorch 24.04";  // a submitter's list: the reference code of the network
    CHECK(prepared(row).variants.front().spec.framework == "mxnet-ngc");
    row["framework"] = "PyTorch";
    CHECK(prepared(row).variants.front().spec.framework == "pytorch-ddp");
}

TEST_CASE("a logged rate below the run's own average is one device's", "[scenarios][layered]") {
    // Method: MLPerf Training v4.0, eight H100, RetinaNet: 289.9 logged, 4 epochs of 1,170,301 images in 35.46 minutes.
    const Json row = Json::parse(R"json({"kind": "cnn", "model": "retinanet-resnext50", "accelerator": "NVIDIA H100-SXM5-80GB",
        "n_accel": 8, "framework": "PyTorch NVIDIA Release 24.04", "global_batch": 256, "samples_per_s": 289.9,
        "time_to_train_min": 35.46, "measured_extra": {"final_epoch_num": [4, 4, 4],
        "throughput_source": "tracked_stats.throughput (median)"}})json");
    CHECK(prepared(row).measured_step_s == Approx(256.0 / (8 * 289.9)));
    CHECK(prepared(row).note.find("one device's") != std::string::npos);
}

TEST_CASE("a layered row that cannot be predicted says why", "[scenarios][layered]") {
    // Method: the reasons.
    Json row = resnet_row();
    row["n_accel"] = 8192;
    CHECK(reason(row).find("fewer samples than devices") != std::string::npos);
    row = resnet_row();
    row["precision"] = "int8";
    CHECK(reason(row).find("precision is none") != std::string::npos);
    row = resnet_row();
    row.erase("samples_per_s");
    CHECK(reason(row).find("no samples per second") != std::string::npos);
    row = resnet_row();
    row.erase("n_accel");
    CHECK(reason(row).find("n_accel is absent") != std::string::npos);
    row = resnet_row();
    row["accelerator"] = "Habana Gaudi";
    CHECK(reason(row).find("no catalogue entry") != std::string::npos);
    row["model"] = "no-such-network";
    CHECK(reason(row).find("\"cnn\"") != std::string::npos);
}
