// `orrery import`: what other tools say, as files that scenarios can name.
#pragma once

#include "ui/terminal.hpp"

#include <string>

namespace orrery {

struct ImportOptions {
    std::string kind;
    std::string file;
    std::string out;   // empty or "-": standard output
};

ExitStatus command_import(const ImportOptions& options);

/// "nvidia-smi, hwloc, nvbandwidth, ..".
std::string import_kinds();

}  // namespace orrery
