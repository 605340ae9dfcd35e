// What a network port and its hops achieve, by kind of network: the constants that every topology shares.
#pragma once

#include "hardware/units.hpp"

#include <string_view>

namespace orrery {

/// Payload over line rate of a port under large all-reduces: A100 on 800 Gb/s 92/100, B200 on 400 GB/s 382/400, H100 on
/// NDR 387/400 bus bandwidth over port rate (ml-engineering network/README.md; dgxc-benchmarking nccl/README.md).
inline constexpr double port_payload_share = 0.93;

/// Latency of one hop from device to device through ports and switches, low-latency protocol. InfiniBand: NCCL 2.30.7
/// src/graph/tuning.cc:156-176, 5 us; others set beside it by their measured floors; 8 us where the kind is unknown.
Seconds default_hop_latency(std::string_view nic_kind);

/// The other protocols' hop over the low-latency one, same table: 8.5 / 5 and 14 / 5 us.
inline constexpr double ll128_hop_ratio = 1.7;
inline constexpr double simple_hop_ratio = 2.8;
/// A ring's LL128 hop over the tree's LL hop that `default_hop_latency` gives, same table: 4 / 5 us.
inline constexpr double ring_gather_hop_ratio = 0.8;

/// Light in fibre: refractive index 1.468 of standard single-mode fibre (Corning SMF-28 Ultra datasheet) over 299,792
/// km/s.
inline constexpr Seconds fibre_latency_per_km = 4.9_us;

/// Ports of the switches that a fabric of this kind and port rate is built from: 64 for InfiniBand up to 400 Gb/s
/// (Quantum-2 QM9700, 64 x 400G), else 128 (Spectrum-4 SN5600, 64 x 800G split; SN6600, 128 x 800G; datasheets).
int switch_ports(std::string_view nic_kind, BytesPerSecond port);

}  // namespace orrery
