// Fitted behaviour of one generation of collectives inside a scale-up domain: start-up, steps and efficiencies of each
// protocol, and what measurements say beyond that. Between domains see network/algorithms.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"
#include "network/collective.hpp"
#include "network/nccl_choice.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// Measured over physical time of one collective at one rank count, one value per power of two of bytes.
struct CollectiveResidual {
    CollectiveKind kind = CollectiveKind::all_reduce;
    int ranks = 2;
    int log2_bytes_min = 9;     // size of the first ratio
    std::vector<double> ratio;  // at 2^log2_bytes_min, 2^(log2_bytes_min + 1), ...
    int domains = 1;            // scale-up domains that the group spans
    bool int8 = false;          // of int8 alone; else of all types that have no table of their own
    bool operator==(const CollectiveResidual&) const = default;
    static constexpr auto fields() {
        using R = CollectiveResidual;
        return std::tuple{
            required_field("kind", &R::kind, any_value, "The collective."),
            required_field("ranks", &R::ranks, {2.0, 16777216.0}, "Devices in the group."),
            required_field("log2_bytes_min", &R::log2_bytes_min, {0.0, 60.0},
                           "Base-2 logarithm of the size of the first ratio."),
            required_field("ratio", &R::ratio, positive, "Measured over physical time, one per power of two of bytes."),
            field("domains", &R::domains, count, "Scale-up domains that the group spans."),
            field("int8", &R::int8, any_value, "Of int8 alone; else of all types without a table of their own."),
        };
    }
};

/// How well one fit predicts its own table. Errors are |predicted / measured - 1|, mean over rows.
struct CollectiveFitQuality {
    std::string table;  // file name of the measurements
    int rows = 0;
    double physical_error = 0.0;       // physical model alone, all rows
    double calibrated_error = 0.0;     // physical times residual, on (kind, ranks, size, type) keys not used for it
    double gap_error = 0.0;            // physical times residual, each size predicted from the others
    double interpolation_error = 0.0;  // log-log interpolation alone, each size predicted from the others
    bool operator==(const CollectiveFitQuality&) const = default;
    static constexpr auto fields() {
        using Q = CollectiveFitQuality;
        return std::tuple{
            field("table", &Q::table, any_value, "File name of the measurements."),
            field("rows", &Q::rows, non_negative, "Rows in it."),
            field("physical_error", &Q::physical_error, non_negative,
                  "Mean error of the physical model alone, all rows."),
            field(
                "calibrated_error", &Q::calibrated_error, non_negative,
                "Mean error of physical times residual, on the half of the keys that the residual was not made from."),
            field("gap_error", &Q::gap_error, non_negative,
                  "Mean error of physical times residual, each size predicted from the other sizes."),
            field("interpolation_error", &Q::interpolation_error, non_negative,
                  "Mean error of log-log interpolation alone, each size predicted from the other sizes."),
        };
    }
};

/// R is the scale-up rate of a device, B the bytes, n the ranks, s the ring steps (2(n-1) for all-reduce, n-1 else).
/// Defaults: centre of the generations measured (A100, H100, H200, B200, GB200), for a generation never seen.
struct CollectiveParameters {
    std::string name = "default";
    std::string source = "centre of fits to A100, H100, H200, B200 and GB200 NCCL tables";
    // Ring: base + start + s * step + (s + local_pass) / n * B / (efficiency * R), per protocol.
    Seconds base = 6.3_us;
    Seconds ll_step = 1.07_us;
    double ll_efficiency = 0.017;
    Seconds ll128_start = 1.4_us;
    Seconds ll128_step = 1.12_us;
    double ll128_efficiency = 0.46;
    Seconds simple_start = 6.8_us;
    Seconds simple_step = 5.6_us;
    double simple_efficiency = 0.85;
    Seconds simple_fill = 3.2_us;  // pipeline fill, grows over B / (B + fill_half)
    Bytes simple_fill_half = 10.8_MB;
    double local_pass = 0.71;     // kappa: every rank also moves its own share
    double int8_slowdown = 1.04;  // of reductions in int8
    // In-switch reduction: latency + B / (efficiency * R) + fill; efficiency 0: the domain has none.
    Seconds nvls_latency = 21.6_us;
    double nvls_efficiency = 0.0;
    Seconds nvls_fill = 60.0_us;
    int nvls_ranks_min = 8;  // smaller groups are seen to stay on the ring
    // All-to-all, smooth minimum of LL and Simple.
    Seconds exchange_base = 8.1_us;
    Seconds exchange_step = 0.38_us;  // per peer
    double exchange_ll_efficiency = 0.0093;
    Seconds exchange_simple_start = 4.4_us;
    double exchange_efficiency = 0.73;
    Seconds exchange_fill = 37.0_us;
    Bytes exchange_fill_half = 34.0_MB;
    double exchange_local_pass = 0.28;
    // One message from device to device.
    Seconds message_latency = 8.0_us;
    double message_efficiency = 0.7;
    // The library's own table, by which it chooses (not by which it runs).
    double tuning_ll_share = 0.31;     // cap of low latency over R
    double tuning_ll128_share = 0.75;  // rate of the second plateau over R; 0: not in the table
    double tuning_bus_share = 0.81;    // bus rate over R
    NcclGeneration tuning_generation = NcclGeneration::hopper;  // row of its caps
    // Between domains, all-reduce: what a calibration of one fabric found beside its hops and ports.
    Seconds across_start{};             // once, whatever the protocol
    Seconds across_hop{};               // one hop; 0: that of the fabric's kind
    double across_port_share = 0.93;    // of the port rate (see network/link_rates.hpp)
    // Between domains: shares of the port rate beside the all-reduce's own 0.93 (see network/link_rates.hpp).
    double gather_port_share = 0.85;
    std::vector<CollectiveResidual> residuals;
    std::optional<CollectiveFitQuality> quality;
    bool operator==(const CollectiveParameters&) const = default;

