// Every point of the grid answered on its own; a point that is refused does not stop the others.
#include "ui/command_sweep.hpp"

#include "scenarios/bought_machine.hpp"
#include "scenarios/output_file.hpp"
#include "scenarios/quantity.hpp"
#include "scenarios/sweep.hpp"
#include "ui/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {
namespace {

Result<std::vector<std::vector<Setting>>> grid_of(const std::vector<std::string>& over) {
    std::vector<SweepAxis> axes;
    Problems problems;
    for (const std::string& text : over) {
        const auto axis = parse_sweep_axis(text);
        if (axis) {
            axes.push_back(*axis);
        } else {
            problems.insert(problems.end(), axis.problems().begin(), axis.problems().end());
        }
    }
    if (!problems.empty()) return problems;
    return sweep_points(axes);
}

SweepRow answer_point(const SweepOptions& options, const std::vector<Setting>& settings, Detail detail) {
    SweepRow row{.settings = settings, .answer = {}, .refusal = {}};
    const auto refuse = [&row](const Problems& problems) {
        row.refusal = problems.front().problem + (problems.front().remedy.empty() ? "" : "; " + problems.front().remedy);
        return row;
    };
    const auto loaded = load_scenario(options.input, settings);
    if (!loaded) return refuse(loaded.problems());
    SimulateOptions simulate_options;
    simulate_options.detail = detail;
    simulate_options.seed = loaded->scenario.seed;
    auto answer = run_training(loaded->resolved.cluster, loaded->resolved.run, loaded->scenario.fidelity, simulate_options);
    if (!answer) return refuse(answer.problems());
    pay_energy(loaded->resolved.energy_paid, answer.value());
    row.answer = std::move(answer).value();
    return row;
}

using TableCells = std::vector<std::string>;

TableCells row_cells(const SweepRow& row, bool is_best) {
    TableCells cells;
    for (const Setting& one : row.settings) cells.push_back(one.value);
    if (!row.answer) {
        cells.push_back("refused: " + row.refusal);
        return cells;
    }
    const TrainingAnswer& answer = *row.answer;
    for (std::string& cell : TableCells{format_seconds(answer.outcome.step), format_count(answer.tokens_per_s),
                                        format_ratio(answer.mfu), format_bytes(answer.memory.total()),
                                        answer.fits ? "yes" : "no", format_usd(answer.cost_per_million_tokens),
                                        format_watts(answer.power_average), is_best ? "fastest that fits" : ""}) {
        cells.push_back(std::move(cell));
    }
    return cells;
}

std::string table_text(const std::vector<TableCells>& table, std::size_t aligned, const Style& style) {
    std::vector<std::size_t> widths(aligned, 0);
    for (const TableCells& row : table) {
        const bool is_refusal = row.size() != table.front().size();
        const std::size_t cells = is_refusal ? std::min(aligned, row.size() - 1) : std::min(aligned, row.size());
        for (std::size_t i = 0; i < cells; ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
    }
    std::string text;
    for (std::size_t line = 0; line < table.size(); ++line) {
        std::string row;
        for (std::size_t i = 0; i < table[line].size(); ++i) {
            const bool is_free = i >= aligned || table[line].size() != table.front().size();
            const bool is_last = i + 1 == table[line].size();
            row += is_last && is_free ? table[line][i] : padded(table[line][i], widths[i], true) + "  ";
        }
        while (!row.empty() && row.back() == ' ') row.pop_back();
        text += painted(style, line == 0 ? Tone::bold : Tone::plain, row) + "\n";
    }
    return text;
}

/// The last parts of the paths, as far as they tell them apart.
std::string column_title(const std::string& path) {
    const std::size_t dot = path.rfind('.');
    return dot == std::string::npos ? path : path.substr(dot + 1);
}

std::size_t fastest_fitting(const std::vector<SweepRow>& rows) {
    std::size_t best = rows.size();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!rows[i].answer || !rows[i].answer->fits) continue;
        if (best == rows.size() || rows[i].answer->outcome.step < rows[best].answer->outcome.step) best = i;
    }
    return best;
}

std::string sweep_text(const std::vector<SweepRow>& rows, const Style& style) {
    std::vector<TableCells> table(1);
    for (const Setting& one : rows.front().settings) table.front().push_back(column_title(one.path));
    for (const char* title : {"step time", "tokens/s", "MFU", "memory", "fits", "$/M tokens", "power", ""}) {
        table.front().emplace_back(title);
    }
    const std::size_t best = fastest_fitting(rows);
    for (std::size_t i = 0; i < rows.size(); ++i) table.push_back(row_cells(rows[i], i == best));
    return table_text(table, table.front().size() - 1, style);
}

}  // namespace

ExitStatus command_sweep(const SweepOptions& given) {
    SweepOptions options = given;
    const bool is_estimate_meant = options.input.fidelity.empty() && options.input.detail.empty();
    if (is_estimate_meant) options.input.fidelity = name_of(Fidelity::estimate);
    const Problems unwritable = outputs_problems({options.json});
    if (!unwritable.empty()) return print_problems(unwritable);
    const auto detail = detail_of(options.input);
    if (!detail) return print_problems(detail.problems());
    const auto base = load_scenario(options.input);
    if (!base) return print_problems(base.problems());
    const auto grid = grid_of(options.over);
    if (!grid) return print_problems(grid.problems());

    ProgressLine progress;
    std::vector<SweepRow> rows;
    for (const std::vector<Setting>& settings : *grid) {
        progress.show("points", rows.size(), grid->size());
        rows.push_back(answer_point(options, settings, *detail));
    }
    progress.clear();

    const bool has_answer = std::any_of(rows.begin(), rows.end(), [](const SweepRow& row) { return row.answer.has_value(); });
    const ExitStatus status = !has_answer                           ? ExitStatus::wrong_input
                              : fastest_fitting(rows) == rows.size() ? ExitStatus::no
                                                                     : ExitStatus::done;
    if (!options.json.empty()) {
        const auto written = write_file(options.json, sweep_json(rows, base->scenario.fidelity));
        if (!written) return print_problems(written.problems());
        if (options.json == "-") return status;
    }
    return print_answer(sweep_text(rows, style_of_stdout()), status);
}

}  // namespace orrery
