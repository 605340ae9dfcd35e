// Reads and writes calibration files.
#include "scenarios/calibration_file.hpp"

#include "hardware/residuals.hpp"
#include "hardware/work_kinds/processor_model.hpp"
#include "scenarios/bind.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

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

// Points are packed: whole numbers in groups of five bits, lowest first, a group a character, those above 'f' saying
// that more follows; the sizes of a shape and then its weight in units, with the sign as lowest bit.
constexpr std::string_view packing_digits = "0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ+-*=?!";
constexpr std::size_t points_per_text = 8;
constexpr double weight_units = 131072.0;  // 17 bits for the largest weight

void pack_number(std::uint32_t value, std::string& text) {
    for (; value >= 32; value >>= 5U) text += packing_digits[32 + (value & 31U)];
    text += packing_digits[value];
}

bool unpack_number(std::string_view text, std::size_t& at, std::uint32_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 35 && at < text.size(); shift += 5) {
        const std::size_t digit = packing_digits.find(text[at++]);
        if (digit == std::string_view::npos) return false;
        value |= static_cast<std::uint32_t>(digit & 31U) << shift;
        if (digit < 32) return true;
    }
    return false;
}

// A power of two, so that weights that were read are written as they were.
double weight_unit(const std::vector<ResidualPoint>& points) {
    double most = 0.0;
    for (const ResidualPoint& point : points) most = std::max(most, std::abs(static_cast<double>(point.weight)));
    return most > 0.0 ? std::exp2(std::ceil(std::log2(most / weight_units))) : 1.0;
}

std::string point_text(const ResidualPoint& point, double unit) {
    std::size_t used = point.shape.size();
    while (used > 1 && point.shape[used - 1] == 0) --used;
    std::string text;
    for (std::size_t i = 0; i < used; ++i) pack_number(static_cast<std::uint32_t>(point.shape[i]), text);
    const auto steps = std::llround(static_cast<double>(point.weight) / unit);
    pack_number(static_cast<std::uint32_t>(2 * std::llabs(steps) + (steps < 0 ? 1 : 0)), text);
    return text;
}

bool read_point(std::string_view text, double unit, ResidualPoint& point) {
    std::vector<std::uint32_t> numbers;
    for (std::size_t at = 0; at < text.size();) {
        std::uint32_t value = 0;
        if (!unpack_number(text, at, value)) return false;
        numbers.push_back(value);
    }
    if (numbers.size() < 2 || numbers.size() > point.shape.size() + 1) return false;
    for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
        if (numbers[i] > 0x7FFFFFFFU) return false;
        point.shape[i] = static_cast<std::int32_t>(numbers[i]);
    }
    const double size = unit * static_cast<double>(numbers.back() / 2);
    point.weight = static_cast<float>(numbers.back() % 2 == 1 ? -size : size);
    return true;
}

Json field_json(const ResidualField& field) {
    Json json = Json::object();
    json["cores"] = field.cores;
    json["lengths"] = Json::array();
    for (const float length : field.lengths) json["lengths"].push_back(six_digits(static_cast<double>(length)));
    const double unit = weight_unit(field.points);
    json["unit"] = unit;
    json["points"] = Json::array();
    for (std::size_t i = 0; i < field.points.size(); i += points_per_text) {
        std::string text;
        for (std::size_t j = i; j < std::min(i + points_per_text, field.points.size()); ++j) {
            text += (j > i ? " " : "") + point_text(field.points[j], unit);
        }
        json["points"].push_back(text);
    }
    return json;
}

void read_lengths(const Json& json, const std::string& place, std::vector<float>& lengths, Problems& problems) {
    for (std::size_t i = 0; i < json.size(); ++i) {
        double length = 0.0;
        read_value(json[i], {"lengths", non_negative, pointer_to(place, i), {}}, length, problems);
        lengths.push_back(static_cast<float>(length));
    }
    if (lengths.size() > residual_features) {
        problems.push_back({place, "has " + std::to_string(lengths.size()) + " lengths",
                            "write at most " + std::to_string(residual_features) + ", one a feature"});
    }
}

