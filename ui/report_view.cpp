// A training's answer put into words, the answer first.
#include "ui/report_view.hpp"

#include "scenarios/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace orrery {
namespace {

constexpr std::size_t changes_shown = 6;
constexpr std::size_t changes_shown_slower = 2;   // where none helps
constexpr double change_worth_telling = 0.005;   // of the step time: less is within the estimate's own rounding

struct PartWords {
    TimePart part;
    std::string_view label;    // of its bar
    std::string_view sentence; // "X is the largest loss"
};

constexpr auto part_words = std::to_array<PartWords>({
    {TimePart::compute, "computing", "the kernels themselves"},
    {TimePart::tensor_comm, "tensor exchanges", "waiting for exchanges among tensor-parallel devices"},
    {TimePart::context_comm, "context exchanges", "waiting for keys and values of the rest of the sequence"},
    {TimePart::expert_comm, "expert exchanges", "waiting for tokens on their way to experts"},
    {TimePart::pipeline_bubble, "pipeline bubble", "waiting for another pipeline stage"},
    {TimePart::pipeline_comm, "pipeline messages", "waiting for messages between pipeline stages"},
    {TimePart::data_comm, "data exchanges", "waiting for gradients and parameters of other replicas"},
    {TimePart::optimizer, "optimizer", "the optimizer's own step"},
    {TimePart::other, "host and other", "host work once per step"},
});

const PartWords& words_of(TimePart part) { return part_words.at(static_cast<std::size_t>(part)); }

Seconds seconds_of(const TrainingAnswer& answer, TimePart part) {
    return answer.outcome.breakdown.at(static_cast<std::size_t>(part));
}

double share_of_step(const TrainingAnswer& answer, TimePart part) {
    const Seconds step = answer.outcome.step;
    return step > Seconds{} ? seconds_of(answer, part) / step : 0.0;
}

/// Digits in groups of three: "16,384".
std::string grouped(double value) {
    const std::string digits = fmt::format("{:.0f}", value);
    std::string text;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const bool starts_group = i > 0 && (digits.size() - i) % 3 == 0 && digits[i - 1] != '-';
        if (starts_group) text += ',';
        text += digits[i];
    }
    return text;
}

/// "2,048 sequences of 8,192 tokens", "2,048 images".
std::string describe_batch(const TrainingReport& report) {
    const TrainingSpec& spec = report.scenario.workload;
    std::string text = grouped(spec.global_batch) + " " + report.answer.sample;
    if (report.answer.has_tokens) text += " of " + grouped(spec.sequence) + " tokens";
    return text;
}

std::string subtitle_of(const TrainingReport& report) {
    const Cluster& cluster = report.cluster;
    const TrainingSpec& spec = report.scenario.workload;
    std::string machine;
    for (const DeviceGroup& group : cluster.groups) {
        machine += fmt::format("{}{} {} in {} {}", machine.empty() ? "" : " and ", grouped(group.nodes * cluster.node.devices),
                               group.alike->device.name, grouped(group.nodes), group.name);
    }
    if (!cluster.is_mixed()) {
        machine = fmt::format("{} {} in {} {}", grouped(report.answer.devices), cluster.device.name, grouped(cluster.nodes), cluster.node.name);
    }
    return fmt::format("{}, {}; {}; {}, micro-batch {}, {}, recompute {}", machine, cluster.fabric.topology, describe(spec.parallelism), describe_batch(report),
                       spec.micro_batch, name_of(spec.precision), describe_recompute(spec));
}

ReportFigure memory_figure(const TrainingAnswer& answer) {
    const Bytes peak = answer.memory.total();
    const Bytes capacity = answer.memory_capacity;
    const double used = capacity > Bytes{} ? peak / capacity : 0.0;
    if (answer.fits) {
        return {"Memory", "fits",
                fmt::format("{} of {} ({}), {} free", format_bytes(peak), format_bytes(capacity), format_ratio(used),
                            format_bytes(capacity - peak)),
                Verdict::good};
    }
    return {"Memory", "does not fit",
            fmt::format("needs {} of {} ({}), {} too much", format_bytes(peak), format_bytes(capacity),
                        format_ratio(used), format_bytes(peak - capacity)),
            Verdict::bad};
}

