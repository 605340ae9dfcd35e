# Writes the commit that is being built into a source file of its own: a new commit recompiles nothing else.
execute_process(COMMAND git --no-optional-locks -c safe.directory=* -C ${SOURCE} describe --always --dirty --tags
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[// Written by cmake/commit.cmake.
#include "scenarios/result_json.hpp"

namespace orrery {

std::string program_commit() { return "@commit@"; }

}  // namespace orrery
]])
