// Edit distance over short names.
#include "scenarios/nearest.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::size_t longest_name = 64;  // longer text is no mistyped name, and the distance is quadratic

char folded(char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
    return c == '_' || c == ' ' ? '-' : c;
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
    const std::size_t width = b.size() + 1;
    std::vector<int> before_last(width), last(width), current(width);
    for (std::size_t j = 0; j < width; ++j) last[j] = static_cast<int>(j);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = static_cast<int>(i);
        for (std::size_t j = 1; j < width; ++j) {
            const bool same = folded(a[i - 1]) == folded(b[j - 1]);
            current[j] = std::min({last[j] + 1, current[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
            const bool swapped =
                i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]);
            if (swapped) current[j] = std::min(current[j], before_last[j - 2] + 1);
        }
        std::swap(before_last, last);
        std::swap(last, current);
    }
    return last[b.size()];
}

std::string nearest_name(std::string_view wanted, const std::vector<std::string>& names) {
    std::string best;
    if (wanted.empty() || wanted.size() > longest_name) return best;
    int best_distance = 1 << 20;
    for (const std::string& name : names) {
        const int allowed = std::max(2, static_cast<int>(name.size()) / 3);
        const int distance = edit_distance(wanted, name);
        if (distance <= allowed && distance < best_distance && distance < static_cast<int>(wanted.size())) {
            best = name;
            best_distance = distance;
        }
    }
    return best;
}

std::string nearest_remedy(std::string_view wanted, const std::vector<std::string>& names) {
    const std::string nearest = nearest_name(wanted, names);
    if (!nearest.empty()) return "did you mean \"" + nearest + "\"?";
    if (names.empty()) return "remove it";
    constexpr std::size_t shown = 12;
    std::string list;
    for (std::size_t i = 0; i < std::min(shown, names.size()); ++i) list += (i == 0 ? "" : ", ") + names[i];
    return "use one of: " + list + (names.size() > shown ? ", .." : "");
}

}  // namespace orrery
