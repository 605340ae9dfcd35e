// Reads the XML that `lstopo` writes.
#include "scenarios/import_topology.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string_view>

namespace orrery {
namespace {

/// One <object> of the file.
struct HwlocObject {
    std::map<std::string, std::string> attributes;
    std::vector<int> children;
    int parent = -1;
    [[nodiscard]] std::string of(const std::string& key) const {
        const auto found = attributes.find(key);
        return found == attributes.end() ? std::string() : found->second;
    }
};

std::string plain_text(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        constexpr std::pair<std::string_view, char> entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
        const auto entity = std::find_if(std::begin(entities), std::end(entities), [&](const auto& e) { return text.substr(i).starts_with(e.first); });
        if (entity == std::end(entities)) {
            plain += text[i];
        } else {
            plain += entity->second;
            i += entity->first.size() - 1;
        }
    }
    return plain;
}

/// Objects in document order with their parents. The format's own dialect of XML: attributes in double quotes.
class HwlocReader {
  public:
    HwlocReader(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

    Result<std::vector<HwlocObject>> read() {
        std::vector<int> open;
        while (true) {
            const std::size_t begin = text_.find('<', at_);
            if (begin == std::string_view::npos) break;
            const std::size_t end = text_.find('>', begin);
            if (end == std::string_view::npos) return broken(begin, "a tag that never ends");
            const std::string_view tag = text_.substr(begin + 1, end - begin - 1);
            at_ = end + 1;
            if (tag.starts_with("/object")) {
                if (open.empty()) return broken(begin, "an object's end without its beginning");
                open.pop_back();
            } else if (tag.starts_with("object ")) {
                HwlocObject object;
                if (!read_attributes(tag, object)) return broken(begin, "an attribute without quotes");
                object.parent = open.empty() ? -1 : open.back();
                const auto id = static_cast<int>(objects_.size());
                if (object.parent >= 0) objects_[static_cast<std::size_t>(object.parent)].children.push_back(id);
                objects_.push_back(std::move(object));
                if (tag.back() != '/') open.push_back(id);
            }
        }
        if (!open.empty()) return broken(text_.size(), "an object that never ends");
        if (objects_.empty()) return broken(0, "no object");
        return std::move(objects_);
    }

  private:
    std::string_view text_;
    std::string file_;
    std::size_t at_ = 0;
    std::vector<HwlocObject> objects_;

    [[nodiscard]] Problem broken(std::size_t at, const std::string& what) const {
        const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
        return {file_ + ":" + std::to_string(line), "has " + what, "write the file with `lstopo --of xml FILE`"};
    }

    static bool read_attributes(std::string_view tag, HwlocObject& object) {
        for (std::size_t at = tag.find(' '); at != std::string_view::npos && at + 1 < tag.size();) {
            const std::size_t equals = tag.find('=', at);
            if (equals == std::string_view::npos) return true;
            const std::size_t close = tag.find('"', equals + 2);
            if (equals + 1 >= tag.size() || tag[equals + 1] != '"' || close == std::string_view::npos) return false;
            object.attributes[std::string(tag.substr(at + 1, equals - at - 1))] = plain_text(tag.substr(equals + 2, close - equals - 2));
            at = tag.find(' ', close);
        }
        return true;
    }
};

class HwlocGraph {
  public:
    HwlocGraph(const std::vector<HwlocObject>& objects, const ImportRates& rates) : objects_(objects), rates_(rates) {}

    GraphFile build() {
        graph_.title = "Inside of a node";
        graph_.description = "From lstopo; where it tells no rate of a PCIe link, or of what joins sockets, one is assumed.";
        graph_.tree = true;
        const Part machine = visit(0);
        static_cast<void>(machine);
        return std::move(graph_);
    }

  private:
    struct Part {
        std::string name;      // what stands for a sub-tree; empty: nothing that matters is in it
        BytesPerSecond rate;   // of its link upward
    };

    const std::vector<HwlocObject>& objects_;
    ImportRates rates_;
    GraphFile graph_;
    std::map<std::string, int> counts_;

    [[nodiscard]] BytesPerSecond link_rate(const HwlocObject& object) const {
        const double gigabytes = std::strtod(object.of("pci_link_speed").c_str(), nullptr);
        return gigabytes > 0.0 ? gigabytes * 1.0_GBps : rates_.pcie;
    }

    /// "gpu" or "nic" by the class of a PCI device (PCI-SIG class codes 03: display, 12: accelerator, 02: network).
    static std::string role_of(const HwlocObject& object) {
        const std::string type = object.of("pci_type");
        if (type.starts_with("03") || type.starts_with("12")) return "gpu";
        return type.starts_with("02") ? "nic" : std::string();
    }

    std::string numbered(const std::string& kind) { return kind + " " + std::to_string(counts_[kind]++); }

    Part visit(int id) {
        const HwlocObject& object = objects_[static_cast<std::size_t>(id)];
        const std::string type = object.of("type");
        if (type == "PCIDev") {
            const std::string role = role_of(object);
            if (role.empty()) return {};
            graph_.nodes.push_back(numbered(role));
            return {graph_.nodes.back(), link_rate(object)};
        }
        std::vector<Part> below;
        for (const int child : object.children) {
            Part part = visit(child);
            if (!part.name.empty()) below.push_back(std::move(part));
        }
        if (below.empty()) return {};
        if (below.size() == 1) return {below[0].name, type == "Bridge" ? std::min(below[0].rate, link_rate(object)) : below[0].rate};
        const bool is_bridge = type == "Bridge";
        const std::string name = numbered(is_bridge ? "pcie switch" : type == "Package" ? "socket" : type == "Machine" ? "machine" : "group");
        graph_.switches.push_back(name);
        for (const Part& part : below) graph_.links.push_back({part.name, name, part.rate, {}, 1});
        return {name, is_bridge ? link_rate(object) : rates_.socket};
    }
};

}  // namespace

Result<GraphFile> import_hwloc(const std::string& text, const std::string& file, const ImportRates& rates) {
    const Result<std::vector<HwlocObject>> objects = HwlocReader(text, file).read();
    if (!objects) return objects.problems();
    GraphFile graph = HwlocGraph(*objects, rates).build();
    if (graph.nodes.size() >= 2) return graph;
    return Problem{file, "shows " + std::to_string(graph.nodes.size()) + " GPUs, accelerators and network cards",
                   "write it with I/O devices: `lstopo --whole-io --of xml FILE`"};
}

}  // namespace orrery
