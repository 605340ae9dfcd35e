// The schema as the reader of scenarios has it.
#include "ui/command_schema.hpp"

#include "scenarios/scenario.hpp"

namespace orrery {

ExitStatus command_schema() { return print_answer(scenario_schema()); }

}  // namespace orrery
