// Models as Hugging Face writes them: every catalogue entry against its published size, and what is refused.
#include "scenarios/hugging_face.hpp"

#include "models/architecture.hpp"
#include "scenarios/json.hpp"
#include "tests/places.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include <unistd.h>

using namespace orrery;

namespace {

const std::string catalog = std::string(testing::source_directory) + "/models/catalog/";

Architecture model(const std::string& name) {
    const auto result = read_hugging_face(catalog + name + ".json");
    if (!result.ok()) FAIL(result.problems().front().place << " " << result.problems().front().problem);
    return *result;
}

/// Reads `text` as a config.json of its own.
Result<Architecture> read_text_as_config(const std::string& text) {
    const auto file = std::filesystem::temp_directory_path() /
                      ("orrery-config-" + std::to_string(getpid()) + "-" + std::to_string(std::hash<std::string>{}(text)) + ".json");
    std::ofstream(file) << text;
    auto result = read_hugging_face(file.string());
    std::filesystem::remove(file);
    return result;
}

bool refused(const std::string& text, std::string_view key, std::string_view problem, std::string_view remedy) {
    const auto result = read_text_as_config(text);
    if (result.ok()) return false;
    const Problems& all = result.problems();
    return std::any_of(all.begin(), all.end(), [&](const Problem& p) {
        return p.place.find(":/" + std::string(key)) != std::string::npos &&
               p.problem.find(problem) != std::string::npos && p.remedy.find(remedy) != std::string::npos;
    });
}

struct Published {
    const char* name;
    double parameters;
    double tolerance;
};

// Elements of the published checkpoints, exact; or what the paper prints, to half of its last digit.
const Published published[] = {
    {"llama2-7b", 6738415616, 0},
    {"llama2-13b", 13015864320, 0},
    {"llama2-70b", 68976648192, 0},
    {"llama3.1-8b", 8030261248, 0},
    {"llama3.1-70b", 70553706496, 0},
    {"llama3.1-405b", 405853388800, 0},
    {"llama3.2-1b", 1235814400, 0},
    {"llama3.2-3b", 3212749824, 0},
    {"mistral-7b", 7241732096, 0},
    {"mixtral-8x7b", 46702792704, 0},
    {"mixtral-8x22b", 141e9, 0.005},  // Mistral's announcement: 141B, 39B active
    {"qwen2.5-7b", 7615616512, 0},
    {"qwen2.5-32b", 32763876352, 0},
    {"qwen2.5-72b", 72706203648, 0},
    {"qwen3-8b", 8190735360, 0},
    {"qwen3-32b", 32762123264, 0},
    {"qwen3-30b-a3b", 30532122624, 0},
    {"qwen3-235b-a22b", 235093634560, 0},
    // 671B (arXiv 2412.19437) and one prediction layer: the checkpoint's 684.5B less its copies of embedding and head.
    {"deepseek-v3", 684.5e9 - 2.0 * 129280 * 7168, 0.0005},
    {"gpt-oss-120b", 116.83e9, 0.0005},  // model card, arXiv 2508.10925, table 1
    {"gpt2", 124439808, 0},
    {"gpt2-xl", 1557611200, 0},
    {"gpt3-1.3b", 1.3e9, 0.05 / 1.3},  // two digits
    {"gpt3-6.7b", 6.7e9, 0.05 / 6.7},  // two digits
    {"gpt3-13b", 13e9, 0.5 / 13},      // two digits
    {"gpt3-175b", 175e9, 0.005},
    {"megatron-22b", 22e9, 0.005},
    {"megatron-175b", 174.6e9, 0.0005},
    {"megatron-530b", 529.6e9, 0.0005},
    {"megatron-1t", 1008.0e9, 0.0005},
    {"gpt-neox-20b", 20554567680, 0},
    {"falcon-7b", 6921720704, 0},    // with its head tied to the embedding, as the configuration says
    {"falcon-40b", 41303293952, 0},  // likewise
    {"phi-2", 2779683840, 0},
    {"phi-3-mini", 3821079552, 0},
    {"gemma-7b", 8537680896, 0},
    {"gemma2-9b", 9241705984, 0},
    {"gemma2-27b", 27227128320, 0},
    {"mpt-7b", 6649286656, 0},
    {"mpt-30b", 30e9, 0.005},
    {"bert-base", 110106428, 0},   // transformers' BertForPreTraining
    {"bert-large", 336226108, 0},  // likewise
    {"vit-b-16", 86567656, 0},     // torchvision
    {"vit-l-16", 304326632, 0},    // torchvision
    {"t5-base", 222903552, 0},
    {"t5-large", 737668096, 0},
    {"mamba-2.8b", 2768345600, 0},
    {"codestral-mamba-7b", 7285403648, 0},  // Mistral's announcement
    {"jamba-v0.1", 51570323328, 0},
    {"nemotron-h-8b", 8.1e9, 0.005},  // arXiv 2504.03624
    {"deepseek-v2", 235741434880, 0},
    {"deepseek-v2-lite", 15706484224, 0},
};

}  // namespace