void read_points(const Json& json, const std::string& place, double unit, std::vector<ResidualPoint>& points,
                 Problems& problems) {
    for (std::size_t i = 0; i < json.size() && problems.size() < problems_max; ++i) {
        const std::string text = json[i].is_string() ? json[i].get<std::string>() : std::string();
        bool good = !text.empty();
        for (std::size_t at = 0; good && at < text.size();) {
            const std::size_t end = std::min(text.find(' ', at), text.size());
            points.emplace_back();
            good = read_point(std::string_view(text).substr(at, end - at), unit, points.back());
            at = end + 1;
        }
        if (!good) {
            problems.push_back({pointer_to(place, i), "is " + quoted(json[i]),
                                "write packed points as `orrery calibrate` does: sizes and a weight each"});
        }
    }
}

void read_field(const Json& entry, std::string_view key, const std::string& pointer, FeaturesOf features, ResidualField& field,
                Problems& problems) {
    const auto found = entry.find(key);
    const std::string place = pointer_to(pointer, key);
    if (found == entry.end() || !expect_object(*found, place, problems)) return;
    refuse_unknown_keys(*found, place, {"cores", "lengths", "unit", "points"}, problems);
    double unit = 1.0;
    for (const auto& [name, value] : {std::pair{"cores", &field.cores}, std::pair{"unit", &unit}}) {
        const auto number = found->find(name);
        if (number != found->end()) read_value(*number, {name, positive, pointer_to(place, name), {}}, *value, problems);
    }
    const auto lengths = found->find("lengths");
    if (lengths != found->end() && expect_array(*lengths, pointer_to(place, "lengths"), problems)) {
        read_lengths(*lengths, pointer_to(place, "lengths"), field.lengths, problems);
    }
    const auto points = found->find("points");
    if (points != found->end() && expect_array(*points, pointer_to(place, "points"), problems)) {
        read_points(*points, pointer_to(place, "points"), unit, field.points, problems);
    }
    if (problems.empty()) prepare_residuals(field, features);
}

template <class Table>
Json tables_json(const std::vector<Table>& tables) {
    Json list = Json::array();
    for (const Table& table : tables) {
        Json entry = write_fields(table);
        round_numbers(entry);
        entry["residuals"] = field_json(table.residuals);
        list.push_back(std::move(entry));
    }
    return list;
}

template <class Table>
void read_tables(const Json& json, std::string_view key, const std::string& pointer, FeaturesOf features,
                 std::vector<Table>& tables, Problems& problems) {
    const auto found = json.find(key);
    const std::string place = pointer_to(pointer, key);
    if (found == json.end() || !expect_array(*found, place, problems)) return;
    for (std::size_t i = 0; i < found->size() && problems.size() < problems_max; ++i) {
        Table table;
        const std::string at = pointer_to(place, i);
        read_fields((*found)[i], at, table, problems, {"residuals"});
        if ((*found)[i].is_object()) read_field((*found)[i], "residuals", at, features, table.residuals, problems);
        tables.push_back(std::move(table));
    }
}

void read_processor(const Json& json, const std::string& pointer, std::vector<ProcessorCost>& costs, Problems& problems) {
    const auto found = json.find("processor");
    const std::string place = pointer_to(pointer, "processor");
    if (found == json.end() || !expect_array(*found, place, problems)) return;
    for (std::size_t i = 0; i < found->size() && problems.size() < problems_max; ++i) {
        const Json& entry = (*found)[i];
        ProcessorCost cost;
        const std::string at = pointer_to(place, i);
        read_fields(entry, at, cost, problems, {"residuals", "factors"});
        if (!entry.is_object()) continue;
        const auto factors = entry.find("factors");
        if (factors == entry.end() || !factors->is_array() || factors->empty() || factors->size() > processor_factors) {
            problems.push_back({pointer_to(at, "factors"), "is no list of 1 to " + std::to_string(processor_factors) + " numbers", "write the factors as `orrery calibrate --suite` does"});
            continue;
        }
        for (std::size_t j = 0; j < factors->size(); ++j) {
            cost.factors.emplace_back();
            read_value((*factors)[j], {"factors", non_negative, pointer_to(pointer_to(at, "factors"), j), {}}, cost.factors.back(), problems);
        }
        if (const ProcessorFeatures features = processor_features(cost.kind)) read_field(entry, "residuals", at, features, cost.residuals, problems);
        costs.push_back(std::move(cost));
    }
}

