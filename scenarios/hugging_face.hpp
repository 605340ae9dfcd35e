// Hugging Face config.json files as architectures: what users have, read as it is.
#pragma once

#include "hardware/result.hpp"
#include "models/architecture.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Reads a config.json of a known family (`model_type`). Sizes must be there; switches that are absent take the default
/// that the family's configuration class documents. Keys that do not change cost are ignored. Problems: unknown family
/// (with the known ones), missing and impossible values, all at once, each at FILE:/KEY. The name is left empty.
Result<Architecture> read_hugging_face(const std::string& file);

/// Values of `model_type` that can be read, sorted.
std::vector<std::string> hugging_face_families();

}  // namespace orrery
