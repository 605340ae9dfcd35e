// Rows and tables of measured collectives: each priced on the fabric that its row describes, alone.
#include "network/collective_expected.hpp"
#include "network/collective_fit.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/validate_kinds.hpp"
#include "scenarios/validate_row.hpp"

#include <array>
#include <charconv>

namespace orrery {
namespace {

constexpr std::array<NamedMachine, 10> named_machines{{
    {"gb200", "gb200", "gb200-nvl72"},
    {"b300", "b300-sxm", "dgx-b300"},
    {"b200", "b200-sxm", "dgx-b200"},
    {"h200", "h200-sxm", "dgx-h200"},
    {"h100", "h100-sxm", "dgx-h100"},
    {"a100", "a100-sxm-80", "dgx-a100"},
    {"v100", "v100-sxm-32", "dgx-1-v100-32"},
    {"l40s", "l40s", "l40s-server"},
    {"mi300x", "mi300x", "mi300x-node"},
    {"mi325x", "mi325x", "mi325x-node"},
}};

/// What a measuring harness that the row names adds to every call on the host's side: no part of the fabric, so it is kept
/// out of it. 20 us for torch.distributed loops, from the small sizes of machines whose fabric was measured without one.
/// Rows that name no harness get nothing: who published them is not looked at.
struct Harness {
    std::string_view part;    // of the row's note
    Seconds host;
    std::string_view words;
};
constexpr std::array<Harness, 1> harnesses{{
    {"torch.distributed", 20.0_us, "20 us of the torch.distributed harness added"},
}};

const Harness* harness_of(const Json& row) {
    for (const Harness& one : harnesses) {
        if (row_says(row, "harness", one.part) || row_says(row, "note", one.part)) return &one;
    }
    return nullptr;
}

struct KindWord {
    std::string_view word;
    CollectiveKind kind;
};
constexpr std::array<KindWord, 7> kind_words{{
    {"all_reduce", CollectiveKind::all_reduce},
    {"all_gather", CollectiveKind::all_gather},
    {"reduce_scatter", CollectiveKind::reduce_scatter},
    {"alltoall", CollectiveKind::all_to_all},
    {"all_to_all", CollectiveKind::all_to_all},
    {"broadcast", CollectiveKind::broadcast},
    {"sendrecv", CollectiveKind::send_recv},
}};

/// "... 400 GB/s/node ..." is 4e11 bytes a second and node, one direction; nothing where the text has no such rate.
std::optional<BytesPerSecond> node_rate_of(const std::string& text) {
    const std::size_t unit = text.find(" GB/s/node");
    if (unit == std::string::npos || unit == 0) return std::nullopt;
    const std::size_t start = text.find_last_not_of("0123456789.", unit - 1) + 1;  // npos + 1 is 0
    double value = 0.0;
    const auto [end, error] = std::from_chars(text.data() + start, text.data() + unit, value);
    if (error != std::errc{} || end != text.data() + unit || !(value > 0.0)) return std::nullopt;
    return BytesPerSecond::from_si(value * 1e9);
}

/// The fabric of `nodes` nodes of a catalogue machine, with the network rate that the row states.
Result<Fabric> fabric_of_machine(const NamedMachine& machine, int nodes, const std::string& interconnect,
                                 CatalogCache& catalog, bool catalog_rates = false) {
    const Result<Device> device = catalog.device(std::string(machine.device));
    if (!device) return device.problems();
    const Result<Node> found = catalog.node(std::string(machine.node));
    if (!found) return found.problems();
    const auto parameters = catalog.collectives(*device);
    if (!parameters) return parameters.problems();
    Node node = *found;
    FabricSpec spec;
    spec.topology = "single-node";
    if (nodes > 1) {
        const auto rate = node_rate_of(interconnect);
        if (!rate && !catalog_rates)
            return Problem{"row", "several nodes, and the rate of the network between them is not stated",
                           "write it, as in \"400 GB/s/node\""};
        if (rate) node.nic_bandwidth = *rate / static_cast<double>(node.nics);
        spec.topology = "rail-optimized";
    }
    return build_fabric(spec, node, nodes, device->scale_up_bandwidth, *parameters);
}

/// "github owner/repository:path L53" without its line: one source for all rows of a table.
std::string source_of_collective(const Json& row) {
    const std::string source = row_text(row, "source");
    const std::size_t line = source.rfind(" L");
    const bool numbered = line != std::string::npos && line + 2 < source.size() &&
                          source.find_first_not_of("0123456789", line + 2) == std::string::npos;
    return source.empty() ? "collectives" : numbered ? source.substr(0, line) : source;
}

}  // namespace

const NamedMachine* machine_named(const std::string& text) {
    const std::string lower = lower_case(text);
    for (const NamedMachine& one : named_machines) {
        if (lower.find(one.part) != std::string::npos) return &one;
    }
    return nullptr;
}

bool is_collective_row(const Json& row) {
    return row.is_object() && row.contains("collective") && row.contains("bytes");
}

Result<PricedCollectiveRow> price_collective_row(const Json& row, CatalogCache& catalog, bool catalog_rates) {
    const auto refuse = [](const std::string& why) { return Problem{"row", why, "complete the row"}; };
    PricedCollectiveRow priced;
    priced.source = source_of_collective(row);
    priced.system = row_text(row, "system");
    for (const char* key : {"nodes", "gpus"}) {
        if (!row_count(row, key)) return refuse(std::string(key) + " is absent");
    }
    const auto bytes = row_number(row, "bytes");
    const auto time = row_number(row, "time_us");
    if (!bytes || *bytes <= 0.0 || !time || *time <= 0.0) return refuse("bytes or time_us is absent");
    const std::string word = lower_case(row_text(row, "collective"));
    const auto kind =
        std::find_if(kind_words.begin(), kind_words.end(), [&](const KindWord& k) { return k.word == word; });
    if (kind == kind_words.end()) return refuse("the collective is not in this version");
    const NamedMachine* machine = machine_named(priced.system);
    if (machine == nullptr) return refuse("no catalogue entry for the system");
    const int nodes = *row_count(row, "nodes");
    const int ranks = *row_count(row, "gpus");
    if (ranks % nodes != 0 || ranks < 2) return refuse("gpus is not a multiple of nodes, or one alone");
    const std::string interconnect = row_text(row, "interconnect");
    Result<Fabric> fabric = fabric_of_machine(*machine, nodes, interconnect, catalog, catalog_rates);
    if (!fabric) return fabric.problems();
    if (ranks / nodes > fabric->devices_per_node) return refuse("more gpus a node than the machine has");
    priced.rate_stated = nodes == 1 || node_rate_of(interconnect).has_value();
    const DataType type = row_says(row, "dtype", "int8")   ? DataType::int8
                          : row_says(row, "dtype", "half") ? DataType::fp16
                                                           : DataType::fp32;
    priced.sample = {kind->kind, type, ranks, Bytes::from_si(*bytes), Seconds::from_si(*time * 1e-6), nodes};
    priced.fabric = std::move(fabric).value();
    if (const Harness* harness = harness_of(row)) {
        priced.host = harness->host;
        priced.note = harness->words;
    }
    return priced;
}

RowTask prepare_collective(const Json& row, const std::string& id, CatalogCache& catalog) {
    const Result<PricedCollectiveRow> priced = price_collective_row(row, catalog, false);
    if (!priced) return skipped_row(source_of_collective(row), priced.problems().front().problem);
    const CollectiveSample& s = priced->sample;
    const GroupShape shape{s.ranks, s.ranks / s.domains, s.domains, 1};
    const Seconds predicted = sample_time(priced->fabric, s) + priced->host;
    const CollectiveExpected expected = expected_collective(priced->fabric, {s.kind, s.size, s.type}, shape);
    const std::string name = row_text(row, "id").empty() ? id : row_text(row, "id");
    RowOutcome outcome{priced->source,
                       {{name, priced->source, "collective_s", s.time.si(), predicted.si(), priced->note, expected.low, expected.high,
                         s.domains > 1 ? "between nodes" : "in one scale-up domain"}},
                       {}};
    return [outcome]() { return outcome; };
}

Result<CsvOutcome> predict_nccl(const std::string& path, std::string_view, CatalogCache& catalog) {
    const Result<std::string> text = read_text_file(path);
    if (!text) return text.problems();
    const Result<std::vector<CollectiveSample>> samples = parse_nccl_table(*text, path);
    if (!samples) return samples.problems();
    const std::string file = path.substr(path.find_last_of('/') + 1);
    const NamedMachine* machine = machine_named(file.substr(0, file.find('.')));
    CsvOutcome outcome;
    if (machine == nullptr) {
        outcome.rows.assign(samples->size(), {file, {}, "no catalogue entry for the system"});
        return outcome;
    }
    const Result<Fabric> fabric = fabric_of_machine(*machine, 1, "", catalog);
    if (!fabric) return fabric.problems();
    for (const CollectiveSample& s : *samples) {
        const std::string id = std::string(name_of(s.kind)) + " " + std::string(name_of(s.type)) + " " +
                               std::to_string(s.ranks) + " devices " +
                               std::to_string(static_cast<long long>(s.size.si())) + " bytes";
        if (s.ranks > fabric->domain) {
            outcome.rows.push_back({file, {}, "more devices than the scale-up domain has"});
            continue;
        }
        const Seconds predicted = collective_time(*fabric, {s.kind, s.size, s.type}, {s.ranks, s.ranks, 1, 1});
        outcome.rows.push_back({file, {{id, file, "collective_s", s.time.si(), predicted.si(), {}}}, {}});
    }
    const auto& quality = fabric->parameters->quality;
    const int fitted = quality && quality->table == file ? quality->rows : 0;
    outcome.fit = std::to_string(fitted) + " of " + std::to_string(samples->size()) + " rows of " + file +
                  " were used in the fit of the collectives of " + std::string(machine->device);
    return outcome;
}

}  // namespace orrery
