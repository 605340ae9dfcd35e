// Reads and writes calibration files.
#include "scenarios/calibration_file.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/json.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace orrery {
namespace {

double six_digits(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return std::strtod(text, nullptr);
}

// Rounds every number of a tree, so that a fit's noise does not fill the file.
void round_numbers(Json& json) {
    if (json.is_number_float()) {
        json = six_digits(json.get<double>());
    } else if (json.is_structured()) {
        for (auto& child : json) round_numbers(child);
    }
}

std::string point_text(const ResidualPoint& point) {
    std::size_t used = point.place.size();
    while (used > 1 && point.place[used - 1] == 0.0F) --used;
    std::string text;
    char number[32];
    for (std::size_t i = 0; i < used; ++i) {
        std::snprintf(number, sizeof number, "%.6g ", static_cast<double>(point.place[i]));
        text += number;
    }
    std::snprintf(number, sizeof number, "%.4g", static_cast<double>(point.log_ratio));
    return text + number;
}

bool read_point(std::string_view text, ResidualPoint& point) {
    std::vector<float> numbers;
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    while (at != end) {
        float value = 0.0F;
        const auto [next, error] = std::from_chars(at, end, value);
        if (error != std::errc{} || !std::isfinite(value)) return false;
        numbers.push_back(value);
        at = next;
        while (at != end && *at == ' ') ++at;
    }
    if (numbers.size() < 2 || numbers.size() > point.place.size() + 1) return false;
    point.log_ratio = numbers.back();
    for (std::size_t i = 0; i + 1 < numbers.size(); ++i) point.place[i] = numbers[i];
    return true;
}

Json points_json(const std::vector<ResidualPoint>& points) {
    Json list = Json::array();
    for (const ResidualPoint& point : points) list.push_back(point_text(point));
    return list;
}

void read_points(const Json& entry, const std::string& place, std::vector<ResidualPoint>& points, Problems& problems) {
    const auto found = entry.find("residuals");
    if (found == entry.end() || !expect_array(*found, pointer_to(place, "residuals"), problems)) return;
    for (std::size_t i = 0; i < found->size() && problems.size() < problems_max; ++i) {
        const Json& one = (*found)[i];
        ResidualPoint point;
        if (one.is_string() && read_point(one.get<std::string>(), point)) {
            points.push_back(point);
        } else {
            problems.push_back({pointer_to(pointer_to(place, "residuals"), i), "is " + quoted(one),
                                "write two to seven numbers in one text: the place and the log of the ratio"});
        }
    }
}

template <class Table>
Json tables_json(const std::vector<Table>& tables) {
    Json list = Json::array();
    for (const Table& table : tables) {
        Json entry = write_fields(table);
        round_numbers(entry);
        entry["residuals"] = points_json(table.residuals);
        list.push_back(std::move(entry));
    }
    return list;
}

template <class Table>
void read_tables(const Json& json, std::string_view key, const std::string& pointer, std::vector<Table>& tables,
                 Problems& problems) {
    const auto found = json.find(key);
    const std::string place = pointer_to(pointer, key);
    if (found == json.end() || !expect_array(*found, place, problems)) return;
    for (std::size_t i = 0; i < found->size() && problems.size() < problems_max; ++i) {
        Table table;
        const std::string at = pointer_to(place, i);
        read_fields((*found)[i], at, table, problems, {"residuals"});
        if ((*found)[i].is_object()) read_points((*found)[i], at, table.residuals, problems);
        tables.push_back(std::move(table));
    }
}

constexpr Range slowdown_range{0.1, 10.0, false};

/// One factor per number format under `key`.
void read_slowdowns(const Json& json, const std::string& place, const char* key, PerDataType<std::optional<double>>& out,
                    Problems& problems) {
    const auto slowdown = json.find(key);
    if (slowdown == json.end()) return;
    const std::string at = pointer_to(place, key);
    if (!expect_object(*slowdown, at, problems)) return;
    refuse_unknown_keys(*slowdown, at, enum_names<DataType>(), problems);
    for (const auto& entry : EnumTable<DataType>::names) {
        const auto value = slowdown->find(entry.name);
        if (value == slowdown->end()) continue;
        read_value(*value, {entry.name, slowdown_range, pointer_to(at, entry.name), {}}, out[entry.value], problems);
    }
}

void read_training(const Json& json, const std::string& pointer, Calibration& calibration, Problems& problems) {
    const auto found = json.find("training");
    const std::string place = pointer_to(pointer, "training");
    if (found == json.end() || !expect_object(*found, place, problems)) return;
    refuse_unknown_keys(*found, place, {"slowdown", "convolution_slowdown", "convolution_source", "attention_efficiency", "source"}, problems);
    read_slowdowns(*found, place, "slowdown", calibration.training_slowdown, problems);
    read_slowdowns(*found, place, "convolution_slowdown", calibration.convolution_slowdown, problems);
    if (const auto value = found->find("attention_efficiency"); value != found->end()) {
        read_value(*value, {"attention_efficiency", fraction, pointer_to(place, "attention_efficiency"), {}},
                   calibration.attention_training_efficiency, problems);
    }
    if (const auto value = found->find("source"); value != found->end()) {
        read_value(*value, {"source", any_value, pointer_to(place, "source"), {}}, calibration.training_source, problems);
    }
}

Json training_json(const Calibration& calibration) {
    Json json = Json::object();
    for (const auto& entry : EnumTable<DataType>::names) {
        const auto& slowdown = calibration.training_slowdown[entry.value];
        if (slowdown) json["slowdown"][std::string(entry.name)] = six_digits(*slowdown);
        const auto& convolution = calibration.convolution_slowdown[entry.value];
        if (convolution) json["convolution_slowdown"][std::string(entry.name)] = six_digits(*convolution);
    }
    if (calibration.attention_training_efficiency) {
        json["attention_efficiency"] = six_digits(*calibration.attention_training_efficiency);
    }
    if (!calibration.training_source.empty()) json["source"] = calibration.training_source;
    return json;
}

Result<Calibration> bind_calibration(const Result<Json>& json, const std::string& file) {
    if (!json) return json.problems();
    const std::string pointer = file + ":";
    Problems problems;
    if (!expect_object(*json, pointer, problems)) return problems;
    refuse_unknown_keys(*json, pointer, {"device", "date", "gemm", "prefill", "decode", "streaming", "training"}, problems);
    Calibration calibration;
    for (const auto& [key, member] : {std::pair{"device", &Calibration::device}, std::pair{"date", &Calibration::date}}) {
        const auto found = json->find(key);
        if (found != json->end()) {
            read_value(*found, {key, any_value, pointer_to(pointer, key), {}}, calibration.*member, problems);
        }
    }
    read_tables(*json, "gemm", pointer, calibration.gemm, problems);
    read_tables(*json, "prefill", pointer, calibration.prefill, problems);
    read_tables(*json, "decode", pointer, calibration.decode, problems);
    if (const auto found = json->find("streaming"); found != json->end()) {
        read_value(*found, {"streaming", any_value, pointer_to(pointer, "streaming"), {}}, calibration.streaming, problems);
    }
    read_training(*json, pointer, calibration, problems);
    if (!problems.empty()) return problems;
    return calibration;
}

}  // namespace

Result<Calibration> parse_calibration(std::string_view text, const std::string& file) {
    return bind_calibration(parse_json_text(text, file), file);
}

Result<Calibration> read_calibration(const std::string& file) { return bind_calibration(parse_json_file(file), file); }

std::string calibration_json(const Calibration& calibration) {
    Json json = Json::object();
    json["device"] = calibration.device;
    if (!calibration.date.empty()) json["date"] = calibration.date;
    if (Json training = training_json(calibration); !training.empty()) json["training"] = std::move(training);
    if (calibration.streaming) {
        json["streaming"] = write_fields(*calibration.streaming);
        round_numbers(json["streaming"]);
    }
    if (!calibration.gemm.empty()) json["gemm"] = tables_json(calibration.gemm);
    if (!calibration.prefill.empty()) json["prefill"] = tables_json(calibration.prefill);
    if (!calibration.decode.empty()) json["decode"] = tables_json(calibration.decode);
    return dump(json);
}

Result<std::size_t> write_calibration(const Calibration& calibration, const std::string& path) {
    return write_text_file(path, calibration_json(calibration));
}

}  // namespace orrery
