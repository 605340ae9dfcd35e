// Register-only multiply-add loops for AVX2, AVX-512 and AMX; the widest that the processor has is used.
#include "kernels/reference/peaks.hpp"

#include "kernels/reference/operators.hpp"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <chrono>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace orrery {
namespace {

constexpr Index peak_rounds = 4000;    // of one window: some tens of microseconds
constexpr int peak_windows = 1500;     // enough that some are free of neighbours
constexpr int clock_windows = 25;      // enough for the clock of the moment

struct RegisterLoop {
    void (*run)(Index rounds) = nullptr;
    double flop_per_round = 0.0;
};

#if defined(__x86_64__)

// Twelve independent sums hide the latency of four cycles on two ports with room to spare. The empty statements keep the
// compiler from folding the rounds.
#define ORRERY_TWELVE(OP) OP(0) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7) OP(8) OP(9) OP(10) OP(11)

__attribute__((target("avx512f"))) void fp32_avx512(Index rounds) {
    __m512 sum[12];
    for (auto& one : sum) one = _mm512_set1_ps(1.0F);
    const __m512 x = _mm512_set1_ps(0.999F);
    for (Index i = 0; i < rounds; ++i) {
#define ORRERY_STEP(j) sum[j] = _mm512_fmadd_ps(sum[j], x, x); __asm__ volatile("" : "+v"(sum[j]));
        ORRERY_TWELVE(ORRERY_STEP)
#undef ORRERY_STEP
    }
}

__attribute__((target("avx2,fma"))) void fp32_avx2(Index rounds) {
    __m256 sum[12];
    for (auto& one : sum) one = _mm256_set1_ps(1.0F);
    const __m256 x = _mm256_set1_ps(0.999F);
    for (Index i = 0; i < rounds; ++i) {
#define ORRERY_STEP(j) sum[j] = _mm256_fmadd_ps(sum[j], x, x); __asm__ volatile("" : "+x"(sum[j]));
        ORRERY_TWELVE(ORRERY_STEP)
#undef ORRERY_STEP
    }
}

void fp32_sse(Index rounds) {
    __m128 sum[12];
    for (auto& one : sum) one = _mm_set1_ps(1.0F);
    const __m128 x = _mm_set1_ps(0.999F);
    for (Index i = 0; i < rounds; ++i) {
#define ORRERY_STEP(j) sum[j] = _mm_add_ps(_mm_mul_ps(sum[j], x), x); __asm__ volatile("" : "+x"(sum[j]));
        ORRERY_TWELVE(ORRERY_STEP)
#undef ORRERY_STEP
    }
}

__attribute__((target("avx512f,avx512bf16"))) void bf16_avx512(Index rounds) {
    __m512 sum[12];
    for (auto& one : sum) one = _mm512_set1_ps(1.0F);
    const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5F), _mm512_set1_ps(0.5F));
    for (Index i = 0; i < rounds; ++i) {
#define ORRERY_STEP(j) sum[j] = _mm512_dpbf16_ps(sum[j], x, x); __asm__ volatile("" : "+v"(sum[j]));
        ORRERY_TWELVE(ORRERY_STEP)
#undef ORRERY_STEP
    }
}

__attribute__((target("avx512f,avx512vnni"))) void int8_avx512(Index rounds) {
    __m512i sum[12];
    for (auto& one : sum) one = _mm512_set1_epi32(1);
    const __m512i x = _mm512_set1_epi8(1);
    for (Index i = 0; i < rounds; ++i) {
#define ORRERY_STEP(j) sum[j] = _mm512_dpbusd_epi32(sum[j], x, x); __asm__ volatile("" : "+v"(sum[j]));
        ORRERY_TWELVE(ORRERY_STEP)
#undef ORRERY_STEP
    }
}
#undef ORRERY_TWELVE

