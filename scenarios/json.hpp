// The one door to the JSON library: text and files to values and back, every failure a Problem.
#pragma once

#include "hardware/result.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace orrery {

/// Keys keep the order in which they were written.
using Json = nlohmann::ordered_json;

inline constexpr std::size_t json_bytes_max = std::size_t{64} << 20;  // of a file: ours are far below a megabyte
inline constexpr std::size_t json_depth_max = 64;                     // of nesting: ours stay below ten

/// Parses JSON with // and /* */ comments. `file` is only for the place of problems: "FILE:LINE:COLUMN" for syntax,
/// "FILE:/json/pointer" for keys written twice. Refuses text over json_bytes_max and nesting over json_depth_max.
Result<Json> parse_json_text(std::string_view text, const std::string& file);

/// The same from a file (or pipe).
Result<Json> parse_json_file(const std::string& path);

/// The bytes of a file (or pipe) of at most json_bytes_max; for directories, missing and larger files a Problem.
Result<std::string> read_text_file(const std::string& path);

/// Indented text, ending in a line break. Numbers survive the way there and back; bytes that are not UTF-8 are
/// replaced.
std::string dump(const Json& json);

/// One line without spaces, keys sorted at every level, for hashing: equal values give equal text.
std::string canonical_dump(const Json& json);

/// Value as messages quote it: one line, cut after 60 characters.
std::string quoted(const Json& json);

/// `pointer` one level down: RFC 6901, "/" and "~" in the key escaped, control characters replaced.
std::string pointer_to(const std::string& pointer, std::string_view key);
std::string pointer_to(const std::string& pointer, std::size_t index);

/// Replaces the file whole or not at all: written beside it, then renamed. Bytes written, or a Problem that names the
/// path and the system's reason. What is no regular file (a pipe, /dev/stdout) is written to directly.
Result<std::size_t> write_text_file(const std::string& path, std::string_view text);

}  // namespace orrery
