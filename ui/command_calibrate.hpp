// `orrery calibrate`: fits a device to tables of measured kernels, or devices and frameworks to published trainings.
#pragma once

#include <string>
#include <vector>

namespace orrery {

struct CalibrateOptions {
    std::vector<std::string> from;   // tables (SYSTEM.LIBRARY-VERSION.TABLE.csv), or folders that hold them
    std::string device;              // catalogue name
    std::string node;                // of logs of several hosts: catalogue name; empty: the device's first
    std::string out;                 // calibration file; its training fields are kept if it exists
};

/// Exit status: 0 done, 2 the input is wrong.
int run_calibrate(const CalibrateOptions& options);

struct FitTrainingsOptions {
    std::vector<std::string> tables;   // JSON Lines of training runs
    std::vector<std::string> only;     // devices and frameworks (or OWNER.CONSTANT) that may change; empty: all
    std::string out;                   // data folder whose hardware/calibration and models/frameworks are rewritten
};

/// `orrery calibrate --trainings TABLE.. --out FOLDER`. Exit status as above.
int run_fit_trainings(const FitTrainingsOptions& options);

}  // namespace orrery