TEST_CASE("every model of the catalogue has its published number of parameters", "[scenarios][hugging_face]") {
    // Method: published counts, see the table; and the file's own note agrees with it.
    for (const Published& entry : published) {
        INFO(entry.name);
        const double counted = count_parameters(model(entry.name)).total;
        CHECK(counted == Approx(entry.parameters).epsilon(std::max(entry.tolerance, 1e-12)));
        const auto json = parse_json_file(catalog + entry.name + ".json");
        REQUIRE(json.ok());
        const Json& note = (*json)["_orrery"];
        CHECK_FALSE(note["source"].get<std::string>().empty());
        CHECK(note["parameters"].get<double>() == Approx(entry.parameters).epsilon(0.005));
    }
}

TEST_CASE("every file of the model catalogue is tested against a published count", "[scenarios][hugging_face]") {
    // Method: the folder against the table above.
    std::set<std::string> known;
    for (const Published& entry : published) known.insert(entry.name);
    std::set<std::string> found;
    for (const auto& file : std::filesystem::directory_iterator(catalog)) {
        const bool is_layered = parse_json_file(file.path().string())->contains("family");  // see family_test.cpp
        if (file.path().extension() == ".json" && !is_layered) found.insert(file.path().stem().string());
    }
    CHECK(found == known);
}

TEST_CASE("parameters that one token meets are the published active ones", "[scenarios][hugging_face]") {
    // Method: Mixtral, arXiv 2401.04088: 13B (12.9e9); Qwen3 model cards: 3.3B of 30.5B, 22B of 235B.
    Architecture deepseek = model("deepseek-v3");
    deepseek.prediction_layers = 0;
    CHECK(count_parameters(deepseek).total == Approx(671e9).epsilon(0.001));
    CHECK(count_parameters(deepseek).active == Approx(37e9).epsilon(0.02));
    CHECK(count_parameters(model("mixtral-8x7b")).active == Approx(12.9e9).epsilon(0.005));
    CHECK(count_parameters(model("qwen3-30b-a3b")).active == Approx(3.3e9).epsilon(0.02));
    CHECK(count_parameters(model("qwen3-235b-a22b")).active == Approx(22e9).epsilon(0.02));
}

TEST_CASE("families are told apart by what costs time", "[scenarios][hugging_face]") {
    // Method: model cards and papers, by hand.
    const Architecture falcon = model("falcon-7b");
    CHECK(falcon.kv_heads == 1);
    CHECK(falcon.parallel_block);
    CHECK_FALSE(falcon.split_norms);
    CHECK(falcon.head_size == 64);
    const Architecture large = model("falcon-40b");
    CHECK(large.kv_heads == 8);
    CHECK(large.split_norms);
    const Architecture gemma2 = model("gemma2-9b");
    CHECK(gemma2.window == 4096);
    CHECK(is_windowed(gemma2, 0));
    CHECK_FALSE(is_windowed(gemma2, 1));
    CHECK(gemma2.activation == Activation::geglu);
    CHECK(gemma2.post_norms);
    CHECK(gemma2.tied_embeddings);
    CHECK(model("mistral-7b").window == 4096);
    CHECK(model("qwen2.5-7b").attention_bias);
    CHECK(model("qwen2.5-7b").window == 0);
    CHECK(model("qwen3-8b").qk_norm);
    CHECK(model("mpt-7b").positions == Positions::alibi);
    CHECK(model("gpt3-175b").positions_max == 2048);
    CHECK(model("gpt-neox-20b").activation == Activation::gelu);
    CHECK(model("phi-2").head_bias);
    CHECK(model("mixtral-8x7b").experts_per_token == 2);
    CHECK(model("deepseek-v3").has_latent_attention());
    CHECK(model("deepseek-v3").query_head_size() == 192);
    CHECK(model("gpt-oss-120b").window_every == 2);
}

