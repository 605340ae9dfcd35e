// A run's spans as a Chrome trace, which ui.perfetto.dev and chrome://tracing open.
#pragma once

#include "hardware/result.hpp"
#include "sim/outcome.hpp"

#include <string>
#include <utility>
#include <vector>

namespace orrery {

/// Writes `trace` to `path` piece by piece: one process per actor, one thread per stream, times in microseconds with
/// picosecond decimals. `about` becomes the file's "otherData". Returns the bytes written.
/// Format: "Trace Event Format", Google, complete ("X") and metadata ("M") events.
Result<std::size_t> write_perfetto(const std::string& path, const Trace& trace,
                                   const std::vector<std::pair<std::string, std::string>>& about);

}  // namespace orrery
