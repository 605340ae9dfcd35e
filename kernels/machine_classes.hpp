// The classes of kernels that a fit of the machine at hand tells apart: bounds, price and features of each.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/device.hpp"
#include "hardware/residuals.hpp"
#include "kernels/least_squares.hpp"
#include "kernels/suite.hpp"

#include <functional>
#include <string>
#include <vector>

namespace orrery {

/// One row as a fit sees it.
struct ClassRow {
    std::size_t row = 0;      // in the caller's list
    Work work;
    double seconds = 0.0;
    double floor = 0.0;       // below which nothing is predicted
    Shape shape{};
};

/// Layer A of a class as a function of its parameters and of a choice that is no number (a tile size).
struct ClassModel {
    std::vector<FitParameter> bounds;
    std::vector<double> choices{0.0};
    std::function<double(const std::vector<double>& values, double choice, const ClassRow& row)> seconds;
    FeaturesOf features = nullptr;   // of layer B; null: the class has none
};

ClassModel product_model(const Device& device, DataType type);
ClassModel grouped_model(const Device& device, DataType type);
ClassModel convolution_model(const Device& device, DataType type);
ClassModel prefill_model(const Device& device);
ClassModel decode_model(const Device& device);
ClassModel streaming_model(const Device& device);
ClassModel gather_model(const Device& device);

GemmParameters gemm_of(const std::vector<double>& values);
PrefillParameters prefill_of(const std::vector<double>& values, double choice);
DecodeParameters decode_of(const std::vector<double>& values, double choice);
StreamingParameters streaming_of_values(const std::vector<double>& values);

}  // namespace orrery
