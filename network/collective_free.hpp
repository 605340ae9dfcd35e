// The parameters of collectives that fits move, and how widely each lies across generations.
#pragma once

#include "network/collective_parameters.hpp"

namespace orrery {

/// A parameter that the fit moves, and the standard deviation of its logarithm across five measured generations.
struct FreeParameter {
    Seconds CollectiveParameters::*time = nullptr;
    double CollectiveParameters::*share = nullptr;
    Bytes CollectiveParameters::*size = nullptr;
    double spread = 0.3;
};

inline constexpr FreeParameter free_parameters[] = {
    {&CollectiveParameters::base, nullptr, nullptr, 0.27},
    {&CollectiveParameters::ll_step, nullptr, nullptr, 0.31},
    {nullptr, &CollectiveParameters::ll_efficiency, nullptr, 0.5},
    {&CollectiveParameters::ll128_start, nullptr, nullptr, 0.5},
    {&CollectiveParameters::ll128_step, nullptr, nullptr, 0.22},
    {nullptr, &CollectiveParameters::ll128_efficiency, nullptr, 0.19},
    {&CollectiveParameters::simple_start, nullptr, nullptr, 0.58},
    {&CollectiveParameters::simple_step, nullptr, nullptr, 0.33},
    {nullptr, &CollectiveParameters::simple_efficiency, nullptr, 0.08},
    {&CollectiveParameters::simple_fill, nullptr, nullptr, 1.5},
    {nullptr, nullptr, &CollectiveParameters::simple_fill_half, 0.26},
    {nullptr, &CollectiveParameters::local_pass, nullptr, 0.22},
    {nullptr, &CollectiveParameters::int8_slowdown, nullptr, 0.08},
    {&CollectiveParameters::nvls_latency, nullptr, nullptr, 0.13},
    {nullptr, &CollectiveParameters::nvls_efficiency, nullptr, 0.08},
    {&CollectiveParameters::nvls_fill, nullptr, nullptr, 0.27},
    {&CollectiveParameters::exchange_base, nullptr, nullptr, 0.24},
    {&CollectiveParameters::exchange_step, nullptr, nullptr, 0.41},
    {nullptr, &CollectiveParameters::exchange_ll_efficiency, nullptr, 0.31},
    {&CollectiveParameters::exchange_simple_start, nullptr, nullptr, 0.37},
    {nullptr, &CollectiveParameters::exchange_efficiency, nullptr, 0.08},
    {&CollectiveParameters::exchange_fill, nullptr, nullptr, 0.26},
    {nullptr, nullptr, &CollectiveParameters::exchange_fill_half, 1.1},
    {nullptr, &CollectiveParameters::exchange_local_pass, nullptr, 0.97},
};

inline double get_free(const CollectiveParameters& p, const FreeParameter& f) {
    if (f.time) return (p.*f.time).si();
    return f.size ? (p.*f.size).si() : p.*f.share;
}

inline void set_free(CollectiveParameters& p, const FreeParameter& f, double value) {
    if (f.time)
        p.*f.time = Seconds::from_si(value);
    else if (f.size)
        p.*f.size = Bytes::from_si(value);
    else
        p.*f.share = value;
}

}  // namespace orrery
