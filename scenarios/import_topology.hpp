// What tools say of a machine's inside, as graph files: `nvidia-smi topo -m` and the XML of `lstopo`.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/graph_file.hpp"

#include <string>

namespace orrery {

/// Rates that the tools do not tell; one direction.
struct ImportRates {
    BytesPerSecond nvlink = 25.0_GBps;   // one NVLink 2 to 4 (NVIDIA V100, A100 and H100 datasheets: 300 / 12 / 2, ..)
    BytesPerSecond pcie = 32.0_GBps;     // PCIe 4.0 x16 (PCI-SIG)
    BytesPerSecond socket = 32.0_GBps;   // assumed as one PCIe 4.0 x16: what crosses sockets
};

/// GPUs and NICs as nodes; NVLinks between them or to one switch where all pairs have equally many; PIX, PXB, PHB, NODE
/// and SYS as a tree of PCIe switches, host bridges and sockets. Problems with the line that they stand in.
Result<GraphFile> import_nvidia_topology(const std::string& text, const std::string& file, const ImportRates& rates = {});

/// GPUs, accelerators and network cards as nodes; bridges with more than one of them below, host bridges and packages as
/// switches, with the link rates that lstopo tells. Problems with the place in the text.
Result<GraphFile> import_hwloc(const std::string& text, const std::string& file, const ImportRates& rates = {});

}  // namespace orrery
