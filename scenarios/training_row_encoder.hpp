// Training rows of encoders and translation models: what they say, and the rules of their software's era where silent.
#pragma once

#include "scenarios/training_row_model.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// True for kinds "bert" and "nlp" (encoder-decoder transformers on sentence pairs).
bool is_encoder_row(const Row& row);

/// Why such a row cannot be predicted, if so.
std::optional<std::string> encoder_excluded(const Row& row);

/// Model of the row: sizes as it says, what surrounds the layers by its kind and task.
Architecture encoder_architecture(const Row& row);

/// Sequence lengths, fused attention, padding, precision where the row is silent, and profile of its software.
/// A sentence on what a rule had to supply, else empty. Requires a row that encoder_excluded lets pass.
std::string read_encoder_software(const Row& row, bool device_has_fp8, TrainingSpec& spec);

/// Seconds of one optimizer step: printed, or samples (tokens) of a step over samples (tokens) a second.
std::optional<double> encoder_step(const Row& row, const TrainingSpec& spec);

/// Samples of one pass, largest first: stated, or what divides a device's share of the batch.
std::vector<int> encoder_micro_batches(const Row& row, const TrainingSpec& spec);

}  // namespace orrery
