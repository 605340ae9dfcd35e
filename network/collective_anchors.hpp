// From a few measured collectives to the parameters of a generation that nobody measured in whole: other generations say
// how parameters lie, the anchors what is different here.
#pragma once

#include "network/collective_fit.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Geometric mean of the generations' parameters, residuals left out. In-switch sums: of those that have them, and there
/// only if `sums_in_switch`. Requires at least one.
CollectiveParameters pooled_parameters(std::span<const CollectiveParameters> generations, bool sums_in_switch);

/// Parameters for `anchors` near `prior`: as fit_collectives(), but what all start-ups and all steps have in common may
/// move freely, since generations differ in those (five tables: latencies do not carry over, efficiencies do), and each
/// parameter is held to that common move.
CollectiveParameters fit_anchors(const CollectiveParameters& prior, const MeasuredDomain& domain,
                                 std::span<const CollectiveSample> anchors);

/// Of a whole table what a user with little time would measure: five sizes (4 KiB, 64 KiB, 1, 16 and 256 MiB, or the nearest
/// there are) of all-reduce among all ranks; with `wanted` 10 among two ranks as well; with 20 all-to-all as well.
std::vector<CollectiveSample> anchors_of(std::span<const CollectiveSample> samples, int wanted);

/// What one output of nccl-tests says.
struct NcclLog {
    std::vector<CollectiveSample> samples;
    std::vector<std::string> notes;   // what a reader should know: that it was cut
};

/// The text that nccl-tests prints: every line with a size and a time, out of place. Kind: by the name of
/// the test in the text, else in `file` ("all_reduce_perf.txt"); ranks and hosts: by the text's list of ranks, each host one
/// domain. Columns are found by their names and units. Problems: no test's name, no ranks, no head, units other than bytes
/// and seconds, no line; at most twenty lines that cannot be read, among them one that breaks off.
Result<NcclLog> parse_nccl_tests(std::string_view text, const std::string& file);

/// The collective whose test ("all_reduce_perf") is named in `text`; and a type as nccl-tests names it, fp32 if unknown.
std::optional<CollectiveKind> perf_test_kind(std::string_view text);
DataType perf_type(std::string_view name);

/// True for text that nccl-tests printed or wrote.
bool is_nccl_tests(std::string_view text);

}  // namespace orrery