    static constexpr auto fields() {
        using P = CollectiveParameters;
        return std::tuple{
            required_field("name", &P::name, any_value, "Generation that the parameters belong to."),
            required_field("source", &P::source, any_value, "Where they come from."),
            field("base", &P::base, non_negative, "Start of any ring collective."),
            field("ll_step", &P::ll_step, non_negative, "Low-latency protocol: time of one ring step."),
            field("ll_efficiency", &P::ll_efficiency, fraction,
                  "Low-latency protocol: share of the link; 0: not there."),
            field("ll128_start", &P::ll128_start, non_negative, "Second low-latency plateau: extra start."),
            field("ll128_step", &P::ll128_step, non_negative, "Second low-latency plateau: time of one ring step."),
            field("ll128_efficiency", &P::ll128_efficiency, fraction,
                  "Second low-latency plateau: share of the link; 0: not there."),
            field("simple_start", &P::simple_start, non_negative, "Simple protocol: extra start."),
            field("simple_step", &P::simple_step, non_negative, "Simple protocol: time of one ring step."),
            field("simple_efficiency", &P::simple_efficiency, {0.0, 1.0, true}, "Simple protocol: share of the link."),
            field("simple_fill", &P::simple_fill, non_negative, "Simple protocol: filling of the pipeline."),
            field("simple_fill_half", &P::simple_fill_half, positive, "Size at which half of the filling is felt."),
            field("local_pass", &P::local_pass, non_negative, "A rank's own share, moved as well, in units of B / n."),
            field("int8_slowdown", &P::int8_slowdown, {0.1, 10.0}, "Slowdown of reductions in int8."),
            field("nvls_latency", &P::nvls_latency, non_negative, "In-switch reduction: start."),
            field("nvls_efficiency", &P::nvls_efficiency, fraction,
                  "In-switch reduction: bytes per second over link rate; 0: not there."),
            field("nvls_fill", &P::nvls_fill, non_negative, "In-switch reduction: filling of the pipeline."),
            field("nvls_ranks_min", &P::nvls_ranks_min, count, "Smallest group that uses it."),
            field("exchange_base", &P::exchange_base, non_negative, "All-to-all: start."),
            field("exchange_step", &P::exchange_step, non_negative, "All-to-all: per peer."),
            field("exchange_ll_efficiency", &P::exchange_ll_efficiency, fraction,
                  "All-to-all, low latency: share of the link; 0: not there."),
            field("exchange_simple_start", &P::exchange_simple_start, non_negative, "All-to-all, simple: extra start."),
            field("exchange_efficiency", &P::exchange_efficiency, {0.0, 1.0, true},
                  "All-to-all, simple: share of the link."),
            field("exchange_fill", &P::exchange_fill, non_negative, "All-to-all, simple: filling of the pipeline."),
            field("exchange_fill_half", &P::exchange_fill_half, positive, "Size at which half of the filling is felt."),
            field("exchange_local_pass", &P::exchange_local_pass, non_negative,
                  "All-to-all: a rank's own share, moved as well."),
            field("message_latency", &P::message_latency, non_negative, "One message: start."),
            field("message_efficiency", &P::message_efficiency, {0.0, 1.0, true}, "One message: share of the link."),
            field("tuning_ll_share", &P::tuning_ll_share, {0.0, 1.0, true},
                  "Rate at which the library's tuning table caps low latency, over the link rate."),
            field("tuning_ll128_share", &P::tuning_ll128_share, fraction,
                  "Rate of the second low-latency plateau in the library's tuning table, over the link rate; 0: not in "
                  "it."),
            field("tuning_bus_share", &P::tuning_bus_share, {0.0, 1.0, true},
                  "Bus rate in the library's tuning table, over the link rate."),
            field("tuning_generation", &P::tuning_generation, any_value,
                  "Row of the library's tuning table that caps its rates between nodes."),
            field("across_start", &P::across_start, non_negative, "All-reduce between domains: extra start."),
            field("across_hop", &P::across_hop, non_negative,
                  "All-reduce between domains: one hop of the network; 0: as its kind has."),
            field("across_port_share", &P::across_port_share, {0.0, 1.0, true},
                  "All-reduce between domains: share of the port rate."),
            field("gather_port_share", &P::gather_port_share, {0.0, 1.0, true},
                  "Between domains: share of the port rate that gathers, scatters and exchanges reach."),
            field("residuals", &P::residuals, any_value, "Measured over physical time."),
            field("quality", &P::quality, any_value, "Errors of this fit."),
        };
    }
};

/// Ratio by which to multiply the physical time of a group: log-log interpolated over bytes and over ranks, held at the
/// ends; 1 where the kind was not measured. Between domains only tables of as many domains count: start, hop and share
/// are what carries over to others.
double measured_over_physical(const CollectiveParameters& parameters, const Collective& collective,
                              const GroupShape& shape);

}  // namespace orrery
