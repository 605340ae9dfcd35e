// The search for constants of devices and frameworks with which predictions meet published trainings.
#pragma once

#include "scenarios/fit_training.hpp"
#include "scenarios/training_row.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// What a fit may look at and change.
struct FitScope {
    std::string left_out;             // source whose rows weigh nothing; empty: none
    std::vector<std::string> only;    // owners (or OWNER.CONSTANT) that may change; empty: all
};

/// Robust least squares over the constants that the rows' devices and frameworks have. Rows of a source that is left out
/// weigh nothing; every constant then begins neutral, and one that no other row can tell takes the mean of its kind.
class TrainingFitter {
  public:
    using Progress = std::function<void(const std::string&)>;

    TrainingFitter(std::vector<PreparedTraining> rows, FitScope scope, Progress progress);

    TrainingFit fit();

    /// Predictions beside measurements after the fit: of the rows fitted on, or of those left out.
    [[nodiscard]] std::vector<Comparison> comparisons(bool left_out) const;

  private:
    struct Knob {
        TrainingKnob constant;
        double began = 0.0;
        bool told = true;                      // by a row that counts
        std::vector<std::size_t> acts_on;      // rows, those left out too
        std::function<void(double)> apply;
    };

    std::vector<PreparedTraining> rows_;
    std::string left_out_;
    std::vector<std::string> only_;
    Progress progress_;
    std::vector<double> weights_;
    std::vector<std::optional<double>> predicted_;
    std::vector<Knob> knobs_;

    void predict(const std::vector<std::size_t>& which);
    void predict_all();
    void descend();
    void move_to(const std::vector<double>& values);
    void write_residuals(std::vector<double>& residuals) const;
    [[nodiscard]] double weight_of(const Knob& knob) const;
    [[nodiscard]] std::size_t counting(const std::vector<std::size_t>& rows) const;
    void add(Knob knob);
    void make_device_knobs();
    void make_framework_knobs();
    void begin_neutral();
    void borrow_from_kin();
    void make_convolution_knobs();
    void set_slowdown(const std::string& device, DataType type, double value);
    void set_calibration(const std::string& device, const std::function<void(Calibration&)>& change);
};

}  // namespace orrery
