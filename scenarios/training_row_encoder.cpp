// Encoders and translation models in training tables. Names of models, rows and sources decide nothing here.
#include "scenarios/training_row_encoder.hpp"

#include "scenarios/training_row_family.hpp"

#include <cmath>
#include <cstdlib>

namespace orrery {
namespace {

// Padding of Wikipedia packed into sequences of 512: half of all tokens, mean length 256 (Krell et al., "Efficient
// Sequence Packing without Cross-contamination", arXiv 2107.02027, figure 1: packing is 2.0 times faster at most).
constexpr int mean_tokens_of_512 = 256;
// Masked positions that reach the head: BERT's max_predictions_per_seq, 20 of 128 and 80 of 512 tokens
// (google-research/bert, README, pre-training).
constexpr double masked_share = 0.156;
// WMT English-German in word pieces: mean tokens of a target sentence, end mark included. Source sentences have about as
// many (Ott et al., "Scaling Neural Machine Translation", arXiv 1806.00187: 4.5 M pairs; fairseq counts 25.5 tokens of
// target a pair on train: 3,961,179 pairs, 101 M tokens with BPE 32k).
constexpr int sentence_tokens = 26;
// Target tokens of an epoch: 3,961,179 pairs.
constexpr double translation_epoch_tokens = 101e6;
// NVIDIA's PyTorch pre-training reads sequences sorted into bins of 64 tokens (Language Datasets and Data Loaders,
// DeepLearningExamples PyTorch/LanguageModeling/BERT, README, 2021-11 on): the mean length and half a bin.
constexpr int binned_tokens_of_512 = mean_tokens_of_512 + 32;
// Words of the joint 32k byte-pair vocabulary of WMT English-German, padded (fairseq's wmt16_en_de_bpe32k dictionary).
constexpr int translation_vocabulary = 32768;

/// Years and months of an NGC release in free text ("NVIDIA Release 21.05" is 2105); 0 where there is none.
int container_release(const Row& row) {
    const std::string text = row.lower("framework") + " " + row.lower("framework_version");
    for (std::size_t i = 2; i + 2 < text.size(); ++i) {
        const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
        if (text[i] != '.' || !digit(i - 2) || !digit(i - 1) || !digit(i + 1) || !digit(i + 2)) continue;
        const int release = 100 * std::atoi(text.substr(i - 2, 2).c_str()) + std::atoi(text.substr(i + 1, 2).c_str());
        if (release >= 1900 && release < 3000) return release;
    }
    return 0;
}

bool is_benchmark(const Row& row) { return row.number("time_to_train_min").has_value(); }

bool is_finetuning(const Row& row) { return row.says("task", "finetun") || row.says("task", "fine-tun") || row.says("task", "squad"); }

/// Tokens of one device's pass. Tables print two batch sizes side by side, of mixed precision and half of it of fp32
/// ("5120/2560"); where the sign between them was lost the digits fall apart in one way only.
double tokens_of_pass(const Row& row, double printed) {
    constexpr double most = 1e6;
    if (printed < most) return printed;
    const std::string digits = std::to_string(static_cast<long long>(printed));
    for (std::size_t cut = 1; cut < digits.size(); ++cut) {
        const double first = std::atof(digits.substr(0, cut).c_str());
        const double second = std::atof(digits.substr(cut).c_str());
        if (first == 2.0 * second) return row.says("precision", "mixed") ? first : second;
    }
    return printed;
}

/// Fused attention, removed padding and recorded graphs came to the benchmark code of the encoder in 2021 (NVIDIA's
/// MLPerf v1.0 code, container 21.05: options unpad and fmha), 8-bit products with Hopper (v2.1, late 2022).
std::string read_benchmark_software(const Row& row, bool device_has_fp8, TrainingSpec& spec) {
    const int release = container_release(row);
    const bool modern = release == 0 || release >= 2100;
    spec.flash_attention = modern;
    if (modern && spec.sequence == 512) spec.mean_sequence = mean_tokens_of_512;
    if (modern) spec.launch_graphs = LaunchGraphs::full_iteration;
    spec.precision = device_has_fp8 ? DataType::fp8 : DataType::fp16;
    spec.framework = modern ? "pytorch-mlperf-2021" : "pytorch-apex-2020";
    return "precision and padding not stated: those of its benchmark release";
}

}  // namespace

bool is_encoder_row(const Row& row) { return row.text("kind") == "bert" || row.text("kind") == "nlp"; }

std::optional<std::string> encoder_excluded(const Row& row) {
    for (const char* key : {"n_accel", "global_batch"}) {
        if (!row.number(key)) return std::string(key) + " is absent";
    }
    if (row.text("kind") == "bert") {
        for (const char* key : {"n_layers", "d_model", "n_heads", "vocab", "seq_len"}) {
            if (!row.number(key)) return std::string(key) + " is absent";
        }
    }
    if (is_benchmark(row) && row.says("framework", "tf2")) return "precision not stated and no rule for its software";
    if (!row.says("accelerator", "tpu")) return std::nullopt;
    return "no software profile for encoders on this accelerator";
}

Architecture encoder_architecture(const Row& row) {
    Architecture a;
    a.name = row.text("model");
    const bool translation = row.text("kind") == "nlp";
    // Vaswani et al., arXiv 1706.03762, table 3, "big", where a translation row does not say its sizes.
    a.layers = row.integer("n_layers").value_or(6);
    a.hidden = row.integer("d_model").value_or(1024);
    a.heads = a.kv_heads = row.integer("n_heads").value_or(16);
    a.head_size = a.hidden / a.heads;
    a.ffn = row.integer("d_ff").value_or(4 * a.hidden);
    a.vocabulary = row.integer("vocab").value_or(translation_vocabulary);
    a.activation = translation ? Activation::relu : Activation::gelu;
    a.norm = Norm::layer_norm;
    a.tied_embeddings = true;
    a.attention_bias = a.linear_bias = true;
    if (translation) {
        a.encoder_layers = a.layers;
        a.positions = Positions::none;  // sines, which are not learned
        return a;
    }
    a.bidirectional = true;
    a.positions = Positions::learned;
    a.positions_max = 512;
    a.token_types = 2;
    a.embedding_norm = true;
    if (is_finetuning(row)) {  // a span's start and end: two outputs a token instead of the vocabulary
        a.head_share = 2.0 / a.vocabulary;
        return a;
    }
    a.pooler = a.head_transform = a.head_bias = true;
    a.head_share = masked_share;
    return a;
}

std::string read_encoder_software(const Row& row, bool device_has_fp8, TrainingSpec& spec) {
    const bool translation = row.text("kind") == "nlp";
    spec.model = "row";
    spec.sequence = translation ? sentence_tokens : *row.integer("seq_len");
    spec.encoder_sequence = 0;
    spec.flash_attention = false;
    spec.optimizer = row.says("optimizer", "adam") ? Optimizer::adam : Optimizer::lamb;
    spec.global_batch = *row.integer("global_batch");
    spec.parallelism.data = *row.integer("n_accel");
    if (translation) {  // batches are counted in tokens of the target
        const double own = tokens_of_pass(row, *row.number("global_batch") / spec.parallelism.data);
        spec.global_batch = std::max(1, static_cast<int>(own / sentence_tokens)) * spec.parallelism.data;
    }
    std::string note = translation ? "sentence length not stated: the data set's mean" : "";
    if (is_benchmark(row)) {
        const std::string rule = read_benchmark_software(row, device_has_fp8, spec);
        note += (note.empty() ? "" : "; ") + rule;
        return note;
    }
    const bool pretraining = !translation && !is_finetuning(row);
    if (pretraining && row.says("framework", "pytorch") && spec.sequence == 512) spec.mean_sequence = binned_tokens_of_512;
    spec.framework = row.says("framework", "tensorflow") ? "tensorflow-xla-2020" : "pytorch-apex-2020";
    return note;
}

std::optional<double> encoder_step(const Row& row, const TrainingSpec& spec) {
    if (const auto step = row.number("step_time_s"); step && *step > 0.0) return step;
    if (const auto samples = row.number("samples_per_s"); samples && *samples > 0.0) return *row.number("global_batch") / *samples;
    // The whole run's mean, pauses for evaluation included.
    const auto whole = row.member("measured_extra").number("avg_samples_per_s_incl_eval");
    if (whole && *whole > 0.0) return *row.number("global_batch") / *whole;
    if (row.text("kind") == "nlp" && is_benchmark(row)) return step_of_whole_run(row, translation_epoch_tokens);
    const auto rate = row.number("tokens_per_s_per_accel");
    if (!rate || *rate <= 0.0) return std::nullopt;
    const double tokens = static_cast<double>(spec.global_batch) * spec.sequence;
    return tokens / (*rate * *row.number("n_accel"));
}

std::vector<int> encoder_micro_batches(const Row& row, const TrainingSpec& spec) {
    const int share = spec.global_batch / spec.parallelism.data;
    if (share < 1) return {};
    const auto stated = row.integer("micro_batch");
    if (stated && *stated > 0 && !is_benchmark(row)) {
        if (row.text("kind") == "nlp") return {share};
        return {std::min(*stated, share)};
    }
    std::vector<int> sizes;
    for (int passes = 1; passes <= share && sizes.size() < 8; ++passes) {
        if (share % passes == 0) sizes.push_back(share / passes);
    }
    return sizes;
}

}  // namespace orrery
