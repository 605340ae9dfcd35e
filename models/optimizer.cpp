// The table of optimizers and the sums that follow from it.
#include "models/optimizer.hpp"

#include "hardware/result.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

// Block-wise quantisation keeps one fp32 maximum for 2048 8-bit values (arXiv 2110.02861, section 2.1).
constexpr double bytes_of_8bit_moment = 1.0 + 4.0 / 2048.0;

// Moved beside a plain pass, in fp32 elements of 4 bytes, by the steps of the published algorithms:
// LAMB writes the update and reads it back, reads the weights again, and sums squares of both (NVIDIA's multi-tensor
// LAMB: two stages and two norms); LARS sums squares of weights and gradients; Adafactor sums rows and columns, writes
// the update, sums its squares and reads it back. Muon casts to 16 bit and back. Shampoo reads the gradient for two
// factors, writes and reads two products, and the grafted direction once each way; SOAP turns gradient, momentum and
// update by two products each, read and written.
constexpr double lamb_extra = 20.0;
constexpr double lars_extra = 8.0;
constexpr double adafactor_extra = 16.0;
constexpr double muon_extra = 8.0;
constexpr double shampoo_extra = 32.0;
constexpr double soap_extra = 56.0;

// Sizes and intervals: Distributed Shampoo's default block and the 50 steps of its ImageNet runs (arXiv 2309.06497,
// section 4 and table 2); SOAP's reference implementation and section 6 of arXiv 2409.11321.
constexpr int shampoo_block = 1024;
constexpr int shampoo_interval = 50;
constexpr int soap_side_max = 10000;
constexpr int soap_interval = 10;

constexpr auto rules = std::to_array<OptimizerRule>({
    {.kind = Optimizer::sgd, .first_moments = 1.0},
    {.kind = Optimizer::adam, .first_moments = 1.0, .second_moments = 1.0},
    {.kind = Optimizer::adamw, .first_moments = 1.0, .second_moments = 1.0},
    {.kind = Optimizer::adam_8bit, .first_moments = 1.0, .second_moments = 1.0, .moment_bytes = bytes_of_8bit_moment},
    {.kind = Optimizer::adafactor, .is_factored = true, .has_tensor_norms = true, .extra_bytes = adafactor_extra},
    {.kind = Optimizer::lamb,
     .first_moments = 1.0,
     .second_moments = 1.0,
     .has_tensor_norms = true,
     .extra_bytes = lamb_extra},
    {.kind = Optimizer::lars, .first_moments = 1.0, .has_tensor_norms = true, .extra_bytes = lars_extra},
    {.kind = Optimizer::muon,
     .first_moments = 1.0,
     .preconditioning = Preconditioning::orthogonal,
     .extra_bytes = muon_extra},
    {.kind = Optimizer::shampoo,
     .first_moments = 1.0,
     .second_moments = 1.0,
     .preconditioning = Preconditioning::inverse_roots,
     .extra_bytes = shampoo_extra,
     .preconditioner_size = shampoo_block,
     .preconditioner_interval = shampoo_interval},
    {.kind = Optimizer::soap,
     .first_moments = 1.0,
     .second_moments = 1.0,
     .preconditioning = Preconditioning::eigenbasis,
     .extra_bytes = soap_extra,
     .preconditioner_size = soap_side_max,
     .preconditioner_interval = soap_interval},
});

constexpr double fp32 = 4.0;

double square(double x) { return x * x; }
double cube(double x) { return x * x * x; }

/// One side of a matrix cut into blocks of at most `size`: the sums over blocks of size, size^2 and size^3.
struct BlockedSide {
    double blocks = 0;
    double squares = 0;
    double cubes = 0;
};

BlockedSide blocked_side(double length, double size) {
    const double whole = std::floor(length / size);
    const double rest = length - whole * size;
    return {whole + (rest > 0.0 ? 1.0 : 0.0), whole * square(size) + square(rest), whole * cube(size) + cube(rest)};
}

