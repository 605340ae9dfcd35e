// A scenario out of layers: the file, what it extends, and settings from the command line, each value's origin kept.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/json.hpp"
#include "scenarios/scenario.hpp"

#include <string>
#include <vector>

namespace orrery {

/// What one file or setting says.
struct Layer {
    std::string origin;   // file, or empty for a setting
    Json values;          // an object
    std::string pointer;  // of a setting: where its value is
};

/// A scenario's values with everything overlaid, and the layers they came from, lowest first.
struct Overlay {
    Json values;
    std::vector<Layer> layers;
};

/// Reads `file` and what it extends (paths relative to the extending file, at most 16 deep, no cycles), then overlays
/// the settings in order. Values merge as JSON Merge Patch (RFC 7396): objects by key, null removes, the rest replaces.
/// A setting's value is JSON where it parses and its key is not a text; its path must be a key of scenarios.
Result<Overlay> read_overlay(const std::string& file, const std::vector<Setting>& settings);

/// Place of a problem at a JSON pointer: "FILE:/pointer" with the uppermost file that has this value, or "--set PATH"
/// where a setting gave it; the scenario's own file where nobody did.
std::string place_of(const Overlay& overlay, const std::string& pointer);

}  // namespace orrery