/// One type of nodes of a mixed machine: what lies there, and how it gets on with it.
ReportFigure group_figure(const GroupAnswer& group) {
    const int last = group.first_stage + group.stages - 1;
    const std::string stages = group.stages == 1 ? fmt::format("stage {}", group.first_stage) : fmt::format("stages {} to {}", group.first_stage, last);
    return {group.node, fmt::format("{} layers", group.layers),
            fmt::format("{} on {} {}; {} of {} ({}); computes {} of the step, {}", stages, grouped(group.devices), group.device,
                        format_bytes(group.memory.total()), format_bytes(group.memory_capacity), group.fits ? "fits" : "does not fit",
                        format_ratio(group.compute_utilization), format_watts(group.power_average)),
            group.fits ? Verdict::neutral : Verdict::bad};
}

/// "2048 cables" and what they and their switches cost and draw, as far as the catalogue knows.
ReportFigure network_figure(const FabricBill& bill) {
    std::string text = fmt::format("{} cables", grouped(bill.figures.cables));
    const Usd price = bill.switches_price + bill.cables_price;
    const bool is_priced = bill.switches_price > Usd{} && bill.cables_price > Usd{};
    if (is_priced) text += fmt::format(", {} as {}", format_usd(price), bill.link);
    if (bill.switches_power > Watts{}) text += fmt::format(", {} of switches", format_watts(bill.switches_power));
    if (bill.optics_power > Watts{}) text += fmt::format(", {} of transceivers", format_watts(bill.optics_power));
    return {"Network", fmt::format("{} switches", grouped(bill.figures.switches)), text, Verdict::neutral};
}

std::vector<ReportFigure> figures_of(const TrainingReport& report) {
    const TrainingAnswer& answer = report.answer;
    const DataType precision = report.scenario.workload.precision;
    const double per_device = answer.devices > 0 ? answer.tokens_per_s / answer.devices : 0.0;
    const std::string unit = answer.has_tokens ? "tokens" : answer.sample;
    const std::string peak = answer.groups.empty() ? format_flops(report.cluster.device.peak(precision))
                                                   : "a mean of " + format_flops(job_peak(report.cluster, answer.devices, precision) * (1.0 / answer.devices));
    std::vector<ReportFigure> figures{
        {"Step time", format_seconds(answer.outcome.step), fmt::format("one optimizer step; 9 of 10 such runs: {} to {}",
                     format_seconds(answer.outcome.step * answer.expected.low),
                     format_seconds(answer.outcome.step * answer.expected.high))},
        {"Throughput", fmt::format("{} {}/s", format_count(answer.tokens_per_s), unit),
         fmt::format("{} {}/s per device", format_count(per_device), unit)},
        {"MFU", format_ratio(answer.mfu),
         fmt::format("{} of {} dense {} per device; HFU {}", format_flops(answer.model_flops_per_device),
                     peak, name_of(precision), format_ratio(answer.hfu))},
        memory_figure(answer),
        {"Cost", format_usd(answer.cost_per_step) + " per step",
         fmt::format("{} per million {}, at {} per device and hour", format_usd(answer.cost_per_million_tokens), unit,
                     format_usd(report.device_hour))},
        {"Power", format_watts(answer.power_average) + " average",
         fmt::format("{} per step at PUE {}", format_joules(answer.energy_per_step), report.scenario.economics.pue)},
        network_figure(report.fabric),
    };
    for (const GroupAnswer& group : answer.groups) figures.push_back(group_figure(group));
    return figures;
}

std::vector<ReportBar> time_bars(const TrainingAnswer& answer) {
    std::vector<ReportBar> bars;
    for (const PartWords& words : part_words) {
        const Seconds time = seconds_of(answer, words.part);
        if (time <= Seconds{}) continue;
        const bool is_useful = words.part == TimePart::compute || words.part == TimePart::optimizer;
        bars.push_back({std::string(words.label), format_seconds(time), share_of_step(answer, words.part), is_useful});
    }
    std::stable_sort(bars.begin(), bars.end(), [](const ReportBar& a, const ReportBar& b) { return a.share > b.share; });
    return bars;
}

