// What keeping states and activations in the host's memory or on drives costs: links, drives, the host's own step.
#pragma once

#include "hardware/node.hpp"
#include "hardware/result.hpp"
#include "models/training.hpp"

namespace orrery {

/// Rate at which each device of a job copies to or from its host while its neighbours do the same. Of a link's raw rate
/// copies reach 0.76: 12 of 15.75 GB/s of PCIe 3.0 x16 (Rajbhandari et al., "ZeRO-Infinity", arXiv 2104.07857, 6.2).
BytesPerSecond host_copy_rate(const Node& node, int devices);

/// Of the node's drives, each device's part.
BytesPerSecond drive_rate(const Node& node, int devices);

/// Time of Adam on the host for `parameters` of one device, while the node's other devices' are done as well: 30 bytes a
/// parameter through the host's memory (four fp32 values read, three written, a 16-bit copy) at half of its peak rate.
/// "ZeRO-Offload", arXiv 2101.06840, table 4: 0.22 s for 1 B, 2.57 s for 10 B parameters on a DGX-2's 256 GB/s.
Seconds host_adam_time(const Node& node, int devices, double parameters);

/// The optimizer's step away from the device: the host's Adam, states through drives beside it, 16-bit parameters back
/// to the device in tiles behind it; the slowest of them.
Seconds away_step_time(const Node& node, int devices, const Offload& offload, double parameters,
                       bool parameters_return);

/// What the plan keeps away but the node's entry does not tell, and what does not fit there; by place.
Problems offload_problems(const Node& node, const Offload& offload);

}  // namespace orrery