/// Shampoo: each block of a matrix has a left and a right factor and their inverse fourth roots, all symmetric.
void add_inverse_roots(const MatrixShape& matrix, double size, double interval, MatrixCost& cost) {
    const BlockedSide rows = blocked_side(matrix.rows, size);
    const BlockedSide columns = blocked_side(matrix.columns, size);
    const double elements = rows.squares * columns.blocks + columns.squares * rows.blocks;
    const double cubes = rows.cubes * columns.blocks + columns.cubes * rows.blocks;
    cost.bytes += Bytes::from_si(matrix.count * 2.0 * fp32 * elements);
    // G G^T and G^T G, and both roots applied: 2 flop an element and side each.
    const double side_products = matrix.columns * rows.squares + matrix.rows * columns.squares;
    cost.products += Flop::from_si(matrix.count * 4.0 * side_products);
    // A symmetric eigenproblem with vectors takes about 9 n^3, the root from it 2 n^3 more; of the reduction to
    // tridiagonal form half the flop are matrix-vector products, which read the shrinking matrix n times (Golub & Van
    // Loan, "Matrix Computations", section 8.3; Dongarra et al., J. Comp. Appl. Math. 27, 1989).
    cost.refresh += Flop::from_si(matrix.count * 11.0 * cubes / interval);
    cost.refresh_traffic += Bytes::from_si(matrix.count * fp32 / 3.0 * cubes / interval);
}

/// SOAP: factors and bases of the sides that are not too long; a QR step refreshes a basis.
void add_eigenbasis(const MatrixShape& matrix, double side_max, double interval, MatrixCost& cost) {
    const double m = matrix.rows <= side_max ? matrix.rows : 0.0;
    const double n = matrix.columns <= side_max ? matrix.columns : 0.0;
    cost.bytes += Bytes::from_si(matrix.count * 2.0 * fp32 * (square(m) + square(n)));
    // The factors' update, and gradient, momentum and update turned: four products a side.
    cost.products +=
        Flop::from_si(matrix.count * 8.0 * (square(m) * matrix.columns + square(n) * matrix.rows));
    // One product and a Householder QR with its factor made explicit: 2 n^3 + 8/3 n^3 (Golub & Van Loan, 5.2).
    cost.refresh += Flop::from_si(matrix.count * (2.0 + 8.0 / 3.0) * (cube(m) + cube(n)) / interval);
}

/// Bytes of one pass over moments, master and gradient, and the write of the 16-bit weight.
double moved(const OptimizerRule& rule, const OptimizerSettings& settings) {
    const double master = master_bytes(settings);
    const double weight = master > 0.0 ? 2.0 + 2.0 * master : 4.0;
    return fp32 + weight + 2.0 * moment_bytes(rule.kind, settings) + rule.extra_bytes;
}

}  // namespace

std::span<const OptimizerRule> optimizer_rules() { return rules; }

const OptimizerRule& optimizer_rule(Optimizer kind) {
    const auto* found = std::find_if(rules.begin(), rules.end(), [&](const OptimizerRule& r) { return r.kind == kind; });
    ORRERY_CHECK(found != rules.end());
    return *found;
}

double moment_bytes(Optimizer kind, const OptimizerSettings& settings) {
    const OptimizerRule& rule = optimizer_rule(kind);
    const auto bytes_of = [&](DataType type) { return rule.moment_bytes > 0.0 ? rule.moment_bytes : element_bytes(type); };
    return rule.first_moments * bytes_of(settings.first_moment) + rule.second_moments * bytes_of(settings.second_moment);
}

double master_bytes(const OptimizerSettings& settings) {
    return element_bytes(settings.master) > 2.0 ? element_bytes(settings.master) : 0.0;
}

double moved_beyond_adamw(Optimizer kind, const OptimizerSettings& settings) {
    return moved(optimizer_rule(kind), settings) - moved(optimizer_rule(Optimizer::adamw), {});
}

MatrixCost matrix_cost(Optimizer kind, const OptimizerSettings& settings, std::span<const MatrixShape> matrices) {
    const OptimizerRule& rule = optimizer_rule(kind);
    const double size = settings.preconditioner_size > 0 ? settings.preconditioner_size : rule.preconditioner_size;
    const double interval =
        settings.preconditioner_interval > 0 ? settings.preconditioner_interval : rule.preconditioner_interval;
    MatrixCost cost;
    for (const MatrixShape& matrix : matrices) {
        cost.tensors += matrix.count;
        cost.largest = std::max(cost.largest, matrix.rows * matrix.columns);
        if (rule.is_factored) cost.bytes += Bytes::from_si(matrix.count * fp32 * (matrix.rows + matrix.columns));
        if (rule.preconditioning == Preconditioning::inverse_roots) add_inverse_roots(matrix, size, interval, cost);
        if (rule.preconditioning == Preconditioning::eigenbasis) add_eigenbasis(matrix, size, interval, cost);
    }
    return cost;
}

}  // namespace orrery
