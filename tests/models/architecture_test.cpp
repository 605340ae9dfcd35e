// Parameters and arithmetic of decoders against published figures and closed forms.
#include "models/architecture.hpp"
#include "tests/architectures.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

using test::gpt;

Architecture llama2_7b() {
    Architecture a;
    a.layers = 32;
    a.hidden = 4096;
    a.heads = 32;
    a.kv_heads = 32;
    a.head_size = 128;
    a.ffn = 11008;
    a.vocabulary = 32000;
    return a;
}

}  // namespace

TEST_CASE("parameters of GPT-2 and Llama 2 7B are those of their checkpoints", "[models][architecture]") {
    // Method: number of elements in the published checkpoints (Hugging Face: gpt2, meta-llama/Llama-2-7b).
    CHECK(count_parameters(gpt(12, 768, 12, 50257, 1024)).total == 124439808.0);
    const ParameterCount llama = count_parameters(llama2_7b());
    CHECK(llama.total == 6738415616.0);
    CHECK(llama.active == llama.total);
    CHECK(llama.embedding == 32000.0 * 4096);
    CHECK(llama.head == 32000.0 * 4096 + 4096);
    CHECK(llama.embedding + 32 * llama.per_layer + llama.head == llama.total);
}

TEST_CASE("parameters of a GPT follow 12 l h^2 (1 + 13/12h + (V + s)/12lh)", "[models][architecture]") {
    // Method: closed form of Narayanan et al., arXiv 2104.04473, equation 2, which leaves out the last norm (2 h).
    for (const auto& [l, h, a] : {std::tuple{24, 2304, 24}, {96, 12288, 96}, {128, 25600, 160}}) {
        const double V = 51200;
        const double s = 2048;
        const double published = 12.0 * l * h * h * (1.0 + 13.0 / (12.0 * h) + (V + s) / (12.0 * l * h));
        CHECK(count_parameters(gpt(l, h, a, 51200, 2048)).total == Approx(published + 2.0 * h).epsilon(1e-12));
    }
}

TEST_CASE("a mixture counts all experts, and as active those that one token meets", "[models][architecture]") {
    // Method: Mixtral 8x7B, arXiv 2401.04088: 47B parameters, 13B active (12.9e9 of 46.7e9).
    Architecture a = llama2_7b();
    a.kv_heads = 8;
    a.ffn = 14336;
    a.experts = 8;
    a.experts_per_token = 2;
    a.expert_ffn = 14336;
    CHECK(count_parameters(a).total == 46702792704.0);
    CHECK(count_parameters(a).active == Approx(12.9e9).epsilon(0.005));
}

TEST_CASE("useful arithmetic per token is six per matrix parameter and 12 s h per layer, halved by the mask",
          "[models][architecture]") {
    // Method: closed form of Chowdhery et al., arXiv 2204.02311, appendix B; the embedding look-up costs nothing.
    const Architecture a = llama2_7b();
    const double matrices = 32.0 * (4.0 * 4096 * 4096 + 3.0 * 4096 * 11008) + 4096.0 * 32000;
    const double attention = 32.0 * 12.0 * 2048 * 4096;
    CHECK(model_flop_per_token(a, 2048, false).si() == Approx(6 * matrices + attention));
    CHECK(model_flop_per_token(a, 2048, true).si() == Approx(6 * matrices + attention / 2));
}

TEST_CASE("a window cuts attention to its width, and one as long as the sequence changes nothing",
          "[models][architecture]") {
    // Method: keys seen by s queries under the mask: s w - w^2 / 2.
    Architecture a = llama2_7b();
    const double full = model_flop_per_token(a, 4096, true).si();
    a.window = 4096;
    CHECK(model_flop_per_token(a, 4096, true).si() == Approx(full));
    a.window = 1024;
    const double saved = 32.0 * 12.0 * 4096 * (2048.0 - 1024.0 * (1.0 - 0.125));
    CHECK(full - model_flop_per_token(a, 4096, true).si() == Approx(saved));
}

TEST_CASE("of every n layers all but the last have a window", "[models][architecture]") {
    // Method: Gemma 2 alternates (n = 2), Gemma 3 has five windowed layers to one full (n = 6).
    Architecture a = llama2_7b();
    CHECK_FALSE(is_windowed(a, 0));
    a.window = 4096;
    CHECK(is_windowed(a, 0));
    CHECK(is_windowed(a, 31));
    a.window_every = 2;
    CHECK(is_windowed(a, 0));
    CHECK_FALSE(is_windowed(a, 1));
    a.window_every = 6;
    CHECK(is_windowed(a, 4));
    CHECK_FALSE(is_windowed(a, 5));
}
