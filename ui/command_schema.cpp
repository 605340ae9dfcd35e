// The schema and the explanations, both made from what the reader of scenarios knows.
#include "ui/command_schema.hpp"

#include "scenarios/explain.hpp"
#include "scenarios/scenario.hpp"

namespace orrery {

ExitStatus command_schema() { return print_answer(scenario_schema()); }

ExitStatus command_explain(const std::string& path) {
    const auto text = explain(path);
    return text ? print_answer(*text) : print_problems(text.problems());
}

}  // namespace orrery
