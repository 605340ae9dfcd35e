// Scenarios are run and results are read; then both are laid side by side.
#include "ui/command_compare.hpp"

#include "scenarios/compare.hpp"
#include "scenarios/output_file.hpp"
#include "scenarios/quantity.hpp"
#include "scenarios/setting_effects.hpp"
#include "ui/goal_text.hpp"
#include "ui/report_text.hpp"
#include "ui/training_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

Result<ComparedRun> load_side(const ScenarioInput& input) {
    auto result = read_result(input.file);
    if (!result) return result.problems();
    if (result->has_value()) {
        if (!input.settings.empty()) {
            return Problem{input.file, "is a result, which --set cannot change", "give the scenario instead"};
        }
        return *std::move(*result);
    }
    const auto detail = detail_of(input);
    if (!detail) return detail.problems();
    const auto loaded = load_scenario(input);
    if (!loaded) return loaded.problems();
    SimulateOptions options;
    options.detail = *detail;
    const auto report = make_training_report(*loaded, options, false);
    if (!report) return report.problems();
    return compared_run(*report);
}

std::string figure_text(const ComparedFigure& figure, double value) {
    return figure.is_ratio ? format_ratio(value) : format_quantity(value, figure.dimension);
}

std::string change_text(double before, double after) {
    if (before == after) return "same";
    if (before == 0.0) return "";
    const double change = after / before - 1.0;
    return (change > 0 ? "+" : "-") + format_ratio(std::abs(change));
}

std::string signed_seconds(Seconds change) {
    return (change.si() < 0 ? "-" : "+") + format_seconds(Seconds::from_si(std::abs(change.si())));
}

std::string figures_text(const ComparedRun& before, const ComparedRun& after) {
    std::string text = fmt::format("  {}{}{}  {}\n", padded("", 26), padded("before", 14, true), padded("after", 14, true), "change");
    for (std::size_t i = 0; i < compared_figure_count; ++i) {
        const ComparedFigure& figure = compared_figures[i];
        text += fmt::format("  {}{}{}  {}\n", padded(figure.label, 26),
                            padded(figure_text(figure, before.figures[i]), 14, true),
                            padded(figure_text(figure, after.figures[i]), 14, true),
                            change_text(before.figures[i], after.figures[i]));
    }
    text += fmt::format("  {}{}{}\n", padded("fits in memory", 26), padded(before.fits ? "yes" : "no", 14, true),
                        padded(after.fits ? "yes" : "no", 14, true));
    return text;
}

std::string changed_text(const ComparedRun& before, const ComparedRun& after) {
    if (before.keys.empty() || after.keys.empty()) return "  one of the results does not carry its scenario\n";
    std::string text;
    for (const ChangedKey& one : changed_keys(before, after)) {
        text += fmt::format("  {}: {} -> {}\n", one.path, one.before.empty() ? "(absent)" : one.before,
                            one.after.empty() ? "(absent)" : one.after);
    }
    return text.empty() ? "  nothing\n" : text;
}

/// Parts of the step by how much they changed, largest first.
std::string why_text(const ComparedRun& before, const ComparedRun& after, const Style& style) {
    std::vector<std::pair<Seconds, std::string>> changes;
    Seconds step_before;
    Seconds step_after;
    for (std::size_t i = 0; i < time_part_count; ++i) {
        step_before += before.breakdown[i];
        step_after += after.breakdown[i];
        const Seconds change = after.breakdown[i] - before.breakdown[i];
        if (change != Seconds{}) changes.emplace_back(change, std::string(EnumTable<TimePart>::names[i].name));
    }
    std::stable_sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) {
        return std::abs(a.first.si()) > std::abs(b.first.si());
    });
    if (changes.empty()) return "  the step takes the same time in every part\n";
    std::string text = fmt::format("  {}{}\n", padded("step", 26), padded(signed_seconds(step_after - step_before), 14, true));
    for (const auto& [change, part] : changes) {
        const double share = std::abs(change.si()) / std::abs(changes.front().first.si());
        text += fmt::format("  {}{}  {}\n", padded(part, 26), padded(signed_seconds(change), 14, true),
                            painted(style, change.si() < 0 ? Tone::good : Tone::bad, text_bar(share, 30, style)));
    }
    return text;
}

/// "NAME (FILE --set PATH=VALUE)"
std::string side_text(const std::string& name, const ScenarioInput& input) {
    std::string text = name == input.file ? input.file : fmt::format("{} ({}", name, input.file);
    for (const std::string& setting : input.settings) text += " --set " + setting;
    return name == input.file ? text : text + ")";
}

std::string comparison_text(const ComparedRun& before, const ComparedRun& after, const std::vector<ChangeEffect>& effects,
                            const CompareOptions& options, const Style& style) {
    ScenarioInput first;
    first.file = options.before;
    std::string text = fmt::format("before: {}\nafter:  {}\n\n", side_text(before.name, first),
                                   side_text(after.name, options.after));
    text += figures_text(before, after);
    text += "\n" + painted(style, Tone::bold, "What differs in the scenarios") + "\n" + changed_text(before, after);
    text += "\n" + painted(style, Tone::bold, "Where the time of a step went") + "\n" + why_text(before, after, style);
    if (effects.size() < 2) return text;   // one change moved all of it
    return text + "\n" + painted(style, Tone::bold, "Which change moved what, one after the other by the closed form") + "\n" + effects_text(effects);
}

/// Of two scenarios; results do not carry what it takes.
std::vector<ChangeEffect> effects_between(const CompareOptions& options) {
    const auto settings = settings_of(options.after);
    for (const std::string& file : {options.before, options.after.file}) {
        const auto result = read_result(file);
        if (!result || result->has_value()) return {};
    }
    if (!settings) return {};
    auto effects = setting_effects({options.before, {}}, {options.after.file, *settings});
    return effects ? std::move(effects).value() : std::vector<ChangeEffect>{};
}

}  // namespace

ExitStatus command_compare(const CompareOptions& options) {
    const Problems unwritable = outputs_problems({options.json});
    if (!unwritable.empty()) return print_problems(unwritable);
    ScenarioInput first = options.after;
    first.file = options.before;
    first.settings.clear();
    const auto before = load_side(first);
    const auto after = load_side(options.after);
    if (!before || !after) {
        if (!before) print_problems(before.problems());
        if (!after) print_problems(after.problems());
        return ExitStatus::wrong_input;
    }
    const std::vector<ChangeEffect> effects = effects_between(options);
    if (!options.json.empty()) {
        const auto written = write_file(options.json, comparison_json(*before, *after, effects));
        if (!written) return print_problems(written.problems());
        if (options.json == "-") return ExitStatus::done;
    }
    return print_answer(comparison_text(*before, *after, effects, options, style_of_stdout()));
}

}  // namespace orrery