// Layout of Intel, "Intel 64 and IA-32 Architectures Software Developer's Manual", volume 1, section 18.4.
struct alignas(64) TileShapes {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

__attribute__((target("amx-tile"))) void load_tiles() {
    const TileShapes shapes;
    __asm__ volatile("" : : "r"(&shapes) : "memory");   // g++ 12 takes the call to read eight bytes only
    _tile_loadconfig(&shapes);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
}

__attribute__((target("amx-tile,amx-bf16"))) void bf16_amx(Index rounds) {
    load_tiles();
    for (Index i = 0; i < rounds; ++i) {
        _tile_dpbf16ps(0, 6, 7);
        _tile_dpbf16ps(1, 6, 7);
        _tile_dpbf16ps(2, 6, 7);
        _tile_dpbf16ps(3, 6, 7);
    }
    _tile_release();
}

__attribute__((target("amx-tile,amx-int8"))) void int8_amx(Index rounds) {
    load_tiles();
    for (Index i = 0; i < rounds; ++i) {
        _tile_dpbusd(0, 6, 7);
        _tile_dpbusd(1, 6, 7);
        _tile_dpbusd(2, 6, 7);
        _tile_dpbusd(3, 6, 7);
    }
    _tile_release();
}

// Linux hands out the tile registers on request (Documentation/arch/x86/xstate.rst).
bool tiles_allowed() {
    constexpr long request_permission = 0x1023;   // ARCH_REQ_XCOMP_PERM
    constexpr long tile_data = 18;                // XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

RegisterLoop register_loop(DataType type) {
    constexpr double lanes_512 = 12 * 16 * 2;
    constexpr double tile = 4 * 2 * 16.0 * 16.0;
    const bool wide = __builtin_cpu_supports("avx512f");
    if (type == DataType::bf16) {
        if (__builtin_cpu_supports("amx-bf16") && tiles_allowed()) return {bf16_amx, tile * 32.0};
        if (__builtin_cpu_supports("avx512bf16")) return {bf16_avx512, lanes_512 * 2.0};
        return {};
    }
    if (type == DataType::int8) {
        if (__builtin_cpu_supports("amx-int8") && tiles_allowed()) return {int8_amx, tile * 64.0};
        if (__builtin_cpu_supports("avx512vnni")) return {int8_avx512, lanes_512 * 4.0};
        return {};
    }
    if (wide) return {fp32_avx512, lanes_512};
    if (__builtin_cpu_supports("fma")) return {fp32_avx2, lanes_512 / 2.0};
    return {fp32_sse, lanes_512 / 4.0};
}

#else

void fp32_plain(Index rounds) {
    float sum[32] = {};
    for (Index i = 0; i < rounds; ++i) {
        for (float& one : sum) one = one * 0.999F + 0.999F;
        __asm__ volatile("" : : "r"(sum) : "memory");
    }
}

RegisterLoop register_loop(DataType type) { return type == DataType::fp32 ? RegisterLoop{fp32_plain, 64.0} : RegisterLoop{}; }

#endif

}  // namespace

namespace {

FlopPerSecond best_rate(DataType type, int windows) {
    const RegisterLoop loop = register_loop(type);
    if (loop.run == nullptr) return {};
    double total = 0.0;
#pragma omp parallel reduction(+ : total)
    {
        double least = 1e300;
        for (int window = 0; window < windows; ++window) {
            const auto start = std::chrono::steady_clock::now();
            loop.run(peak_rounds);
            least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
        total += loop.flop_per_round * static_cast<double>(peak_rounds) / least;
    }
    return FlopPerSecond::from_si(total);
}

}  // namespace

FlopPerSecond register_peak(DataType type) { return best_rate(type, peak_windows); }
FlopPerSecond register_rate_now() { return best_rate(DataType::fp32, clock_windows); }

std::string reference_libraries() {
    const dnnl_version_t* version = dnnl_version();
    return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
           std::to_string(version->patch) + ", g++ " + __VERSION__;
}

}  // namespace orrery
