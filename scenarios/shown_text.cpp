// Walks UTF-8 character by character.
#include "scenarios/shown_text.hpp"

#include <algorithm>

namespace orrery {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
}

/// Bytes of the character at the start of `text`; 0 if none begins there. RFC 3629, section 4.
std::size_t character_bytes(std::string_view text) {
    const unsigned first = byte_at(text, 0);
    const unsigned second = byte_at(text, 1);
    const auto follows = [&](std::size_t at) { return (byte_at(text, at) & 0xC0U) == 0x80U; };
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const bool overlong = first == 0xE0 && second < 0xA0;
        const bool surrogate = first == 0xED && second > 0x9F;
        return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const bool out_of_range = (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
        return follows(1) && follows(2) && follows(3) && !out_of_range ? 4 : 0;
    }
    return 0;
}

/// C0 and C1 control characters and DEL.
bool is_control(std::string_view character) {
    const unsigned first = byte_at(character, 0);
    return first < 0x20 || first == 0x7F || (first == 0xC2 && byte_at(character, 1) < 0xA0);
}

}  // namespace

std::string shown_text(std::string_view text, std::size_t bytes_max) {
    std::string result;
    while (!text.empty()) {
        const std::size_t bytes = character_bytes(text);
        const std::string_view character = text.substr(0, std::max<std::size_t>(bytes, 1));
        const std::string_view shown = bytes == 0 || is_control(character) ? "?" : character;
        if (result.size() + shown.size() > bytes_max) return result + "..";
        result += shown;
        text.remove_prefix(character.size());
    }
    return result;
}

}  // namespace orrery
