// How much of its time a long job works: failures by component, restarts, and checkpoints at the best interval.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

namespace orrery {

constexpr Seconds hours_of(double hours) { return Seconds::from_si(hours * 3600.0); }

/// Mean times between failures of one component each, and what a failure and a checkpoint cost. The defaults count the
/// 419 unexpected interruptions of 54 days on 16,384 H100 by component (Llama 3, arXiv 2407.21783, table 5).
struct Reliability {
    Seconds device_mtbf = hours_of(16384.0 * 54.0 * 24.0 / 268.0);
    Seconds node_mtbf = hours_of(2048.0 * 54.0 * 24.0 / 46.0);
    Seconds port_mtbf = hours_of(16384.0 * 54.0 * 24.0 / 42.0);
    Seconds software_mtbf = hours_of(16384.0 * 54.0 * 24.0 / 63.0);
    Seconds restart = Seconds::from_si(900.0);
    double checkpoint_bytes = 14.0;
    BytesPerSecond checkpoint_rate = BytesPerSecond::from_si(0.15e9);
    BytesPerSecond storage_rate;
    double checkpoint_blocking = 1.0;
    Seconds checkpoint_interval;
    bool operator==(const Reliability&) const = default;
    static constexpr auto fields() {
        using R = Reliability;
        return std::tuple{
            field("device_mtbf", &R::device_mtbf, positive, "Mean time between failures of one device and its memory.",
                  "268 of 419 interruptions (devices, HBM, SRAM, their processors and cooling, silent errors) in 54 days of "
                  "16,384 H100: arXiv 2407.21783, 2024"),
            field("node_mtbf", &R::node_mtbf, positive, "Of the rest of one node: host, drives, power supplies.",
                  "46 of the same on 2,048 nodes, unplanned maintenance included: arXiv 2407.21783, 2024"),
            field("port_mtbf", &R::port_mtbf, positive, "Of one device's share of the network: its port, cables, switches.",
                  "42 of the same: arXiv 2407.21783, 2024"),
            field("software_mtbf", &R::software_mtbf, positive, "Of software, per device that runs it.",
                  "63 of the same: arXiv 2407.21783, 2024"),
            field("restart", &R::restart, non_negative, "From a failure to work on the last checkpoint.",
                  "detection and diagnosis below 10 min, caught up below 15: MegaScale, arXiv 2402.15627, 2024"),
            field("checkpoint_bytes", &R::checkpoint_bytes, positive, "Bytes of a checkpoint per parameter.",
                  "BLOOM 176B: 2.3 TB, 14 with weights; Nemotron 4: 13; stas00/ml-engineering, 2024"),
            field("checkpoint_rate", &R::checkpoint_rate, positive, "At which one device writes its part.",
                  "BLOOM: 2.3 TB in 40 s by 384 processes; stas00/ml-engineering, 2024"),
            field("storage_rate", &R::storage_rate, positive, "At which the storage takes all parts; absent: no limit."),
            field("checkpoint_blocking", &R::checkpoint_blocking, {0.0, 1.0, true},
                  "Share of the writing for which work stands still.", "1: no asynchronous checkpoints"),
            field("checkpoint_interval", &R::checkpoint_interval, positive,
                  "Work between checkpoints; absent: the best by Daly's formula."),
        };
    }
};

/// The best work between checkpoints that take `checkpoint`: sqrt(2 checkpoint mtbf). Young, CACM 17(9), 1974, with
/// the time of the checkpoint counted apart.
Seconds young_interval(Seconds checkpoint, Seconds mtbf);

/// The same to higher order: sqrt(2 d M) (1 + sqrt(d / 2M) / 3 + (d / 2M) / 9) - d, M from d = 2 M on. Daly, "A higher
/// order estimate of the optimum checkpoint interval", FGCS 22(3), 2006, equation 37.
Seconds daly_interval(Seconds checkpoint, Seconds mtbf);

/// Share of the time that is work: t / (M e^(R / M) (e^((t + d) / M) - 1)) for failures without memory that may also
/// strike restarts. Daly 2006, equation 20.
double work_share(Seconds interval, Seconds checkpoint, Seconds restart, Seconds mtbf);

struct Goodput {
    Seconds mtbf;         // of the whole job
    Seconds checkpoint;   // for which work stands still
    Seconds interval;
    double share = 1.0;   // of the time that is work
};

/// Of a job on so many devices and nodes; `interruption`: mean time between interruptions by others, 0: none.
Goodput goodput_of(const Reliability& reliability, int devices, int nodes, double parameters, Seconds interruption = {});

}  // namespace orrery
