// How a broken promise of our own ends the run.
#include "hardware/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace orrery {

void check_failed(std::string_view file, int line, std::string_view condition) {
    std::fprintf(stderr,
                 "orrery: internal check failed at %.*s:%d: %.*s\n"
                 "This is a fault of orrery, not of your input; please report it with the scenario that shows it.\n",
                 static_cast<int>(file.size()), file.data(), line, static_cast<int>(condition.size()),
                 condition.data());
    std::fflush(nullptr);
    std::_Exit(3);
}

}  // namespace orrery
