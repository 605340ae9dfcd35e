// Recommenders and recurrent networks in training tables. A model's name picks a catalogue entry and nothing else.
#include "scenarios/training_row_family.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace orrery {
namespace {

struct EntryName {
    std::string_view part;  // of the lower-case name
    std::string_view entry;
};
constexpr std::array<EntryName, 8> entry_names{{
    {"dlrm-dcnv2", "dlrm-dcnv2"},
    {"dcnv2-criteo-small", "dcnv2-criteo-small"},
    {"dcnv2-criteo", "dcnv2-criteo-large"},
    {"criteo-small", "dlrm-criteo-small"},
    {"criteo-1tb", "dlrm-mlperf"},
    {"dlrm-criteo", "dlrm-criteo-large"},
    {"gnmt", "gnmt-v2"},
    {"rnnt", "rnn-t"},
}};

// WMT16 English-German in 32k word pieces: 26 tokens a sentence, and what padding to the longest of a bucket adds.
constexpr int translated_tokens = 26;
constexpr int padded_tokens = 28;
// Sentence pairs of an epoch after the filter by length of MLPerf's GNMT (at most 75 tokens), of 4.5 M.
constexpr double sentence_pairs = 3.97e6;
// Click logs of Criteo's terabyte, 23 of 24 days (MLPerf Training, recommendation/dlrm README).
constexpr double click_samples = 4195197692.0;
// Utterances of LibriSpeech's 960 h up to 16.7 s (MLPerf Training, rnn_speech_recognition README).
constexpr double utterances = 278528.0;

bool is_benchmark_run(const Row& row) { return row.number("time_to_train_min").has_value(); }
bool is_recommender(const Row& row) { return row.text("kind") == "dlrm"; }

double median_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

bool is_family_row(const Row& row) { return row.text("kind") == "dlrm" || row.text("kind") == "rnn"; }

std::string family_entry(const Row& row) {
    const std::string name = row.lower("model");
    for (const EntryName& one : entry_names) {
        if (name.find(one.part) != std::string::npos) return std::string(one.entry);
    }
    return {};
}

std::optional<std::string> family_excluded(const Row& row) {
    for (const char* key : {"n_accel", "global_batch"}) {
        if (!row.number(key)) return std::string(key) + " is absent";
    }
    if (row.says("accelerator", "tpu")) return "no software profile for recommenders and recurrent networks on this accelerator";
    if (family_entry(row).empty()) return "no catalogue entry for the model";
    return std::nullopt;
}

std::string read_family_software(const Row& row, TrainingSpec& spec) {
    spec.model = "row";
    spec.sequence = is_recommender(row) ? 1 : padded_tokens;
    spec.optimizer = row.says("optimizer", "adam") || !is_recommender(row) ? Optimizer::adam : Optimizer::sgd;
    spec.parallelism.data = *row.integer("n_accel");
    spec.micro_batch = std::max(1, *row.integer("global_batch") / spec.parallelism.data / std::max(1, row.integer("grad_accum").value_or(1)));
    spec.global_batch = *row.integer("global_batch");
    spec.global_batch -= spec.global_batch % (spec.micro_batch * spec.parallelism.data);
    spec.precision = DataType::fp16;
    spec.framework = row.says("framework", "tensorflow") ? "tensorflow-xla-2020" : "pytorch-apex-2020";
    if (!is_benchmark_run(row)) return {};
    if (is_recommender(row) && !row.says("framework", "20.06_pytorch") && !row.says("framework", "pytorch nvidia release 20.06") &&
        !row.says("framework", "pytorch 1.6")) {
        spec.framework = "hugectr-2021";
        spec.launch_graphs = LaunchGraphs::full_iteration;
    }
    return "precision and software not stated: mixed precision and its benchmark release's code";
}

std::optional<double> step_of_whole_run(const Row& row, double samples) {
    const auto minutes = row.number("time_to_train_min");
    const std::vector<double> epochs = row.member("measured_extra").numbers("final_epoch_num");
    if (!minutes || epochs.empty()) return std::nullopt;
    return *minutes * 60.0 / (median_of(epochs) * samples / *row.number("global_batch"));
}

std::optional<double> family_step(const Row& row, const TrainingSpec& spec) {
    if (const auto step = row.number("step_time_s"); step && *step > 0.0) return step;
    const double batch = *row.number("global_batch");
    if (const auto samples = row.number("samples_per_s"); samples && *samples > 0.0) return batch / *samples;
    const auto rate = row.number("tokens_per_s_per_accel");
    // Tokens of both languages, padding not counted (GNMT's trainer prints their sum).
    if (rate && *rate > 0.0) return batch * 2.0 * translated_tokens / (*rate * spec.parallelism.data);
    if (is_recommender(row)) {
        // Fractions of one pass over the logs, counted from epoch 1.
        const auto minutes = row.number("time_to_train_min");
        const std::vector<double> epochs = row.member("measured_extra").numbers("final_epoch_num");
        if (!minutes || epochs.empty() || median_of(epochs) <= 1.0 || median_of(epochs) > 2.0) return std::nullopt;
        return *minutes * 60.0 * batch / ((median_of(epochs) - 1.0) * click_samples);
    }
    return step_of_whole_run(row, row.says("model", "rnnt") ? utterances : sentence_pairs);
}

}  // namespace orrery
