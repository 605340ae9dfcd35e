// Rounding and the matrix instructions of the emulated GPU.
#include "kernels/cuda/prepare_library_multiply.hpp"
#include "tests/kernels/emulated_gpu.hpp"

#include <algorithm>

namespace orrery::testing {

float EmulatedLane::bf16_half(std::uint32_t word, int half) {
    return cuda::widen(cuda::Bf16{static_cast<std::uint16_t>(half == 0 ? word : word >> 16)});
}
float EmulatedLane::fp16_half(std::uint32_t word, int half) { return static_cast<float>(cuda::value_of_half(static_cast<std::uint16_t>(half == 0 ? word : word >> 16))); }

cuda::Half EmulatedLane::narrow_half(float x) {
    if (std::isnan(x)) return {0x7fff};
    return {cuda::half_from(x)};
}

cuda::Bf16 EmulatedLane::narrow(float x) {
    const auto bits = __builtin_bit_cast(std::uint32_t, x);
    if (std::isnan(x)) return {0x7fff};   // as cvt does (PTX ISA)
    return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}

// Layout of m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): with g = lane / 4 and t = lane % 4, register a0 holds
// row g, columns 2t and 2t + 1; a1 row g + 8; a2 and a3 the same with 8 more columns. b0 holds rows 2t and 2t + 1 of
// column g, b1 those 8 further down. d0, d1 are row g, columns 2t and 2t + 1; d2, d3 row g + 8.
void EmulatedLane::multiply(const char* what, HalfOf value, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    WarpSlot mine;
    std::copy_n(a, 4, mine.words.begin());
    std::copy_n(b, 2, mine.words.begin() + 4);
    const auto& slots = meet(what, mine);
    for (int i = 0; i < 4; ++i) {
        const int row = lane() / 4 + (i >= 2 ? 8 : 0);
        const int column = 2 * (lane() % 4) + i % 2;
        double sum = static_cast<double>(d[i]);
        for (int k = 0; k < 16; ++k) {
            const auto& left = slots[static_cast<std::size_t>(row % 8 * 4 + k % 8 / 2)];
            const auto& right = slots[static_cast<std::size_t>(column * 4 + k % 8 / 2)];
            const float x = value(left.words[static_cast<std::size_t>((row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0))], k % 2);
            const float y = value(right.words[static_cast<std::size_t>(4 + (k >= 8 ? 1 : 0))], k % 2);
            sum += static_cast<double>(x) * static_cast<double>(y);
        }
        d[i] = static_cast<float>(sum);
    }
}

// Layout of the sparse m16n8k32 (PTX ISA, "Matrix Fragments for sparse mma.m16n8k32 with .f16/.bf16 types"): the sixteen
// kept columns of a lie as the columns of a dense m16n8k16; register r of b holds rows 8 r + 2t and the next of column g.
// Lanes 4g + 2 part and the next hold where the values of columns 0 to 15 and 16 to 31 stood: row g in the low half of the
// word and row g + 8 in the high one, two bits for each kept value, rising in each four columns.
void EmulatedLane::multiply_sparse(const char* what, HalfOf value, int part, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4],
                                   std::uint32_t kept) {
    WarpSlot mine;
    std::copy_n(a, 4, mine.words.begin());
    std::copy_n(b, 4, mine.words.begin() + 4);
    mine.words[8] = kept;
    const auto& slots = meet(what, mine);
    for (int i = 0; i < 4; ++i) {
        const int row = lane() / 4 + (i >= 2 ? 8 : 0);
        const int column = 2 * (lane() % 4) + i % 2;
        double sum = static_cast<double>(d[i]);
        for (int k = 0; k < 16; ++k) {   // kept columns
            const std::uint32_t places = slots[static_cast<std::size_t>(row % 8 * 4 + 2 * part + k / 8)].words[8] >> (row >= 8 ? 16 : 0);
            const std::uint32_t place = (places >> (2 * (k % 8))) & 3U;
            if (k % 2 == 0 && place >= ((places >> (2 * (k % 8) + 2)) & 3U)) throw EmulationError("places of mma.sp that do not rise");
            const int depth = k / 2 * 4 + static_cast<int>(place);
            const auto& left = slots[static_cast<std::size_t>(row % 8 * 4 + k % 8 / 2)];
            const auto& right = slots[static_cast<std::size_t>(column * 4 + depth % 8 / 2)];
            const float x = value(left.words[static_cast<std::size_t>((row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0))], k % 2);
            const float y = value(right.words[static_cast<std::size_t>(4 + depth / 8)], depth % 2);
            sum += static_cast<double>(x) * static_cast<double>(y);
        }
        d[i] = static_cast<float>(sum);
    }
}

// PTX ISA, "ldmatrix": lane i gives the address of row i % 8 of tile i / 8; register j gets of tile j, row lane / 4, the
// values 2 (lane % 4) and the next.
void EmulatedLane::load_matrices(std::uint32_t (&r)[4], const void* shared_row) {
    WarpSlot mine;
    mine.address = shared_row;
    require_shared(shared_row, 16);
    if (reinterpret_cast<std::uintptr_t>(shared_row) % 16 != 0) throw EmulationError("ldmatrix from an address that is no multiple of 16");
    const auto& slots = meet("ldmatrix", mine);
    for (int j = 0; j < 4; ++j) {
        const void* row = slots[static_cast<std::size_t>(j * 8 + lane() / 4)].address;
        std::memcpy(&r[j], static_cast<const std::byte*>(row) + 4 * (lane() % 4), 4);
    }
}

void EmulatedLane::load_matrices_transposed(std::uint32_t (&r)[4], const void* shared_row) {
    WarpSlot mine;
    mine.address = shared_row;
    require_shared(shared_row, 16);
    if (reinterpret_cast<std::uintptr_t>(shared_row) % 16 != 0) throw EmulationError("ldmatrix from an address that is no multiple of 16");
    const auto& slots = meet("ldmatrix.trans", mine);
    for (int j = 0; j < 4; ++j) {
        std::uint16_t halves[2];
        for (int i = 0; i < 2; ++i) {
            const void* row = slots[static_cast<std::size_t>(j * 8 + 2 * (lane() % 4) + i)].address;
            std::memcpy(&halves[i], static_cast<const std::byte*>(row) + 2 * (lane() / 4), 2);
        }
        r[j] = static_cast<std::uint32_t>(halves[0]) | (static_cast<std::uint32_t>(halves[1]) << 16);
    }
}

}  // namespace orrery::testing