std::vector<ReportBar> memory_bars(const TrainingAnswer& answer) {
    const MemoryBreakdown& memory = answer.memory;
    const std::array<std::pair<std::string_view, Bytes>, 5> parts{{{"weights", memory.weights},
                                                                   {"gradients", memory.gradients},
                                                                   {"optimizer states", memory.optimizer},
                                                                   {"activations", memory.activations},
                                                                   {"context and buffers", memory.other}}};
    std::vector<ReportBar> bars;
    for (const auto& [label, size] : parts) {
        if (size <= Bytes{} || answer.memory_capacity <= Bytes{}) continue;
        bars.push_back({std::string(label), format_bytes(size), size / answer.memory_capacity, true});
    }
    const std::array<std::tuple<std::string_view, Bytes, Bytes>, 2> elsewhere{
        {{"node's host", answer.host_memory, answer.host_capacity},
         {"node's drives", answer.drive_bytes, answer.drive_capacity}}};
    for (const auto& [label, size, capacity] : elsewhere) {
        if (size <= Bytes{} || capacity <= Bytes{}) continue;
        bars.push_back({fmt::format("{} ({})", label, format_bytes(capacity)), format_bytes(size), size / capacity, true});
    }
    return bars;
}

/// The part other than compute that takes most.
TimePart largest_loss(const TrainingAnswer& answer) {
    TimePart largest = TimePart::tensor_comm;
    for (const PartWords& words : part_words) {
        if (words.part == TimePart::compute) continue;
        if (seconds_of(answer, words.part) > seconds_of(answer, largest)) largest = words.part;
    }
    return largest;
}

std::vector<std::string> limits_of(const TrainingReport& report) {
    const TrainingAnswer& answer = report.answer;
    std::vector<std::string> sentences;
    const double compute = share_of_step(answer, TimePart::compute);
    if (compute > 0.0) {
        const double reached = std::min(1.0, answer.hfu / compute);
        sentences.push_back(fmt::format("Computing takes {} of the step, in which a device reaches {} of its dense peak: "
                                        "perfect kernels would save at most {} of the step.",
                                        format_ratio(compute), format_ratio(reached),
                                        format_ratio(compute * (1.0 - reached))));
    }
    const TimePart loss = largest_loss(answer);
    if (seconds_of(answer, loss) > Seconds{}) {
        sentences.push_back(fmt::format("The largest loss is {}: {} or {} of the step.", words_of(loss).sentence,
                                        format_seconds(seconds_of(answer, loss)),
                                        format_ratio(share_of_step(answer, loss))));
    }
    return sentences;
}

std::vector<std::string> settings_as_options(const std::vector<Setting>& settings) {
    std::vector<std::string> options;
    for (const Setting& one : settings) {
        const bool needs_quotes = one.value.find_first_of(" \"$[]{}*") != std::string::npos;   // in a shell
        const std::string setting = one.path + "=" + one.value;
        options.push_back("--set " + (needs_quotes ? "'" + setting + "'" : setting));
    }
    return options;
}

std::string effect_of(double speedup) {
    if (speedup >= 1.0) return format_ratio(1.0 - 1.0 / speedup) + " faster";
    return format_ratio(1.0 / speedup - 1.0) + " slower";
}

ReportChange change_of(const ChangedPlan& plan) {
    return {.effect = effect_of(plan.speedup),
            .step_time = format_seconds(plan.step_time),
            .change = plan.change,
            .settings = settings_as_options(plan.settings),
            .verdict = plan.fits && plan.speedup > 1.0 ? Verdict::good : Verdict::neutral};
}

void add_changes(const TrainingReport& report, ReportView& view) {
    const std::string plan = fmt::format("closed-form estimates; the plan as it is: {}", format_seconds(report.estimated_step));
    const std::vector<ChangedPlan>& changes = report.changes;   // fastest first
    const auto is_worth_it = [](const ChangedPlan& one) { return one.speedup >= 1.0 + change_worth_telling; };
    auto shown = std::min(changes_shown, changes.size());
    if (!report.answer.fits) {
        view.changes_heading = changes.empty() ? "No small change of the plan that was tried makes it fit"
                                               : "What would make it fit (" + plan + ")";
    } else if (!changes.empty() && is_worth_it(changes.front())) {
        view.changes_heading = "What would help most (" + plan + ")";
        shown = std::min(shown, static_cast<std::size_t>(std::count_if(changes.begin(), changes.end(), is_worth_it)));
    } else {
        view.changes_heading = "No small change of the plan that was tried and fits makes it faster";
        if (!changes.empty()) view.changes_heading += "; the nearest (" + plan + ")";
        shown = std::min(shown, changes_shown_slower);
    }
    for (std::size_t i = 0; i < shown; ++i) view.changes.push_back(change_of(changes[i]));
}

