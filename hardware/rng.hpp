// Randomness that is passed in: one independent stream per entity, the same on every machine and thread count.
#pragma once

#include <cstdint>
#include <string_view>

namespace orrery {

/// xoshiro256** 1.0 (Blackman & Vigna, ACM TOMS 47(4), 2021), seeded by splitmix64.
class Rng {
  public:
    explicit Rng(std::uint64_t seed);
    /// The stream of entity `id` of kind `kind` under `seed`; streams of different entities are unrelated.
    static Rng stream(std::uint64_t seed, std::string_view kind, std::uint64_t id);

    std::uint64_t next();
    double uniform();               // [0, 1)
    std::uint64_t below(std::uint64_t bound);  // [0, bound), unbiased; bound >= 1
    double normal();                // mean 0, deviation 1 (polar method)
    double exponential();           // mean 1

  private:
    std::uint64_t state_[4];
    double spare_ = 0.0;
    bool has_spare_ = false;
};

/// FNV-1a, 64 bit (Fowler, Noll, Vo): for stream seeds and fingerprints of text, not for security.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 14695981039346656037ULL) {
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 1099511628211ULL;
    }
    return hash;
}

}  // namespace orrery
