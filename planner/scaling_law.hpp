// How many tokens a model needs: Chinchilla's law with both published fits, and what large batches add.
#pragma once

#include "hardware/fields.hpp"

#include <optional>

namespace orrery {

/// Loss of a model of N parameters after D tokens: E + A / N^alpha + B / D^beta, nats per token.
struct ScalingLaw {
    double irreducible = 0.0;   // E
    double of_model = 0.0;      // A
    double of_data = 0.0;       // B
    double alpha = 0.0;
    double beta = 0.0;
    bool operator==(const ScalingLaw&) const = default;
};

enum class ScalingFit : std::uint8_t { besiroglu, hoffmann };
template <>
struct EnumTable<ScalingFit> {
    static constexpr std::array<EnumName<ScalingFit>, 2> names{{
        {ScalingFit::besiroglu, "besiroglu", "refit of the same runs: Besiroglu et al., arXiv 2404.10102, 2024"},
        {ScalingFit::hoffmann, "hoffmann", "as published: Hoffmann et al., arXiv 2203.15556, 2022, approach 3"},
    }};
};

/// The published constants. Hoffmann's with the digits of the paper's source, as Besiroglu et al. quote them.
ScalingLaw published_law(ScalingFit fit);

double loss_of(const ScalingLaw& law, double parameters, double tokens);

/// Tokens after which a model has come down to `loss`; nothing where it never does.
std::optional<double> tokens_for_loss(const ScalingLaw& law, double parameters, double loss);

/// Of a budget of C = 6 N D: the model that the law calls best, G (C / 6)^(beta / (alpha + beta)) with
/// G = (alpha A / beta B)^(1 / (alpha + beta)). Hoffmann et al., equation 4.
double optimal_parameters(const ScalingLaw& law, double flop);

/// Tokens of the budget for which a model of that size is best.
double optimal_tokens(const ScalingLaw& law, double parameters);

/// Tokens in a batch at which twice the least steps and twice the least tokens are needed: B* / L^(1 / 0.21) with
/// B* = 2e8 (Kaplan et al., arXiv 2001.08361, 2020, section 5.1).
double critical_batch(double loss);

/// Tokens that a batch needs over those that `reference` does: (1 + batch / critical) / (1 + reference / critical), from
/// (S / S_min - 1) (E / E_min - 1) = 1. McCandlish et al., arXiv 1812.06162, 2018, equation 2.11.
double batch_token_factor(double batch, double reference, double critical);

/// The law and the batches of a scenario.
struct ScalingSpec {
    ScalingFit law = ScalingFit::besiroglu;
    double critical = 0.0;
    double reference = 0.0;
    bool operator==(const ScalingSpec&) const = default;
    static constexpr auto fields() {
        using S = ScalingSpec;
        return std::tuple{
            field("law", &S::law, any_value, "The fit that tells losses and tokens; the other one tells how unsure that is.",
                  "E 1.8172, A 482.01, B 2085.43, alpha 0.3478, beta 0.3658: arXiv 2404.10102, 2024, dense decoders on MassiveText"),
            field("critical_batch", &S::critical, positive,
                  "Tokens of the batch from which more of it saves less than half as many steps; absent: 2e8 / loss^4.76, "
                  "arXiv 2001.08361, 2020."),
            field("reference_batch", &S::reference, positive,
                  "Tokens of the batch at which the tokens hold; absent: the scenario's own batch where a goal gives tokens, "
                  "else 3 M (Chinchilla's, arXiv 2203.15556, table 4)."),
        };
    }
};
inline constexpr double chinchilla_batch = 3e6;   // tokens, at the end of training; Hoffmann et al., table 4

}  // namespace orrery
