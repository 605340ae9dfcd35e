// The catalogue: every device, node, link, model and framework by name, each number with its source.
#pragma once

#include "hardware/device.hpp"
#include "hardware/node.hpp"
#include "hardware/result.hpp"
#include "models/architecture.hpp"
#include "models/families.hpp"
#include "models/framework.hpp"
#include "network/fabric.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// One number of the catalogue as its file gives it.
struct CatalogFigure {
    std::string key;          // "memory_bandwidth"
    std::string value;        // "3350 GB/s"
    std::string source;
    std::string date;
    std::vector<std::string> alternatives;   // "3352 GB/s (source, date)": other sources, not used; offers of a rent
};

/// One catalogue entry as text, for `list` and `show`.
struct CatalogPage {
    std::string kind;         // "device", "node", "link", "model", "framework"
    std::string name;
    std::string line;         // one honest line
    std::vector<CatalogFigure> figures;
    std::vector<std::string> notes;
};

/// Folder that holds hardware/, models/, network/ and scenarios/: $ORRERY_HOME, else the installed share folder beside
/// the program, else the source tree it was built from.
std::string data_directory();

struct CatalogLink {
    std::string name;
    std::string title;
    std::string kind;         // "infiniband", "roce", "efa", ...
    BytesPerSecond bandwidth; // one direction
    Seconds latency;          // one hop through NICs and a switch; 0: the kind's default
    Usd switch_price, cable_price;            // a cable with both its transceivers; 0: not known
    Watts switch_power, transceiver_power;    // a switch without its transceivers; 0: not known

    static constexpr auto fields() {
        using L = CatalogLink;
        return std::tuple{
            required_field("title", &L::title, any_value, "Name as people write it."),
            required_field("kind", &L::kind, any_value, "Kind of network; sets the hop latency where none is given."),
            required_field("bandwidth", &L::bandwidth, positive, "Rate in one direction."),
            field("latency", &L::latency, positive, "One hop through NICs and a switch."),
            field("switch_price", &L::switch_price, positive, "Purchase of one switch of the kind's usual size."),
            field("switch_power", &L::switch_power, positive, "Power of one switch without its transceivers."),
            field("cable_price", &L::cable_price, positive, "Purchase of one optical cable with both transceivers."),
            field("transceiver_power", &L::transceiver_power, positive, "Power of one end of an optical cable."),
        };
    }
};

Result<Device> find_device(std::string_view name);       // with its calibration, if the repository has one
/// A device's entry as it stands, without calibration, whether or not it says enough to be simulated.
Result<Device> read_device_entry(std::string_view name);
/// What a device lacks to be simulated ("no memory bandwidth"); empty if it can be.
std::string missing_figures(const Device& device);
Result<Node> find_node(std::string_view name);
Result<CatalogLink> find_link(std::string_view name);
Result<Architecture> find_model(std::string_view name_or_path);

/// A model of either sort: a decoder transformer, or where `family` is set a layered model.
struct TrainedModel {
    std::string name;
    Architecture architecture;
    std::optional<ModelFamily> family;
};
/// As find_model(), and files with a "family" key too.
Result<TrainedModel> find_trained_model(std::string_view name_or_path);
Result<FrameworkProfile> find_framework(std::string_view name);
Result<std::shared_ptr<const CollectiveParameters>> find_collective_parameters(const Device& device);
Result<Calibration> read_calibration(const std::string& file);
/// Rent of one device for one hour: the median of the catalogue's prices for it; 0 with no price known.
Usd device_hour_price(std::string_view device);

/// Every entry of a kind ("devices", "nodes", "links", "models", "frameworks"), sorted by name.
Result<std::vector<CatalogPage>> list_catalog(std::string_view kind);
/// The page of one entry of any kind; the problem names the nearest existing name.
Result<CatalogPage> show_catalog(std::string_view name);

}  // namespace orrery
