// The quantiles, by kind of training.
#include "sim/expected_error.hpp"

#include "sim/training.hpp"

namespace orrery {
namespace {

struct ErrorQuantiles {
    double low;
    double high;
    const char* basis;
};

// 5 and 95 % quantiles of measured / predicted step time over the 685 published runs that `orrery validate` predicts,
// 2026-11-25; the constants were fitted on the same runs.
constexpr ErrorQuantiles dense_quantiles{0.90, 1.14, "548 published dense trainings on compared devices"};
constexpr ErrorQuantiles mixture_quantiles{0.84, 1.22, "98 published mixture trainings whose software recipe is stated"};
constexpr ErrorQuantiles unknown_mixture_quantiles{0.68, 1.60, "39 published mixture trainings whose software recipe is not stated"};
constexpr ErrorQuantiles layered_quantiles{0.84, 1.52, "393 published trainings of convolutional and diffusion networks"};
// Leaving one source out of a fit cost 13 to 24 % mean error on it.
constexpr ErrorQuantiles unseen_quantiles{0.75, 1.25, "assumed: no published training of this device was compared"};

}  // namespace

ExpectedError expected_error(const Cluster& cluster, const TrainingRun& run) {
    ErrorQuantiles quantiles = dense_quantiles;
    if (run.family) {
        quantiles = layered_quantiles;
    } else if (run.architecture.experts > 0) {
        quantiles = run.spec.token_dispatcher ? mixture_quantiles : unknown_mixture_quantiles;
    }
    if (cluster.device.calibration->training_source.empty() && quantiles.low > unseen_quantiles.low) quantiles = unseen_quantiles;
    return {quantiles.low, quantiles.high, quantiles.basis};
}

}  // namespace orrery