TEST_CASE("absent keys take the family's default", "[scenarios][hugging_face]") {
    // Method: the documented defaults of the Config classes of transformers.
    const auto shape = [](const std::string& type, const std::string& more) {
        return read_text_as_config("{\"model_type\": \"" + type +
                                   "\", \"hidden_size\": 4096, \"num_hidden_layers\": 2, \"num_attention_heads\": 32, "
                                   "\"intermediate_size\": 8192, \"vocab_size\": 1000" +
                                   more + "}");
    };
    CHECK(shape("llama", "")->kv_heads == 32);
    CHECK(shape("llama", ", \"num_key_value_heads\": null")->kv_heads == 32);
    CHECK(shape("llama", "")->head_size == 128);
    CHECK_FALSE(shape("llama", "")->tied_embeddings);
    CHECK(shape("llama", ", \"mlp_bias\": true")->linear_bias);
    CHECK(shape("mistral", "")->kv_heads == 8);
    CHECK(shape("mistral", "")->window == 4096);
    CHECK(shape("mistral", ", \"sliding_window\": null")->window == 0);
    CHECK(shape("qwen3", "")->head_size == 128);
    CHECK(shape("gemma", "")->head_size == 256);
    CHECK(shape("gemma", "")->kv_heads == 16);
    CHECK(shape("gemma", "")->tied_embeddings);
    CHECK(shape("gemma2", "")->window_every == 2);
    CHECK(shape("mixtral", "")->experts == 8);
    CHECK(shape("phi3", "")->window == 0);
    CHECK(shape("gpt_neox", ", \"use_parallel_residual\": false")->parallel_block == false);
    CHECK(shape("falcon", ", \"alibi\": true")->positions == Positions::alibi);
    CHECK(shape("falcon", ", \"multi_query\": false")->kv_heads == 32);
    CHECK(shape("qwen2", ", \"use_sliding_window\": true, \"max_window_layers\": 0")->window == 4096);
    CHECK(shape("qwen2", ", \"use_sliding_window\": true, \"max_window_layers\": 2")->window == 0);
    const auto gpt2 =
        read_text_as_config(R"({"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 2, "vocab_size": 9})");
    CHECK(gpt2->positions_max == 1024);
    CHECK(gpt2->ffn == 256);
    const auto mpt =
        read_text_as_config(R"({"model_type": "mpt", "d_model": 64, "n_layers": 1, "n_heads": 4, "vocab_size": 9,
        "attn_config": {"alibi": false, "attn_type": "multiquery_attention"}, "no_bias": false})");
    CHECK(mpt->positions == Positions::learned);
    CHECK(mpt->positions_max == 2048);
    CHECK(mpt->kv_heads == 1);
    CHECK(mpt->norm == Norm::layer_norm);
}

