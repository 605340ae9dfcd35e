// The scaling law against figures that others have published from it.
#include "planner/scaling_law.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

TEST_CASE("the law gives Gopher a loss of 1.993 and Chinchilla 1.936", "[planner][scaling]") {
    // Method: figures of a much-read review of the paper (nostalgebraist, "chinchilla's wild implications", 2022), which
    // takes the constants as the paper prints them.
    const ScalingLaw printed{1.69, 406.4, 410.7, 0.34, 0.28};
    CHECK(loss_of(printed, 280e9, 300e9) == Approx(1.993).margin(0.001));
    CHECK(loss_of(printed, 70e9, 1.4e12) == Approx(1.936).margin(0.001));
    CHECK(loss_of(published_law(ScalingFit::hoffmann), 70e9, 1.4e12) == Approx(1.936).margin(0.02));
}

TEST_CASE("for Gopher's budget the published fit asks for 40 billion parameters, the refit for Chinchilla", "[planner][scaling]") {
    // Method: Hoffmann et al., figure 4: 40 B; Besiroglu et al.: their refit agrees with the 70 B and 1.4 T that were
    // trained. 5.76e23 FLOP.
    CHECK(optimal_parameters(published_law(ScalingFit::hoffmann), 5.76e23) == Approx(40e9).epsilon(0.02));
    const double refit = optimal_parameters(published_law(ScalingFit::besiroglu), 5.76e23);
    CHECK(refit == Approx(70e9).epsilon(0.05));
    CHECK(5.76e23 / (6.0 * refit) == Approx(1.4e12).epsilon(0.06));
}

TEST_CASE("tokens for a loss and tokens of an optimum are inverses", "[planner][scaling]") {
    // Method: there and back; no model goes below what is irreducible.
    for (const ScalingFit fit : {ScalingFit::besiroglu, ScalingFit::hoffmann}) {
        const ScalingLaw law = published_law(fit);
        const auto tokens = tokens_for_loss(law, 8e9, loss_of(law, 8e9, 2e12));
        REQUIRE(tokens.has_value());
        CHECK(*tokens == Approx(2e12));
        const double best = optimal_tokens(law, 8e9);
        CHECK(optimal_parameters(law, 6.0 * 8e9 * best) == Approx(8e9));
        CHECK_FALSE(tokens_for_loss(law, 8e9, law.irreducible).has_value());
        // At the optimum no exchange of size for data lowers the loss of the same budget.
        CHECK(loss_of(law, 8e9, best) < loss_of(law, 8e9 * 1.1, best / 1.1));
        CHECK(loss_of(law, 8e9, best) < loss_of(law, 8e9 / 1.1, best * 1.1));
    }
}

TEST_CASE("the critical batch doubles with every 13 % of loss, and doubles the tokens", "[planner][scaling]") {
    // Method: Kaplan et al., arXiv 2001.08361, section 5.1 ("doubles for every 13 % decrease in loss"); McCandlish et al.:
    // at the critical batch twice the least tokens, at a tenth of it a tenth more.
    CHECK(critical_batch(0.87 * 2.5) / critical_batch(2.5) == Approx(2.0).epsilon(0.05));
    CHECK(batch_token_factor(1e6, 0.0, 1e6) == Approx(2.0));
    CHECK(batch_token_factor(1e5, 0.0, 1e6) == Approx(1.1));
    CHECK(batch_token_factor(4e6, 4e6, 1e6) == 1.0);
}
