// Training results written for scripts: SI numbers under keys that carry the unit.
#include "scenarios/result_json.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/json.hpp"

namespace orrery {
namespace {

Json breakdown_object(const Breakdown& breakdown) {
    Json object = Json::object();
    for (std::size_t i = 0; i < time_part_count; ++i) {
        object[std::string(EnumTable<TimePart>::names[i].name)] = breakdown[i].si();
    }
    return object;
}

Json memory_object(const TrainingAnswer& answer) {
    const MemoryBreakdown& memory = answer.memory;
    Json details = Json::array();
    for (const MemoryDetail& one : memory.details) {
        details.push_back({{"part", one.part}, {"name", one.name}, {"bytes", one.size.si()}, {"source", one.source}});
    }
    return {{"peak_bytes", memory.total().si()},
            {"capacity_bytes", answer.memory_capacity.si()},
            {"weights_bytes", memory.weights.si()},
            {"gradients_bytes", memory.gradients.si()},
            {"optimizer_bytes", memory.optimizer.si()},
            {"activations_bytes", memory.activations.si()},
            {"other_bytes", memory.other.si()},
            {"cached_bytes", memory.cached.si()},
            {"details", details},
            {"fits", answer.fits},
            {"fullest_pipeline_rank", memory.stage},
            {"host_bytes_per_node", answer.host_memory.si()},
            {"host_capacity_bytes", answer.host_capacity.si()},
            {"drive_bytes_per_node", answer.drive_bytes.si()},
            {"drive_capacity_bytes", answer.drive_capacity.si()}};
}

Json simulation_object(const StepOutcome& outcome) {
    const RunStatistics& run = outcome.statistics;
    return {{"wall_s", run.wall.si()},     {"events", run.events},
            {"ranks", run.ranks},          {"classes", run.classes},
            {"detail", run.detail},        {"peak_rss_bytes", run.peak_rss_bytes},
            {"critical_rank", outcome.critical_rank}};
}

Json provenance_object(const TrainingReport& report) {
    const Provenance& provenance = report.provenance;
    Json object = {{"scenario_sha256", provenance.scenario_sha256},
                   {"seed", provenance.seed},
                   {"version", provenance.version},
                   {"commit", provenance.commit},
                   {"sources", provenance.sources},
                   {"basis", report.answer.basis},
                   {"notes", report.answer.notes}};
    return object;
}

Json changes_array(const TrainingReport& report) {
    Json array = Json::array();
    for (const ChangedPlan& plan : report.changes) {
        Json settings = Json::array();
        for (const Setting& setting : plan.settings) settings.push_back(setting.path + "=" + setting.value);
        array.push_back({{"change", plan.change},
                         {"set", settings},
                         {"estimated_step_time_s", plan.step_time.si()},
                         {"speedup", plan.speedup},
                         {"peak_bytes", plan.memory.si()},
                         {"fits", plan.fits}});
    }
    return array;
}

/// Counts of the network; prices and measures where they are known.
Json fabric_object(const TrainingReport& report) {
    const FabricBill& bill = report.fabric;
    const NetworkFigures& figures = bill.figures;
    Json kinds = Json::object();
    for (const SwitchCount& one : figures.kinds) kinds[one.kind] = one.count;
    Json object = {{"topology", report.cluster.fabric.topology},
                   {"routing", name_of(report.scenario.cluster.fabric.routing)},
                   {"switches", figures.switches},
                   {"switches_by_kind", kinds},
                   {"switch_ports_used", figures.switch_ports},
                   {"cables", figures.cables},
                   {"transceivers", figures.optic_ends}};
    if (bill.measured) {
        object["hops_max"] = figures.hops_max;
        object["bisection_bytes_per_s"] = figures.bisection.si();
    }
    if (!bill.link.empty()) object["priced_as"] = bill.link;
    const auto add_known = [&](const char* key, double value) {
        if (value > 0.0) object[key] = value;
    };
    add_known("switches_usd", bill.switches_price.si());
    add_known("cables_usd", bill.cables_price.si());
    add_known("switches_w", bill.switches_power.si());
    add_known("optics_w", bill.optics_power.si());
    return object;
}

/// Of a mixed machine, type by type.
Json groups_array(const TrainingAnswer& answer) {
    Json array = Json::array();
    for (const GroupAnswer& group : answer.groups) {
        array.push_back({{"node", group.node},
                         {"device", group.device},
                         {"nodes", group.nodes},
                         {"devices", group.devices},
                         {"first_pipeline_rank", group.first_stage},
                         {"pipeline_ranks", group.stages},
                         {"layers", group.layers},
                         {"peak_bytes", group.memory.total().si()},
                         {"capacity_bytes", group.memory_capacity.si()},
                         {"fits", group.fits},
                         {"compute_utilization", group.compute_utilization},
                         {"average_w", group.power_average.si()},
                         {"usd_per_step", group.cost_per_step.si()}});
    }
    return array;
}

/// The scenario as it was run, after what it extends and its settings: `orrery run` reads it back.
Json scenario_object(const Scenario& scenario) {
    Json object = write_fields(scenario);
    Json workload = {{"kind", "training"}};
    workload.update(object["workload"]);
    if (!scenario.framework_settings.empty()) {
        if (const Result<Json> settings = parse_json_text(scenario.framework_settings, "framework")) {
            Json framework = {{"name", scenario.workload.framework}};
            framework.update(*settings);
            workload["framework"] = std::move(framework);
        }
    }
    object["workload"] = std::move(workload);
    return object;
}

}  // namespace

std::string training_json(const TrainingReport& report) {
    const TrainingAnswer& answer = report.answer;
    Json stages = Json::array();
    for (const Breakdown& stage : answer.outcome.by_stage) stages.push_back(breakdown_object(stage));
    Json result = {
        {"kind", "training"},
        {"name", report.scenario.name},
        {"step_time_s", answer.outcome.step.si()},
        {"tokens_per_s", answer.tokens_per_s},
        {"samples_per_s", answer.samples_per_s},
        {"sample", answer.sample},
        {"tokens_per_s_per_device", answer.devices > 0 ? answer.tokens_per_s / answer.devices : 0.0},
        {"model_flops_per_device", answer.model_flops_per_device.si()},
        {"mfu", answer.mfu},
        {"hfu", answer.hfu},
        {"expected_error",
         {{"coverage", 0.9},
          {"step_time_low_s", (answer.outcome.step * answer.expected.low).si()},
          {"step_time_high_s", (answer.outcome.step * answer.expected.high).si()},
          {"basis", answer.expected.basis}}},
        {"devices", answer.devices},
        {"parameters", answer.parameters},
        {"model_flop_per_step", answer.model_flop.si()},
        {"estimated_step_time_s", report.estimated_step.si()},
        {"memory", memory_object(answer)},
        {"breakdown_s", breakdown_object(answer.outcome.breakdown)},
        {"breakdown_by_pipeline_rank_s", stages},
        {"power",
         {{"average_w", answer.power_average.si()},
          {"energy_per_step_j", answer.energy_per_step.si()},
          {"compute_utilization", answer.compute_utilization}}},
        {"cost",
         {{"usd_per_step", answer.cost_per_step.si()},
          {"usd_per_million_tokens", answer.cost_per_million_tokens.si()}}},
        {"fabric", fabric_object(report)},
        {"changes", changes_array(report)},
        {"simulation", simulation_object(answer.outcome)},
        {"scenario", scenario_object(report.scenario)},
        {"provenance", provenance_object(report)},
    };
    if (!answer.groups.empty()) result["groups"] = groups_array(answer);
    return dump(result);
}

}  // namespace orrery
