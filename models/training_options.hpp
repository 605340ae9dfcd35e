// Options of a training beside its optimizer: regularisation, compressed gradients, packed sequences, frozen parts.
#pragma once

#include "hardware/fields.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace orrery {

/// What is added against overfitting or for better averages.
struct Regularization {
    std::optional<double> dropout;      // absent: with unfused attention, as the recipes of GPT-2 and GPT-3
    bool label_smoothing = false;
    double layer_drop = 0.0;            // mean share of layers left out of a step
    bool weight_average = false;        // exponential moving average of the weights
    bool sharpness_aware = false;       // SAM: a second pass at perturbed weights
    bool operator==(const Regularization&) const = default;

    static constexpr auto fields() {
        using R = Regularization;
        return std::tuple{
            field("dropout", &R::dropout, Range{0.0, 0.95},
                  "Dropout after attention and MLP: masks are kept and moved; absent: with unfused attention only."),
            field("label_smoothing", &R::label_smoothing, any_value,
                  "Mean of all log-probabilities in the loss: 8 bytes a logit more."),
            field("layer_drop", &R::layer_drop, Range{0.0, 0.9},
                  "Mean share of decoder layers skipped in a step, alike on all devices (Huang et al., arXiv 1603.09382; "
                  "Fan et al., arXiv 1909.11556); memory is for none skipped."),
            field("weight_average", &R::weight_average, any_value,
                  "Exponential moving average of the weights: an fp32 copy, 12 bytes a parameter moved a step."),
            field("sharpness_aware", &R::sharpness_aware, any_value,
                  "SAM (Foret et al., arXiv 2010.01412): every step runs forward and backward twice, the first gradient "
                  "is not exchanged, the weights are kept beside the perturbed ones."),
        };
    }
};

enum class Compression : std::uint8_t { none, power_sgd, top_k, one_bit, fp8 };
template <>
struct EnumTable<Compression> {
    static constexpr std::array<EnumName<Compression>, 5> names{{
        {Compression::none, "none", "whole gradients"},
        {Compression::power_sgd, "power-sgd", "two thin factors of each matrix (Vogels et al., arXiv 1905.13727)"},
        {Compression::top_k, "top-k", "the largest entries with their places, gathered (Lin et al., arXiv 1712.01887)"},
        {Compression::one_bit, "one-bit", "signs and a scale, scattered and gathered (Tang et al., arXiv 2102.02888)"},
        {Compression::fp8, "fp8", "8-bit floats with a scale per tensor (Peng et al., arXiv 2310.18313)"},
    }};
};

struct GradientCompression {
    Compression kind = Compression::none;
    int rank = 4;
    double density = 0.001;
    bool operator==(const GradientCompression&) const = default;

    static constexpr auto fields() {
        using G = GradientCompression;
        return std::tuple{
            field("kind", &G::kind, any_value, "Method; all but fp8 keep an fp32 error of every gradient."),
            field("rank", &G::rank, count, "Of power-sgd: width of the factors.", "arXiv 1905.13727: rank 4 for transformers"),
            field("density", &G::density, Range{0.0, 1.0, true}, "Of top-k: share of entries sent.",
                  "arXiv 1712.01887: 0.1 %"),
        };
    }
};

/// Documents of a mean length packed into each sequence, attention masked between them.
struct Packing {
    int mean_document = 0;             // tokens; 0: one document a sequence
    double length_variation = 0.0;     // standard deviation of lengths over their mean
    bool operator==(const Packing&) const = default;

    /// Length of equal documents with as many attention pairs: sum l^2 / sum l = mean (1 + variation^2).
    [[nodiscard]] double equal_length(double sequence) const {
        if (mean_document == 0) return sequence;
        const double length = mean_document * (1.0 + length_variation * length_variation);
        return length < sequence ? length : sequence;
    }

    static constexpr auto fields() {
        using P = Packing;
        return std::tuple{
            field("mean_document", &P::mean_document, non_negative, "Mean tokens of a document; 0: no packing."),
            field("length_variation", &P::length_variation, non_negative,
                  "Standard deviation of document lengths over their mean: long ones dominate attention."),
        };
    }
};

struct Frozen {
    bool embedding = false;
    int first_layers = 0;              // the embedding too: nothing below the first trained layer needs a gradient
    bool operator==(const Frozen&) const = default;

    static constexpr auto fields() {
        using F = Frozen;
        return std::tuple{
            field("embedding", &F::embedding, any_value, "The embedding is not trained."),
            field("first_layers", &F::first_layers, non_negative,
                  "So many first layers, and the embedding, are not trained: no backward pass, nothing kept for one."),
        };
    }
};

}  // namespace orrery
