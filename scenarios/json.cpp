// Parsing with limits and places, dumping, and files: everything that the JSON library's own errors would leave vague.
#include "scenarios/json.hpp"

#include "scenarios/output_file.hpp"
#include "scenarios/shown_text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <vector>

namespace orrery {
namespace {

std::string line_and_column(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t last_break = before.rfind('\n');
    const std::size_t column = last_break == std::string_view::npos ? before.size() : before.size() - last_break - 1;
    return std::to_string(line) + ":" + std::to_string(std::max<std::size_t>(column, 1));
}

/// The library's sentence without its own prefix and position, and with what it quotes cut short.
std::string parser_complaint(std::string_view what) {
    constexpr std::size_t longest = 160;
    const std::size_t column = what.find("column ");
    const std::size_t colon = column == std::string_view::npos ? what.find("] ") : what.find(": ", column);
    if (colon != std::string_view::npos) what.remove_prefix(colon + 2);
    // The quotation of a text that is not UTF-8 is the text from its start: the place says more.
    if (what.find("UTF-8") != std::string_view::npos) what = what.substr(0, what.find("; last read"));
    return shown_text(what, longest);
}

std::string syntax_remedy(const std::string& complaint) {
    if (complaint.find("UTF-8") != std::string::npos) return "save the file as UTF-8";
    if (complaint.find("number overflow") != std::string::npos) return "write a number below 1.7e308";
    if (complaint.find("unexpected '}'") != std::string::npos ||
        complaint.find("unexpected ']'") != std::string::npos) {
        return "look for a comma too many just before";
    }
    if (complaint.find("unexpected end of input") != std::string::npos) {
        return "look for a bracket or brace that is never closed";
    }
    if (complaint.find("unexpected string literal") != std::string::npos) return "look for a missing comma just before";
    return "correct the text there";
}

/// Builds the value event by event, and stops where a limit is passed or a key comes twice.
class JsonBuilder {
  public:
    JsonBuilder(std::string_view text, const std::string& file) : text_(text), file_(file) {}

    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(Json::number_integer_t value) { return add(value); }
    bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
    bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
    bool string(std::string& value) { return add(std::move(value)); }
    bool binary(Json::binary_t&) { return false; }
    bool start_object(std::size_t) { return open(Json::object()); }
    bool start_array(std::size_t) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name) {
        Level& level = levels_.back();
        if (!level.keys.insert(name).second) {
            problem_ = {pointer_to(file_ + ":" + pointer(), name), "is written twice", "keep one of the two"};
            return false;
        }
        level.key = std::move(name);
        return true;
    }

    template <class Exception>
    bool parse_error(std::size_t position, const std::string&, const Exception& exception) {
        const std::string complaint = parser_complaint(exception.what());
        problem_ = {file_ + ":" + line_and_column(text_, position), "is not JSON: " + complaint,
                    syntax_remedy(complaint)};
        return false;
    }

    [[nodiscard]] Json take() { return std::move(root_); }
    [[nodiscard]] const Problem& problem() const { return problem_; }

  private:
    struct Level {
        Json value;
        std::string key;             // where the next value of an object goes
        std::set<std::string> keys;  // seen so far
    };

    bool add(Json value) {
        if (levels_.empty()) {
            root_ = std::move(value);
            return true;
        }
        Level& level = levels_.back();
        if (level.value.is_array()) {
            level.value.push_back(std::move(value));
        } else {
            // Past the map's own search for the key, which is linear: key() has searched already.
            auto& members = level.value.get_ref<Json::object_t&>();
            static_cast<Json::object_t::Container&>(members).emplace_back(level.key, std::move(value));
        }
        return true;
    }

    bool open(Json value) {
        if (levels_.size() >= json_depth_max) {
            problem_ = {file_ + ":" + pointer(), "is nested deeper than " + std::to_string(json_depth_max) + " levels",
                        "flatten it"};
            return false;
        }
        levels_.push_back({std::move(value), {}, {}});
        return true;
    }

    bool close() {
        Json value = std::move(levels_.back().value);
        levels_.pop_back();
        return add(std::move(value));
    }

    [[nodiscard]] std::string pointer() const {
        std::string result;
        for (std::size_t i = 0; i + 1 < levels_.size(); ++i) {
            const Level& level = levels_[i];
            result = level.value.is_array() ? pointer_to(result, level.value.size()) : pointer_to(result, level.key);
        }
        return result;
    }

    std::string_view text_;
    const std::string& file_;
    std::vector<Level> levels_;
    Json root_;
    Problem problem_;
};

Problem too_large(const std::string& file) {
    return {file, "is larger than " + std::to_string(json_bytes_max >> 20) + " MiB",
            "name a scenario or catalogue file; large measurements belong in .jsonl tables"};
}

std::string system_reason() { return std::strerror(errno); }

}  // namespace

Result<Json> parse_json_text(std::string_view text, const std::string& file) {
    if (text.size() > json_bytes_max) return too_large(file);
    if (text.empty()) return Problem{file, "is empty", "write a JSON object, { .. }"};
    if (text.substr(0, 2) == "\xFF\xFE" || text.substr(0, 2) == "\xFE\xFF") {
        return Problem{file, "is UTF-16 text", "save the file as UTF-8"};
    }
    JsonBuilder builder(text, file);
    if (!Json::sax_parse(text, &builder, nlohmann::detail::input_format_t::json, true, true)) return builder.problem();
    return builder.take();
}

Result<Json> parse_json_file(const std::string& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text) return text.problems();
    return parse_json_text(*text, path);
}

Result<std::string> read_text_file(const std::string& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        return Problem{path, "is a directory", "name a file in it"};
    }
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    if (!in) return Problem{path, "cannot be read: " + system_reason(), "check the path and its permissions"};
    std::string text;
    std::vector<char> piece(std::size_t{1} << 16);
    while (in) {
        in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        text.append(piece.data(), static_cast<std::size_t>(in.gcount()));
        if (text.size() > json_bytes_max) return too_large(path);
    }
    if (in.bad()) return Problem{path, "cannot be read to its end: " + system_reason(), "check the disk"};
    return text;
}

std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string canonical_dump(const Json& json) {
    const nlohmann::json sorted = json;  // the library's plain object is a sorted map
    return sorted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string quoted(const Json& json) {
    constexpr std::size_t longest = 60;
    if (json.is_structured()) return json.is_array() ? "a list" : "an object";
    Json head = json;
    if (json.is_string()) {
        head = shown_text(json.get_ref<const std::string&>(), longest);
    }
    return head.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string pointer_to(const std::string& pointer, std::string_view key) {
    constexpr std::size_t longest = 80;
    std::string result = pointer + "/";
    for (const char c : shown_text(key, longest)) {
        if (c == '~')
            result += "~0";
        else if (c == '/')
            result += "~1";
        else
            result += c;
    }
    return result;
}

std::string pointer_to(const std::string& pointer, std::size_t index) { return pointer + "/" + std::to_string(index); }

Result<std::size_t> write_text_file(const std::string& path, std::string_view text) { return write_file(path, text); }

}  // namespace orrery