std::string simulation_line(const RunStatistics& run) {
    if (run.detail == "estimate") return fmt::format("closed form, {}", format_seconds(run.wall));
    return fmt::format("{} ranks as {} classes ({}), {} events, {}, {}", grouped(run.ranks), grouped(run.classes),
                       run.detail, grouped(static_cast<double>(run.events)), format_seconds(run.wall),
                       format_bytes(Bytes::from_si(static_cast<double>(run.peak_rss_bytes))));
}

/// Sources come as "ENTRY: FIGURES: SOURCE".
void add_sources_of(const std::vector<std::string>& sources, ReportView& view) {
    std::string entries;
    for (const std::string& source : sources) {
        const std::size_t colon = source.find(": ");
        const std::string entry = source.substr(0, colon);
        const bool is_new = view.sources.empty() || view.sources.back().label != entry;
        if (is_new) entries += (entries.empty() ? "" : ", ") + entry;
        view.sources.push_back({entry, colon == std::string::npos ? "" : source.substr(colon + 2)});
    }
    if (entries.empty()) return;
    view.sources_hint = "`orrery show NAME` prints those of " + entries;
}

void add_provenance(const TrainingReport& report, ReportView& view) {
    const Provenance& provenance = report.provenance;
    for (const std::string& one : report.answer.basis) view.basis.push_back({"price", one});
    for (const std::string& one : report.answer.notes) view.basis.push_back({"note", one});
    if (!report.expected_error.empty()) view.basis.push_back({"error", report.expected_error});
    view.provenance.push_back({"scenario", fmt::format("sha256 {}, seed {}", provenance.scenario_sha256, provenance.seed)});
    view.provenance.push_back({"orrery", fmt::format("{}, commit {}", provenance.version, provenance.commit)});
    view.provenance.push_back({"simulation", simulation_line(report.answer.outcome.statistics)});
    add_sources_of(provenance.sources, view);
}

}  // namespace

std::string describe(const Parallelism& p) {
    std::string text;
    const auto add = [&text](const std::string& words) { text += (text.empty() ? "" : ", ") + words; };
    if (p.tensor > 1) add(fmt::format("tensor {}", p.tensor));
    if (p.context > 1) add(fmt::format("context {}", p.context));
    if (p.pipeline > 1) {
        const std::string chunks = p.virtual_stages > 1 ? fmt::format(" x {} virtual stages", p.virtual_stages) : "";
        add(fmt::format("pipeline {}{} ({})", p.pipeline, chunks, name_of(p.schedule)));
    }
    if (p.data > 1) add(fmt::format("data {}", p.data));
    if (p.expert > 1) add(fmt::format("expert {}", p.expert));
    if (p.fsdp) add(p.shard > 0 ? fmt::format("FSDP over {}", p.shard) : "FSDP");
    if (p.zero > 0 && !p.fsdp) add(fmt::format("ZeRO {}", p.zero));
    return text.empty() ? "one device" : text;
}

std::string describe_recompute(const TrainingSpec& spec) {
    if (spec.recompute != Recompute::block) return std::string(name_of(spec.recompute));
    return fmt::format("{} {} of each stage", spec.recompute_layers, spec.recompute_layers == 1 ? "layer" : "layers");
}

ReportView view_of(const TrainingReport& report) {
    const TrainingAnswer& answer = report.answer;
    ReportView view;
    view.title = report.scenario.name.empty() ? report.scenario.workload.model : report.scenario.name;
    view.subtitle = subtitle_of(report);
    view.figures = figures_of(report);
    view.time = time_bars(answer);
    view.memory_heading = fmt::format("Memory of the fullest device (pipeline rank {}) against {}", answer.memory.stage,
                                      format_bytes(answer.memory_capacity));
    view.memory = memory_bars(answer);
    view.limits = limits_of(report);
    add_changes(report, view);
    add_provenance(report, view);
    return view;
}

}  // namespace orrery
