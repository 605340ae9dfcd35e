// The only test file that is compiled with absolute paths, so that a compiler cache serves all others in any checkout.
#include "tests/places.hpp"

namespace orrery::testing {

const char* const source_directory = ORRERY_SOURCE_DIR;
const char* const program_path = ORRERY_PROGRAM;

}  // namespace orrery::testing