TEST_CASE("a file that cannot be read says why, and what would do", "[scenarios][hugging_face]") {
    // Method: one mistake each; and all missing keys at once.
    CHECK(refused(R"({"hidden_size": 1})", "model_type", "missing", "llama, mamba, mamba2, mistral"));
    CHECK(refused(R"({"model_type": "roberta"})", "model_type", "\"roberta\"", "falcon, gemma, gemma2, gpt2"));
    CHECK(refused(R"({"model_type": 7})", "model_type", "", ""));
    const auto empty = read_text_as_config(R"({"model_type": "llama"})");
    REQUIRE_FALSE(empty.ok());
    std::set<std::string> missing;
    for (const auto& p : empty.problems()) missing.insert(p.place.substr(p.place.rfind('/') + 1));
    CHECK(missing == std::set<std::string>{"hidden_size", "intermediate_size", "num_attention_heads",
                                           "num_hidden_layers", "vocab_size"});
    const std::string sizes = R"("hidden_size": 96, "num_hidden_layers": 2, "intermediate_size": 64, "vocab_size": 10)";
    const auto llama = [&](const std::string& more) {
        return "{\"model_type\": \"llama\", " + sizes + ", " + more + "}";
    };
    CHECK(refused(llama(R"("num_attention_heads": 7)"), "num_attention_heads", "do not divide", "head_dim"));
    CHECK(refused(llama(R"("num_attention_heads": 8, "num_key_value_heads": 3)"), "num_key_value_heads",
                  "do not divide", "8"));
    CHECK(refused(llama(R"("num_attention_heads": 8, "hidden_act": "tanh")"), "hidden_act", "tanh", "silu"));
    CHECK(refused(llama(R"("num_attention_heads": -8)"), "num_attention_heads", "", ""));
    CHECK(refused(llama(R"("num_attention_heads": 8.5)"), "num_attention_heads", "", ""));
    CHECK(refused(llama(R"("num_attention_heads": 8, "tie_word_embeddings": "yes")"), "tie_word_embeddings", "", ""));
    CHECK(refused("{\"model_type\": \"gpt_neox\", " + sizes + R"(, "num_attention_heads": 8, "hidden_act": "silu"})",
                  "hidden_act", "silu", "relu"));
    const std::string latent = R"(, "num_attention_heads": 8, "kv_lora_rank": 64, "qk_nope_head_dim": 64,
        "qk_rope_head_dim": 32, "v_head_dim": 64, "n_routed_experts": 8, "num_experts_per_tok": 2,
        "moe_intermediate_size": 64, "moe_layer_freq": 2})";
    CHECK(refused("{\"model_type\": \"deepseek_v2\", " + sizes + latent, "moe_layer_freq", "mixes dense", "only 1"));
    CHECK(refused("{\"model_type\": \"deepseek_v3\", " + sizes + R"(, "num_attention_heads": 8})", "kv_lora_rank", "missing",
                  "latent"));
    CHECK(refused("{\"model_type\": \"mixtral\", " + sizes +
                      R"(, "num_attention_heads": 8, "num_local_experts": 2, "num_experts_per_tok": 3})",
                  "num_experts_per_tok", "3 of 2", "at most 2"));
    CHECK(refused("{\"model_type\": \"qwen2\", " + sizes +
                      R"(, "num_attention_heads": 32, "use_sliding_window": true, "max_window_layers": 1})",
                  "max_window_layers", "from 1 on", "use_sliding_window to false"));
    CHECK(
        refused("{\"model_type\": \"qwen3_moe\", " + sizes + R"(, "num_attention_heads": 8, "decoder_sparse_step": 2})",
                "moe_intermediate_size", "", ""));
    CHECK(refused("{\"model_type\": \"qwen3_moe\", " + sizes +
                      R"(, "num_attention_heads": 8, "moe_intermediate_size": 8, "decoder_sparse_step": 2})",
                  "decoder_sparse_step", "mixes dense", "1"));
    CHECK(refused("{\"model_type\": \"qwen3_moe\", " + sizes +
                      R"(, "num_attention_heads": 8, "moe_intermediate_size": 8, "mlp_only_layers": [1]})",
                  "mlp_only_layers", "mixes dense", "empty"));
    CHECK(refused(
        R"({"model_type": "mpt", "attn_config": 3, "d_model": 8, "n_layers": 1, "n_heads": 1, "vocab_size": 8})",
        "attn_config", "", ""));
    CHECK_FALSE(read_hugging_face("/nonexistent/config.json").ok());
    CHECK_FALSE(read_text_as_config("[1]").ok());
    CHECK_FALSE(read_text_as_config("{").ok());
}

TEST_CASE("the families that can be read are sorted and each is said once", "[scenarios][hugging_face]") {
    // Method: order and uniqueness.
    const auto families = hugging_face_families();
    CHECK(std::is_sorted(families.begin(), families.end()));
    CHECK(std::set<std::string>(families.begin(), families.end()).size() == families.size());
}
