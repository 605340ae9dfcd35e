// One training run, its neighbours and its provenance as one value.
#include "ui/training_report.hpp"

#include "scenarios/bought_machine.hpp"
#include "scenarios/quantity.hpp"
#include "ui/advice.hpp"

#include <fmt/format.h>

namespace orrery {

Result<TrainingReport> make_training_report(const LoadedScenario& loaded, const SimulateOptions& options,
                                            bool with_changes) {
    const Scenario& scenario = loaded.scenario;
    SimulateOptions seeded = options;
    seeded.seed = scenario.seed;
    auto answer = run_training(loaded.resolved.cluster, loaded.resolved.run, scenario.fidelity, seeded);
    if (!answer) return answer.problems();
    pay_energy(loaded.resolved.energy_paid, answer.value());
    TrainingReport report{.scenario = scenario,
                          .cluster = loaded.resolved.cluster,
                          .answer = std::move(answer).value(),
                          .provenance = {.version = ORRERY_VERSION,
                                         .commit = program_commit(),
                                         .scenario_sha256 = scenario.sha256,
                                         .seed = scenario.seed,
                                         .sources = loaded.resolved.sources},
                          .estimated_step = {},
                          .changes = {},
                          .fabric = {},
                          .device_hour = loaded.resolved.run.economics.device_hour,
                          .expected_error = {}};
    const ExpectedError& expected = report.answer.expected;
    const Seconds step = report.answer.outcome.step;
    report.expected_error = fmt::format("90 % of such runs take {:.2f} to {:.2f} times the prediction, here {} to {}: {}", expected.low,
                                        expected.high, format_seconds(step * expected.low), format_seconds(step * expected.high),
                                        expected.basis);
    // As it was run: with the framework and the prices that the scenario left to the catalogue.
    report.scenario.workload = loaded.resolved.run.spec;
    report.scenario.economics = loaded.resolved.prices;
    auto bill = fabric_bill(scenario, loaded.resolved.cluster);
    if (!bill) return bill.problems();
    report.fabric = std::move(bill).value();
    if (!with_changes) return report;
    auto advice = advise(scenario, loaded.resolved, report.answer.fits);
    if (!advice) return advice.problems();
    report.estimated_step = advice->estimated_step;
    report.changes = std::move(advice->changes);
    return report;
}

}  // namespace orrery
