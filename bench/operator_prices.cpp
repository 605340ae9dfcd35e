// Measures how many prices of work a core gives per second, fresh and remembered; prints CSV.
#include "hardware/price_cache.hpp"
#include "hardware/rng.hpp"
#include "scenarios/catalog.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <vector>

using namespace orrery;

namespace {

std::vector<Work> works_of(const char* kind, std::size_t count_of_works) {
    Rng rng = Rng::stream(1, kind, 0);
    const auto size = [&](double min_log2, double max_log2) {
        return static_cast<std::int64_t>(std::exp2(min_log2 + rng.uniform() * (max_log2 - min_log2)));
    };
    std::vector<Work> works;
    for (std::size_t i = 0; i < count_of_works; ++i) {
        const std::string_view name = kind;
        if (name == "product") works.emplace_back(MatrixMultiply{.m = size(0, 14), .n = size(8, 15), .k = size(8, 15)});
        if (name == "prefill") {
            const std::int64_t length = size(6, 14);
            works.emplace_back(Attention{.batch = size(0, 5), .heads = 32, .kv_heads = 8, .queries = length, .keys = length});
        }
        if (name == "decode") works.emplace_back(Attention{.batch = size(0, 8), .heads = 32, .kv_heads = 8, .keys = size(6, 17)});
        if (name == "streaming") works.emplace_back(Streaming{.bytes = Bytes::from_si(static_cast<double>(size(10, 32)))});
    }
    return works;
}

template <class Price>
void measure(const std::string& device, const char* kind, const char* how, const std::vector<Work>& works, int rounds,
             Price&& price) {
    double sum = 0.0;
    const auto start = std::chrono::steady_clock::now();
    for (int round = 0; round < rounds; ++round) {
        for (const Work& work : works) sum += price(work).si();
    }
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const double prices = static_cast<double>(rounds) * static_cast<double>(works.size());
    fmt::print("{},{},{},{},{:.1f},{:.3e},{:.6e}\n", device, kind, how, prices, 1e9 * wall.count() / prices,
               prices / wall.count(), sum);
}

}  // namespace

int main() {
    fmt::print("device,work,how,prices,ns_per_price,prices_per_s,sum_s\n");
    for (const char* name : {"h100-sxm", "tpu-v4"}) {
        const Result<Device> device = find_device(name);
        if (!device) {
            for (const Problem& p : device.problems()) fmt::print(stderr, "{}: {}\n", p.place, p.problem);
            return 2;
        }
        for (const char* kind : {"product", "prefill", "decode", "streaming"}) {
            const std::vector<Work> works = works_of(kind, 1000);
            measure(name, kind, "fresh", works, 100, [&](const Work& work) { return execution_time(*device, work); });
            PriceCache cache(*device);
            measure(name, kind, "remembered", works, 10000, [&](const Work& work) { return cache.price(work); });
        }
    }
    return 0;
}
