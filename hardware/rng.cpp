// The generator behind every random draw.
#include "hardware/rng.hpp"

#include "hardware/result.hpp"

#include <cmath>

namespace orrery {
namespace {

std::uint64_t splitmix64(std::uint64_t& state) {  // Steele, Lea & Flood, OOPSLA 2014
    std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

constexpr std::uint64_t rotate_left(std::uint64_t x, unsigned k) { return (x << k) | (x >> (64U - k)); }

}  // namespace

Rng::Rng(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = splitmix64(seed);
}

Rng Rng::stream(std::uint64_t seed, std::string_view kind, std::uint64_t id) {
    std::uint64_t mixed = seed;
    std::uint64_t key = splitmix64(mixed) ^ fnv1a(kind);
    key = splitmix64(key) ^ (id * 0x9E3779B97F4A7C15ULL);
    return Rng(splitmix64(key));
}

std::uint64_t Rng::next() {
    const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate_left(state_[3], 45);
    return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

std::uint64_t Rng::below(std::uint64_t bound) {
    ORRERY_CHECK(bound >= 1);
    const std::uint64_t limit = bound * ((~std::uint64_t{0}) / bound);
    std::uint64_t draw = next();
    while (draw >= limit) draw = next();
    return draw % bound;
}

double Rng::normal() {  // Marsaglia & Bray, SIAM Review 6(3), 1964
    if (has_spare_) {
        has_spare_ = false;
        return spare_;
    }
    double u = 0.0;
    double v = 0.0;
    double s = 0.0;
    do {
        u = 2.0 * uniform() - 1.0;
        v = 2.0 * uniform() - 1.0;
        s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    const double scale = std::sqrt(-2.0 * std::log(s) / s);
    spare_ = v * scale;
    has_spare_ = true;
    return u * scale;
}

double Rng::exponential() { return -std::log1p(-uniform()); }

}  // namespace orrery
