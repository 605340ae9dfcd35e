// Optimizers as a table: what each keeps of a parameter, what it moves, computes and exchanges in a step.
#pragma once

#include "hardware/data_type.hpp"
#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace orrery {

enum class Optimizer : std::uint8_t { sgd, adam, adamw, adam_8bit, adafactor, lamb, lars, muon, shampoo, soap };
template <>
struct EnumTable<Optimizer> {
    static constexpr std::array<EnumName<Optimizer>, 10> names{{
        {Optimizer::sgd, "sgd", "stochastic gradient descent with momentum: fp32 master and one moment"},
        {Optimizer::adam, "adam", "Adam (Kingma & Ba, arXiv 1412.6980): fp32 master and two moments"},
        {Optimizer::adamw, "adamw", "Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101)"},
        {Optimizer::adam_8bit, "adam-8bit", "Adam with block-wise 8-bit moments (Dettmers et al., arXiv 2110.02861)"},
        {Optimizer::adafactor, "adafactor", "rows and columns of the second moment, no first (Shazeer & Stern, arXiv 1804.04235)"},
        {Optimizer::lamb, "lamb", "Adam with a trust ratio per tensor: two norms across shards (You et al., arXiv 1904.00962)"},
        {Optimizer::lars, "lars", "momentum with a trust ratio per tensor: two norms across shards (You et al., arXiv 1708.03888)"},
        {Optimizer::muon, "muon", "momentum made orthogonal, five products a step (Liu et al., arXiv 2502.16982): fp32 master, one moment"},
        {Optimizer::shampoo, "shampoo", "inverse roots of blocked Kronecker factors, grafted (Shi et al., arXiv 2309.06497)"},
        {Optimizer::soap, "soap", "Adam in the eigenbasis of Shampoo's factors (Vyas et al., arXiv 2409.11321)"},
    }};
};

/// How an optimizer is run; each default is what its paper or reference implementation does.
struct OptimizerSettings {
    DataType master = DataType::fp32;         // of the copy that is updated; 16 bit: the weights themselves
    DataType first_moment = DataType::fp32;
    DataType second_moment = DataType::fp32;
    int preconditioner_size = 0;              // 0: as the optimizer's reference implementation
    int preconditioner_interval = 0;          // steps between new roots or bases; 0: likewise
    bool gradient_clipping = false;           // price the exchange of the global norm
    bool operator==(const OptimizerSettings&) const = default;

    static constexpr auto fields() {
        using O = OptimizerSettings;
        return std::tuple{
            field("master", &O::master, any_value,
                  "Format of the copy that is updated; bf16 or fp16: the weights themselves, no copy."),
            field("first_moment", &O::first_moment, any_value,
                  "Format of the first moment: fp32, bf16, fp16 or fp8 (DeepSeek-V3 keeps bf16, arXiv 2412.19437)."),
            field("second_moment", &O::second_moment, any_value, "Format of the second moment: fp32, bf16, fp16 or fp8."),
            field("preconditioner_size", &O::preconditioner_size, non_negative,
                  "Shampoo: side of a block; SOAP: longest side that gets a basis. 0: 1024 and 10000, as published."),
            field("preconditioner_interval", &O::preconditioner_interval, non_negative,
                  "Steps between two computations of roots or bases. 0: 50 (Shampoo) and 10 (SOAP), as published."),
            field("gradient_clipping", &O::gradient_clipping, any_value,
                  "Price the exchange of the gradients' global norm, which waits for all of them."),
        };
    }
};

/// What is done to a matrix's momentum before it is added.
enum class Preconditioning : std::uint8_t { none, orthogonal, inverse_roots, eigenbasis };

/// One optimizer: moments as elements per parameter, and what it adds to one pass over them.
struct OptimizerRule {
    Optimizer kind;
    double first_moments = 0.0;
    double second_moments = 0.0;      // of full size; a factored one keeps rows + columns of each matrix instead
    bool is_factored = false;
    double moment_bytes = 0.0;        // of one moment, where the method fixes its format; 0: as the settings say
    Preconditioning preconditioning = Preconditioning::none;
    bool has_tensor_norms = false;    // two sums a tensor across whoever holds its shards
    double extra_bytes = 0.0;         // moved per parameter beside gradient, master, weight and moments
    int preconditioner_size = 0;
    int preconditioner_interval = 1;
};
const OptimizerRule& optimizer_rule(Optimizer kind);
std::span<const OptimizerRule> optimizer_rules();

/// One rank's share of `count` equal matrices of a layer.
struct MatrixShape {
    double rows = 0;
    double columns = 0;
    double count = 1;
    bool is_expert = false;
    [[nodiscard]] double elements() const { return rows * columns * count; }
};

/// Bytes per parameter of the moments (of the full-size ones) and of the master copy beside 16-bit weights.
double moment_bytes(Optimizer kind, const OptimizerSettings& settings);
double master_bytes(const OptimizerSettings& settings);

/// Bytes that a step moves per owned parameter beyond (less: below) AdamW's with fp32 states, which the framework
/// profiles were compared with.
double moved_beyond_adamw(Optimizer kind, const OptimizerSettings& settings);

/// What preconditioners and factored moments cost for the matrices of one rank, nothing shared with others.
struct MatrixCost {
    Bytes bytes;             // kept: factors, roots or bases, rows and columns
    Flop products;           // every step: matrix products
    Flop refresh;            // every step, mean: roots and bases
    Bytes refresh_traffic;   // every step, mean: of the reduction to tridiagonal form, bound by memory
    double tensors = 0;      // matrices: each has two norms
    double largest = 0;      // elements of the largest matrix
};
MatrixCost matrix_cost(Optimizer kind, const OptimizerSettings& settings, std::span<const MatrixShape> matrices);

}  // namespace orrery
