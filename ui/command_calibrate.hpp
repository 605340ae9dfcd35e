// `orrery calibrate --from FILE|FOLDER.. --device NAME --out FILE`: fits a device to tables of measured kernels.
#pragma once

#include <string>
#include <vector>

namespace orrery {

struct CalibrateOptions {
    std::vector<std::string> from;   // tables (SYSTEM.LIBRARY-VERSION.TABLE.csv), or folders that hold them
    std::string device;              // catalogue name
    std::string out;                 // calibration file; its training fields are kept if it exists
};

/// Exit status: 0 done, 2 the input is wrong.
int run_calibrate(const CalibrateOptions& options);

}  // namespace orrery
