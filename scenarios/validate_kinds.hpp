// What the kinds of measured tables share: the fate of one row, and the entries by which a kind is found.
#pragma once

#include "network/collective_fit.hpp"
#include "network/fabric.hpp"
#include "scenarios/error_statistics.hpp"
#include "scenarios/json.hpp"
#include "scenarios/training_row.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// What became of one row: its comparisons, or the reason why there are none.
struct RowOutcome {
    std::string source;
    std::vector<Comparison> comparisons;
    std::string reason;
};

/// A row made ready: safe to call from any thread.
using RowTask = std::function<RowOutcome()>;

/// A task that has nothing left to do but to say why its row is skipped.
RowTask skipped_row(const std::string& source, const std::string& reason);

/// One kind of row in JSON Lines. `prepare` gets an id for rows that have none of their own. `configuration`: what was
/// run, without what was measured; rows of one configuration whose figures are over 20 % apart are left out. Null where
/// repeated runs are expected to differ.
struct LineKind {
    std::string_view name;
    bool (*recognises)(const Json& row);
    RowTask (*prepare)(const Json& row, const std::string& id, CatalogCache& catalog);
    std::string (*configuration)(const Json& row);
};
std::span<const LineKind> line_kinds();

/// A whole CSV, predicted.
struct CsvOutcome {
    std::vector<RowOutcome> rows;
    std::string fit;  // one line: how many of its rows the calibration has seen
};

/// One kind of CSV, found by the TABLE of its name SYSTEM.LIBRARY-VERSION.TABLE.csv.
struct CsvKind {
    std::string_view table;
    Result<CsvOutcome> (*predict)(const std::string& path, std::string_view table, CatalogCache& catalog);
};
std::span<const CsvKind> csv_kinds();

/// Catalogue name of the device that a system of kernel tables is ("h100_sxm" is h100-sxm), of several the one with the
/// most memory; empty: none.
std::string device_of_system(std::string_view system, CatalogCache& catalog);

/// The machine that free text names ("DGX H100", "4 nodes 8x B200", "V100 server"): catalogue names; null: none.
struct NamedMachine {
    std::string_view part;  // of the lower-case text
    std::string_view device;
    std::string_view node;
};
const NamedMachine* machine_named(const std::string& text);

// JSON Lines: one file each, named after the kind.
bool is_memory_row(const Json& row);
RowTask prepare_memory(const Json& row, const std::string& id, CatalogCache& catalog);
std::string memory_configuration(const Json& row);
/// Bytes of the fullest device, and "peak_bytes" as metric: for training rows that print a peak.
double predicted_peak_bytes(const TrainingRun& run);
bool is_collective_row(const Json& row);
/// A row of a collective with the fabric that it describes.
struct PricedCollectiveRow {
    std::string system;
    std::string source;
    Fabric fabric;
    CollectiveSample sample;
    bool rate_stated = true;
    Seconds host;             // of the harness that it names
    std::string note;
};
/// Problems (the first says why it is skipped): fields that are absent, a system without an entry, several nodes at a rate
/// that is not stated, unless `catalog_rates` lets the catalogue's stand for it.
Result<PricedCollectiveRow> price_collective_row(const Json& row, CatalogCache& catalog, bool catalog_rates);
RowTask prepare_collective(const Json& row, const std::string& id, CatalogCache& catalog);

// CSVs: matrix products, attention, experts; collectives; and tables without a model here.
Result<CsvOutcome> predict_operators(const std::string& path, std::string_view table, CatalogCache& catalog);
Result<CsvOutcome> predict_latent_attention(const std::string& path, std::string_view table, CatalogCache& catalog);
Result<CsvOutcome> predict_nccl(const std::string& path, std::string_view table, CatalogCache& catalog);
Result<CsvOutcome> predict_custom_all_reduce(const std::string& path, std::string_view table, CatalogCache& catalog);
Result<CsvOutcome> predict_expert_exchange(const std::string& path, std::string_view table, CatalogCache& catalog);
Result<CsvOutcome> skip_table(const std::string& path, std::string_view table, CatalogCache& catalog);

}  // namespace orrery
