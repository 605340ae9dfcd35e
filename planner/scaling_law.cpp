// Chinchilla's law, its inverse and its optimum.
#include "planner/scaling_law.hpp"

#include <cmath>

namespace orrery {

ScalingLaw published_law(ScalingFit fit) {
    if (fit == ScalingFit::hoffmann) return {1.69337368, 406.401018, 410.722827, 0.33917084, 0.2849083};
    return {1.8172, 482.01, 2085.43, 0.3478, 0.3658};
}

double loss_of(const ScalingLaw& law, double parameters, double tokens) {
    return law.irreducible + law.of_model / std::pow(parameters, law.alpha) + law.of_data / std::pow(tokens, law.beta);
}

std::optional<double> tokens_for_loss(const ScalingLaw& law, double parameters, double loss) {
    const double of_data = loss - law.irreducible - law.of_model / std::pow(parameters, law.alpha);
    if (of_data <= 0.0) return std::nullopt;
    return std::pow(law.of_data / of_data, 1.0 / law.beta);
}

namespace {

double optimum_scale(const ScalingLaw& law) {
    return std::pow(law.alpha * law.of_model / (law.beta * law.of_data), 1.0 / (law.alpha + law.beta));
}

}  // namespace

double optimal_parameters(const ScalingLaw& law, double flop) {
    return optimum_scale(law) * std::pow(flop / 6.0, law.beta / (law.alpha + law.beta));
}

double optimal_tokens(const ScalingLaw& law, double parameters) {
    // From N = G K^(beta / (alpha + beta)), K = N D.
    return std::pow(parameters / optimum_scale(law), (law.alpha + law.beta) / law.beta) / parameters;
}

double critical_batch(double loss) { return 2e8 / std::pow(loss, 1.0 / 0.21); }

double batch_token_factor(double batch, double reference, double critical) {
    return (1.0 + batch / critical) / (1.0 + reference / critical);
}

}  // namespace orrery