Json processor_json(const std::vector<ProcessorCost>& costs) {
    Json list = Json::array();
    for (const ProcessorCost& cost : costs) {
        Json entry = write_fields(cost);
        entry["factors"] = cost.factors;
        round_numbers(entry);
        if (!cost.residuals.points.empty()) entry["residuals"] = field_json(cost.residuals);
        list.push_back(std::move(entry));
    }
    return list;
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
    if (const auto value = found->find("convolution_source"); value != found->end()) {
        read_value(*value, {"convolution_source", any_value, pointer_to(place, "convolution_source"), {}},
                   calibration.convolution_source, problems);
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
    if (!calibration.convolution_source.empty()) json["convolution_source"] = calibration.convolution_source;
    return json;
}

Result<Calibration> bind_calibration(const Result<Json>& json, const std::string& file) {
    if (!json) return json.problems();
    const std::string pointer = file + ":";
    Problems problems;
    if (!expect_object(*json, pointer, problems)) return problems;
    refuse_unknown_keys(*json, pointer, {"device", "date", "gemm", "grouped", "prefill", "decode", "streaming", "streaming_residuals", "gather", "convolution", "processor", "training", "machine"}, problems);
    Calibration calibration;
    for (const auto& [key, member] : {std::pair{"device", &Calibration::device}, std::pair{"date", &Calibration::date}}) {
        const auto found = json->find(key);
        if (found != json->end()) {
            read_value(*found, {key, any_value, pointer_to(pointer, key), {}}, calibration.*member, problems);
        }
    }
    read_tables(*json, "gemm", pointer, product_features, calibration.gemm, problems);
    read_tables(*json, "grouped", pointer, grouped_features, calibration.grouped, problems);
    read_tables(*json, "prefill", pointer, prefill_features, calibration.prefill, problems);
    read_tables(*json, "decode", pointer, decode_features, calibration.decode, problems);
    read_tables(*json, "convolution", pointer, product_features, calibration.convolution, problems);
    for (const auto& [key, member] : {std::pair{"streaming", &Calibration::streaming}, std::pair{"gather", &Calibration::gather}}) {
        const auto found = json->find(key);
        if (found == json->end()) continue;
        read_value(*found, {key, any_value, pointer_to(pointer, key), {}}, calibration.*member, problems);
    }
    read_field(*json, "streaming_residuals", pointer, streaming_features, calibration.streaming_residuals, problems);
    read_processor(*json, pointer, calibration.processor, problems);
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
    for (const auto& [key, member] : {std::pair{"streaming", &Calibration::streaming}, std::pair{"gather", &Calibration::gather}}) {
        if (!(calibration.*member)) continue;
        json[key] = write_fields(*(calibration.*member));
        round_numbers(json[key]);
    }
    if (!calibration.streaming_residuals.points.empty()) json["streaming_residuals"] = field_json(calibration.streaming_residuals);
    if (!calibration.gemm.empty()) json["gemm"] = tables_json(calibration.gemm);
    if (!calibration.grouped.empty()) json["grouped"] = tables_json(calibration.grouped);
    if (!calibration.prefill.empty()) json["prefill"] = tables_json(calibration.prefill);
    if (!calibration.decode.empty()) json["decode"] = tables_json(calibration.decode);
    if (!calibration.convolution.empty()) json["convolution"] = tables_json(calibration.convolution);
    if (!calibration.processor.empty()) json["processor"] = processor_json(calibration.processor);
    return dump(json);
}

Result<std::size_t> write_calibration(const Calibration& calibration, const std::string& path) {
    return write_text_file(path, calibration_json(calibration));
}

}  // namespace orrery
