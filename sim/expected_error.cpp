// The quantiles, by kind of training.
#include "sim/expected_error.hpp"

#include "sim/training.hpp"

#include <algorithm>
#include <variant>

namespace orrery {
namespace {

struct ErrorQuantiles {
    double low;
    double high;
    const char* basis;
    const char* kind = "";
};

// 5 and 95 % quantiles of measured / predicted step time over the 1,491 published runs that `orrery validate` predicts,
// 2026-11-25; the constants were fitted on the same runs.
constexpr ErrorQuantiles dense_quantiles{0.90, 1.14, "558 published trainings of dense decoders", "dense decoders"};
constexpr ErrorQuantiles mixture_quantiles{0.87, 1.24, "74 published mixture trainings whose token dispatcher is stated",
                                           "mixtures, dispatcher stated"};
constexpr ErrorQuantiles unknown_mixture_quantiles{0.83, 1.49,
                                                   "63 published mixture trainings whose token dispatcher is not stated",
                                                   "mixtures, dispatcher not stated"};
constexpr ErrorQuantiles encoder_quantiles{0.84, 1.28, "298 published trainings of encoders and translators",
                                          "encoders and translators"};
constexpr ErrorQuantiles convolution_quantiles{0.87, 1.41, "393 published trainings of convolutional and diffusion networks",
                                              "convolutional and diffusion networks"};
constexpr ErrorQuantiles recurrent_quantiles{0.76, 1.45, "105 published trainings of recommenders and recurrent networks",
                                            "recommenders and recurrent networks"};
// What no run of the device, or none under the software, was compared with: leaving each source out of the fit, nine of
// ten of its runs were within about a quarter (`orrery validate --leave-one-source-out`).
constexpr ErrorQuantiles unseen_device{0.75, 1.25, "assumed: no published training of this device was compared"};
constexpr ErrorQuantiles unseen_framework{0.75, 1.25, "assumed: no published training under this framework profile was compared"};

bool is_recurrent_or_recommender(const ModelFamily& family) {
    return std::holds_alternative<Dlrm>(family) || std::holds_alternative<Gnmt>(family) ||
           std::holds_alternative<RnnTransducer>(family);
}

const ErrorQuantiles& quantiles_of(const TrainingRun& run) {
    if (run.family) return is_recurrent_or_recommender(*run.family) ? recurrent_quantiles : convolution_quantiles;
    if (run.architecture.experts > 0) return run.spec.token_dispatcher ? mixture_quantiles : unknown_mixture_quantiles;
    if (run.architecture.bidirectional || run.architecture.encoder_layers > 0) return encoder_quantiles;
    return dense_quantiles;
}

}  // namespace

ExpectedError expected_error(const Cluster& cluster, const TrainingRun& run) {
    ErrorQuantiles quantiles = quantiles_of(run);
    const auto widen = [&](const ErrorQuantiles& unseen) {
        quantiles = {std::min(quantiles.low, unseen.low), std::max(quantiles.high, unseen.high), unseen.basis, quantiles.kind};
    };
    if (run.framework.compared_with.empty()) widen(unseen_framework);
    if (cluster.device.calibration->training_source.empty() && cluster.device.calibration->convolution_source.empty())
        widen(unseen_device);
    return {quantiles.low, quantiles.high, quantiles.basis, quantiles.kind};
}

}  // namespace orrery
