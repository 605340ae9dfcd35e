// How fast a sender may send: windows and rates that react to marks, as plain arithmetic on one flow's state.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <array>
#include <cstdint>

namespace orrery {

enum class CongestionControl : std::uint8_t { window, dctcp, dcqcn, pull };

template <>
struct EnumTable<CongestionControl> {
    static constexpr std::array<EnumName<CongestionControl>, 4> names{{
        {CongestionControl::window, "window", "a fixed number of bytes without acknowledgement"},
        {CongestionControl::dctcp, "dctcp", "a window cut in proportion to the share of marked packets"},
        {CongestionControl::dcqcn, "dcqcn", "a rate cut by congestion notifications, as RoCE v2 adapters do"},
        {CongestionControl::pull, "pull", "a first window, then as fast as the receiver's port asks for more (NDP)"},
    }};
};

/// DCQCN: Zhu et al., "Congestion control for large-scale RDMA deployments", SIGCOMM 2015, section 5 and figure 7; the
/// additive step is its 40 Mb/s on 40 Gb/s ports as a share of the port.
struct DcqcnParameters {
    double gain = 1.0 / 256.0;            // g, of the estimate alpha
    Seconds notification_gap = 50.0_us;   // least time between two notifications of one flow
    Seconds alpha_period = 55.0_us;       // without a notification alpha falls
    Seconds increase_period = 55.0_us;
    Bytes increase_bytes = 10.0_MB;
    int fast_steps = 5;                   // F: halfway back to the target this often
    double additive_share = 1.0e-3;       // of the port's rate
    double hyper_share = 1.0e-2;
    double rate_share_min = 1.0e-3;       // floor, of the port's rate
    bool operator==(const DcqcnParameters&) const = default;
};

/// One flow's rate under DCQCN. Times in picoseconds.
struct DcqcnState {
    double rate = 0.0;    // bytes/s
    double target = 0.0;
    double alpha = 1.0;
    std::int64_t alpha_at_ps = 0;
    std::int64_t timer_at_ps = 0;
    double bytes = 0.0;   // since the last step of the byte counter
    int timer_steps = 0;
    int byte_steps = 0;
    bool cut = false;     // at least once: before, a flow sends at the rate of its port
};

/// A notification came: remember the rate as target, cut it by alpha / 2, raise alpha.
void dcqcn_cut(const DcqcnParameters& p, double port_rate, std::int64_t now_ps, DcqcnState& state);
/// `sent` bytes go out now: lets alpha fall and the rate rise by the periods and bytes that have passed.
void dcqcn_advance(const DcqcnParameters& p, double port_rate, std::int64_t now_ps, double sent, DcqcnState& state);

/// One flow's window under DCTCP: Alizadeh et al., "Data Center TCP (DCTCP)", SIGCOMM 2010, with its gain of 1/16.
struct DctcpState {
    double window = 0.0;       // bytes
    double alpha = 0.0;
    double acknowledged = 0.0; // bytes since the last look
    double marked = 0.0;       // of those
};
/// `bytes` were acknowledged. Once a window: alpha, then a cut by alpha / 2 or one packet more; never below a packet or
/// above `window_max`.
void dctcp_acknowledge(double bytes, bool was_marked, double packet, double window_max, DctcpState& state);

}  // namespace orrery
