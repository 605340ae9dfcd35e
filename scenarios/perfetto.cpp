// Spans to trace events, streamed: a trace of millions of spans is never held as text.
#include "scenarios/perfetto.hpp"

#include "scenarios/json.hpp"
#include "scenarios/output_file.hpp"

#include <cinttypes>
#include <cstdio>

namespace orrery {
namespace {

/// JSON string literal, quotes included.
std::string trace_string(const std::string& text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Picoseconds as microseconds, exactly: "12.000345".
std::string trace_microseconds(std::int64_t picoseconds) {
    char text[32];
    const bool negative = picoseconds < 0;
    const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(picoseconds) : static_cast<std::uint64_t>(picoseconds);
    std::snprintf(text, sizeof text, "%s%" PRIu64 ".%06" PRIu64, negative ? "-" : "", size / 1000000, size % 1000000);
    return text;
}

std::string lane_place(std::uint32_t lane) {
    return "\"pid\":" + std::to_string(lane / 2) + ",\"tid\":" + std::to_string(lane % 2);
}

void write_lane_names(OutputFile& file, const Trace& trace) {
    for (std::uint32_t lane = 0; lane < trace.lanes.size(); ++lane) {
        const std::string place = "{\"ph\":\"M\"," + lane_place(lane);
        const std::string name = trace_string(trace.lanes[lane]);
        if (lane % 2 == 0) {
            // "stage 0 rank 8 compute": the stream's own word is the thread's.
            const std::string actor = trace_string(trace.lanes[lane].substr(0, trace.lanes[lane].rfind(' ')));
            file.write(place + ",\"name\":\"process_name\",\"args\":{\"name\":" + actor + "}},\n");
        }
        file.write(place + ",\"name\":\"thread_name\",\"args\":{\"name\":" + name + "}},\n");
        file.write(place + ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":" + std::to_string(lane % 2) + "}},\n");
    }
}

}  // namespace

Result<std::size_t> write_perfetto(const std::string& path, const Trace& trace,
                                   const std::vector<std::pair<std::string, std::string>>& about) {
    ORRERY_CHECK(trace.lane.size() == trace.name.size());
    ORRERY_CHECK(trace.lane.size() == trace.start_ps.size());
    ORRERY_CHECK(trace.lane.size() == trace.duration_ps.size());
    auto opened = OutputFile::open(path);
    if (!opened) return opened.problems();
    OutputFile& file = *opened;
    file.write("{\"displayTimeUnit\":\"ns\",\n\"otherData\":{");
    for (std::size_t i = 0; i < about.size(); ++i) {
        file.write((i == 0 ? "" : ",") + trace_string(about[i].first) + ":" + trace_string(about[i].second));
    }
    file.write("},\n\"traceEvents\":[\n");
    write_lane_names(file, trace);
    std::vector<std::string> names;
    for (const std::string& name : trace.names) names.push_back(trace_string(name));
    for (std::size_t i = 0; i < trace.lane.size(); ++i) {
        file.write("{\"ph\":\"X\"," + lane_place(trace.lane[i]) + ",\"name\":" + names.at(trace.name[i]) +
                   ",\"ts\":" + trace_microseconds(trace.start_ps[i]) +
                   ",\"dur\":" + trace_microseconds(trace.duration_ps[i]) + "},\n");
    }
    // The last element carries no comma, and tells how many spans there are.
    file.write("{\"ph\":\"M\",\"pid\":0,\"tid\":0,\"name\":\"span_count\",\"args\":{\"count\":" +
               std::to_string(trace.lane.size()) + "}}\n]}\n");
    return file.finish();
}

}  // namespace orrery
