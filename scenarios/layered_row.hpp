// One published training of a model that is no decoder transformer, turned into something that can be predicted.
#pragma once

#include "scenarios/training_row.hpp"
#include "scenarios/training_row_model.hpp"

#include <optional>
#include <string>

namespace orrery {

/// Catalogue name of the layered model that the row's model is, if there is one. The name says which network runs and
/// nothing else; two sizes of one network are told apart by the row's `input_size`.
std::optional<std::string> layered_model_of(const Row& row);

/// The row as data-parallel training of that model. What it leaves out:
/// - precision: 16 bit, which submissions on devices with 16-bit matrix units use (fp16; bf16 on TPUs);
/// - batch of one device: global batch / devices, all in one pass; where no batch is stated, the largest power of two
///   up to 256 that memory holds (the published scripts fill the device);
/// - framework: where the row lists several, the one of NVIDIA's reference code for that sort of network.
Result<PreparedTraining> prepare_layered(const Row& row, const std::string& model, CatalogCache& catalog);

}  // namespace orrery
