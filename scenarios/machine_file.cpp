// Reads and writes the head of a calibration made on the machine at hand.
#include "scenarios/machine_file.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/calibration_file.hpp"
#include "scenarios/json.hpp"
#include "scenarios/output_file.hpp"

namespace orrery {

Result<std::optional<MachineFigures>> read_machine_figures(const std::string& file) {
    const Result<Json> json = parse_json_file(file);
    if (!json) return json.problems();
    if (!json->is_object() || !json->contains("machine")) return std::optional<MachineFigures>{};
    const std::string place = file + ":/machine";
    const Json& entry = (*json)["machine"];
    if (entry.is_object() && entry.contains("version") && entry["version"].is_number() &&
        entry["version"].get<double>() > static_cast<double>(machine_version)) {
        return Problem{place + "/version", "is " + entry["version"].dump() + ", newer than " + std::to_string(machine_version) + ", which this program knows",
                       "update orrery, or run `orrery calibrate --suite quick --out " + file + "` again"};
    }
    MachineFigures figures;
    Problems problems;
    read_fields(entry, place, figures, problems);
    if (!problems.empty()) return problems;
    return std::optional<MachineFigures>{figures};
}

Result<std::size_t> write_machine_calibration(const MachineFigures& figures, const Calibration& calibration,
                                              const std::string& path) {
    Result<Json> json = parse_json_text(calibration_json(calibration), path);
    if (!json) return json.problems();
    (*json)["machine"] = write_fields(figures);
    return write_file(path, dump(*json));
}

}  // namespace orrery
