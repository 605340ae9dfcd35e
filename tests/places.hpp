// Where the tests find the tree they were built from, and the program built beside them.
#pragma once

namespace orrery::testing {

extern const char* const source_directory;
extern const char* const program_path;

}  // namespace orrery::testing
