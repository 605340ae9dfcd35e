// Failure rates added up, and Daly's closed forms.
#include "planner/goodput.hpp"

#include "hardware/result.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

Seconds young_interval(Seconds checkpoint, Seconds mtbf) { return Seconds::from_si(std::sqrt(2.0 * checkpoint.si() * mtbf.si())); }

Seconds daly_interval(Seconds checkpoint, Seconds mtbf) {
    if (checkpoint >= mtbf * 2.0) return mtbf;
    const double half = checkpoint / (mtbf * 2.0);
    return young_interval(checkpoint, mtbf) * (1.0 + std::sqrt(half) / 3.0 + half / 9.0) - checkpoint;
}

double work_share(Seconds interval, Seconds checkpoint, Seconds restart, Seconds mtbf) {
    ORRERY_CHECK(interval > Seconds{} && mtbf > Seconds{});
    return interval / (mtbf * (std::exp(restart / mtbf) * std::expm1((interval + checkpoint) / mtbf)));
}

Goodput goodput_of(const Reliability& reliability, int devices, int nodes, double parameters, Seconds interruption) {
    const auto rate = [](double parts, Seconds mtbf) { return mtbf > Seconds{} ? parts / mtbf.si() : 0.0; };
    const double failures = rate(devices, reliability.device_mtbf) + rate(nodes, reliability.node_mtbf) +
                            rate(devices, reliability.port_mtbf) + rate(devices, reliability.software_mtbf) + rate(1.0, interruption);
    BytesPerSecond writing = reliability.checkpoint_rate * devices;
    if (reliability.storage_rate > BytesPerSecond{}) writing = std::min(writing, reliability.storage_rate);
    Goodput result;
    result.mtbf = Seconds::from_si(1.0 / failures);
    result.checkpoint = Bytes::from_si(parameters * reliability.checkpoint_bytes) / writing * reliability.checkpoint_blocking;
    const bool is_given = reliability.checkpoint_interval > Seconds{};
    result.interval = is_given ? reliability.checkpoint_interval : daly_interval(result.checkpoint, result.mtbf);
    result.share = work_share(result.interval, result.checkpoint, reliability.restart, result.mtbf);
    return result;
}

}  // namespace orrery
