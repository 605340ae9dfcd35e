// Graph, memory, price and closed form of a single plan.
#include "planner/evaluate.hpp"

#include "sim/price.hpp"

namespace orrery {

PlanEstimate evaluate_plan(const Cluster& cluster, const TrainingRun& run) {
    const Result<StepGraph> graph = training_graph(run);
    ORRERY_CHECK(graph.ok());
    PlanEstimate result;
    result.memory = training_memory(run, *graph).total();
    const StepProgram program = price_step(cluster, *graph, run.spec, run.framework);
    result.step = estimate(program).step;
    result.busy = busy_share(program, result.step);
    return result;
}

}  // namespace orrery
