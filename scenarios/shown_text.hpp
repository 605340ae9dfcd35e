// Text of users as messages may show it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace orrery {

/// At most `bytes_max` bytes of `text`, cut between characters and then ended with "..": what is a control character or
/// no valid UTF-8 (RFC 3629) becomes "?", so that no terminal acts on it.
std::string shown_text(std::string_view text, std::size_t bytes_max);

}  // namespace orrery
