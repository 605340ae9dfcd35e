// Reads the matrix of `nvidia-smi topo -m`.
#include "scenarios/import_topology.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <numeric>
#include <sstream>

namespace orrery {
namespace {

/// How far two devices are apart on PCIe, nearest first, as the tool's legend has it.
struct PcieLevel {
    std::string_view code;
    std::string_view joined_by;
};
constexpr std::array<PcieLevel, 5> pcie_levels{{{"PIX", "pcie switch"},
                                                {"PXB", "pcie bridges"},
                                                {"PHB", "host bridge"},
                                                {"NODE", "socket"},
                                                {"SYS", "between sockets"}}};

struct Matrix {
    std::vector<std::string> names;
    std::vector<std::vector<std::string>> cells;  // by row and column
};

std::vector<std::string> words_of_line(std::string line) {
    // The header is underlined by terminal codes.
    for (std::size_t at = line.find('\x1b'); at != std::string::npos; at = line.find('\x1b')) {
        const std::size_t end = line.find('m', at);
        line.erase(at, end == std::string::npos ? end : end - at + 1);
    }
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

bool is_device_name(const std::string& word) {
    const bool known = word.starts_with("GPU") || word.starts_with("NIC") || word.starts_with("mlx");
    return known && std::isdigit(static_cast<unsigned char>(word.back())) != 0;
}

bool is_known_cell(const std::string& cell) {
    if (cell == "X") return true;
    if (cell.starts_with("NV") && cell.size() > 2) return std::all_of(cell.begin() + 2, cell.end(), [](char c) { return c >= '0' && c <= '9'; });
    return std::any_of(pcie_levels.begin(), pcie_levels.end(), [&](const PcieLevel& level) { return level.code == cell; });
}

Result<Matrix> read_matrix(const std::string& text, const std::string& file) {
    Matrix matrix;
    std::istringstream in(text);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        const std::vector<std::string> words = words_of_line(line);
        const std::string place = file + ":" + std::to_string(number);
        if (words.empty() || words.front() == "Legend:") {
            if (!matrix.cells.empty()) break;
            continue;
        }
        if (matrix.names.empty()) {
            for (const std::string& word : words) {
                if (!is_device_name(word)) break;
                matrix.names.push_back(word);
            }
            continue;
        }
        if (!is_device_name(words.front())) continue;
        std::vector<std::string> cells(words.begin() + 1, words.end());
        if (cells.size() < matrix.names.size()) {
            return Problem{place, "has " + std::to_string(cells.size()) + " columns, and the head names " + std::to_string(matrix.names.size()) + " devices",
                           "give the whole output of `nvidia-smi topo -m`"};
        }
        cells.resize(matrix.names.size());
        for (const std::string& cell : cells) {
            if (is_known_cell(cell)) continue;
            return Problem{place, "has \"" + cell + "\" where X, NV#, PIX, PXB, PHB, NODE or SYS is expected",
                           "give the output of `nvidia-smi topo -m` as it is"};
        }
        matrix.cells.push_back(std::move(cells));
    }
    if (matrix.names.empty() || matrix.cells.size() != matrix.names.size()) {
        return Problem{file, "has " + std::to_string(matrix.cells.size()) + " rows for " + std::to_string(matrix.names.size()) + " devices",
                       "give the whole output of `nvidia-smi topo -m`"};
    }
    return matrix;
}

int nvlinks(const std::string& cell) { return cell.starts_with("NV") ? std::stoi(cell.substr(2)) : 0; }

/// Links between pairs; to one switch where more than four GPUs all have equally many.
void add_nvlinks(const Matrix& matrix, const ImportRates& rates, GraphFile& graph) {
    std::vector<std::size_t> gpus;
    for (std::size_t i = 0; i < matrix.names.size(); ++i) {
        if (matrix.names[i].starts_with("GPU")) gpus.push_back(i);
    }
    int fewest = 1 << 20;
    int most = 0;
    for (const std::size_t a : gpus) {
        for (const std::size_t b : gpus) {
            if (a == b) continue;
            fewest = std::min(fewest, nvlinks(matrix.cells[a][b]));
            most = std::max(most, nvlinks(matrix.cells[a][b]));
        }
    }
    if (most == 0) return;
    if (fewest == most && gpus.size() > 4) {
        graph.switches.emplace_back("nvswitch");
        for (const std::size_t a : gpus) graph.links.push_back({matrix.names[a], "nvswitch", rates.nvlink, {}, most});
        return;
    }
    for (std::size_t i = 0; i < gpus.size(); ++i) {
        for (std::size_t j = i + 1; j < gpus.size(); ++j) {
            const int links = nvlinks(matrix.cells[gpus[i]][gpus[j]]);
            if (links > 0) graph.links.push_back({matrix.names[gpus[i]], matrix.names[gpus[j]], rates.nvlink, {}, links});
        }
    }
}

/// Level by level, what is at most that far apart comes under one switch.
void add_pcie_tree(const Matrix& matrix, const ImportRates& rates, GraphFile& graph) {
    const std::size_t count_devices = matrix.names.size();
    std::vector<std::size_t> set(count_devices);  // of each device
    std::iota(set.begin(), set.end(), std::size_t{0});
    std::vector<std::string> top = matrix.names;  // of each set: its topmost name
    for (std::size_t level = 0; level < pcie_levels.size(); ++level) {
        const bool between_sockets = level + 1 == pcie_levels.size();
        std::map<std::size_t, std::vector<std::size_t>> members;  // new set -> old sets
        std::vector<std::size_t> next = set;
        const auto join = [&](std::size_t a, std::size_t b) {
            const std::size_t low = std::min(next[a], next[b]);
            const std::size_t high = std::max(next[a], next[b]);
            for (std::size_t& one : next) one = one == high ? low : one;
        };
        for (std::size_t a = 0; a < count_devices; ++a) {
            for (std::size_t b = 0; b < count_devices; ++b) {
                if (matrix.cells[a][b] == pcie_levels[level].code) join(a, b);
            }
        }
        for (std::size_t d = 0; d < count_devices; ++d) {
            auto& old = members[next[d]];
            if (std::find(old.begin(), old.end(), set[d]) == old.end()) old.push_back(set[d]);
        }
        int index = 0;
        for (const auto& [new_set, old] : members) {
            if (old.size() < 2) continue;
            const std::string name = std::string(pcie_levels[level].joined_by) + " " + std::to_string(index++);
            graph.switches.push_back(name);
            for (const std::size_t one : old) graph.links.push_back({top[one], name, between_sockets ? rates.socket : rates.pcie, {}, 1});
            top[new_set] = name;
        }
        set = std::move(next);
    }
}

}  // namespace

Result<GraphFile> import_nvidia_topology(const std::string& text, const std::string& file, const ImportRates& rates) {
    const Result<Matrix> matrix = read_matrix(text, file);
    if (!matrix) return matrix.problems();
    GraphFile graph;
    graph.title = "Inside of a node";
    graph.description = "From nvidia-smi topo -m, which tells no rates: those of links are assumed.";
    graph.nodes = matrix->names;
    add_nvlinks(*matrix, rates, graph);
    add_pcie_tree(*matrix, rates, graph);
    return graph;
}

}  // namespace orrery
