// JSON Schema (draft-07) of scenarios, for editors to complete and check from.
#include "scenarios/scenario.hpp"

#include "scenarios/keys.hpp"
#include "scenarios/search_block.hpp"

#include <cmath>

namespace orrery {
namespace {

/// A unit, a prefix or a per cent sign: what a text in a number's place must have.
constexpr const char* unit_pattern = "[A-Za-z$/%]";

void add_limits(Json& schema, const Range& range) {
    if (std::isfinite(range.min)) schema[range.open_min ? "exclusiveMinimum" : "minimum"] = range.min;
    if (std::isfinite(range.max)) schema["maximum"] = range.max;
}

std::string described(const Key& key) {
    std::string text = key.doc;
    if (key.kind == KeyKind::quantity) {
        text +=
            " A number in " + key.bare_words + ", or text such as " + std::string(unit_examples(key.dimension)) + ".";
    }
    if (!key.source.empty()) text += " Default: " + key.source + ".";
    return text;
}

Json schema_of(const Key& key);

Json object_schema(const Key& key, bool with_required) {
    Json schema;
    schema["type"] = "object";
    Json properties = Json::object();
    Json required = Json::array();
    for (const Key& child : key.children) {
        properties[child.name] = schema_of(child);
        if (child.required) required.push_back(child.name);
    }
    schema["properties"] = std::move(properties);
    schema["additionalProperties"] = false;
    if (with_required && !required.empty()) schema["required"] = std::move(required);
    return schema;
}

Json schema_of(const Key& key) {
    Json schema;
    switch (key.kind) {
        case KeyKind::object:
            schema = object_schema(key, false);
            break;
        case KeyKind::list:
            schema["type"] = "array";
            schema["items"] = key.children.front().kind == KeyKind::object ? object_schema(key.children.front(), true)
                                                                           : schema_of(key.children.front());
            break;
        case KeyKind::quantity:
        case KeyKind::number:
        case KeyKind::integer:
            schema["type"] = Json::array({key.kind == KeyKind::integer ? "integer" : "number", "string"});
            schema["pattern"] = key.kind == KeyKind::quantity ? unit_pattern : "[0-9]";
            add_limits(schema, key.range);
            break;
        case KeyKind::boolean:
            schema["type"] = "boolean";
            break;
        case KeyKind::text:
            if (!key.children.empty()) schema = object_schema(key, false);  // a name, or an object of settings
            schema["type"] = key.children.empty() ? Json("string") : Json::array({"string", "object"});
            break;
        case KeyKind::choice:
            schema["type"] = "string";
            for (const auto& [name, doc] : key.choices) {
                schema["enum"].push_back(name);
                schema["enumDescriptions"].push_back(doc);  // not of the standard; editors show it
            }
            break;
    }
    schema["description"] = described(key);
    if (!key.default_value.is_null()) schema["default"] = key.default_value;
    return schema;
}

/// Only the keys that must be there, at every level of objects: an overlay need not repeat what it extends.
Json required_schema(const Key& key) {
    Json schema = Json::object();
    for (const Key& child : key.children) {
        if (child.required) schema["required"].push_back(child.name);
        if (child.kind != KeyKind::object) continue;
        Json below = required_schema(child);
        if (!below.empty()) schema["properties"][child.name] = std::move(below);
    }
    return schema;
}

}  // namespace

std::string scenario_schema() {
    const Key root = scenario_keys();
    Json schema;
    schema["$schema"] = "http://json-schema.org/draft-07/schema#";
    schema["title"] = "Orrery scenario";
    schema["description"] = root.doc;
    const Json body = object_schema(root, false);
    for (const auto& item : body.items()) schema[item.key()] = item.value();
    schema["properties"]["$schema"] = {{"type", "string"}, {"description", "Path of this schema, for editors."}};
    schema["properties"]["search"] = Json::parse(search_schema());
    for (const Key& key : find_key(root, "search")->children) {
        schema["properties"]["search"]["properties"][key.name] = schema_of(key);
    }
    schema["if"] = {{"required", Json::array({"extends"})}};
    schema["then"] = Json::object();
    Json required = required_schema(root);
    Json& workload = required["properties"]["workload"];
    const Json of_collective = {{"required", Json::array({"kind", "collective"})}};
    workload = {{"if", {{"properties", {{"kind", {{"enum", Json::array({"collective"})}}}}}, {"required", Json::array({"kind"})}}},
                {"then", of_collective},
                {"else", workload}};
    Json& cluster = required["properties"]["cluster"];
    cluster = {{"if", {{"required", Json::array({"groups"})}}}, {"then", Json::object()}, {"else", cluster}};
    schema["else"] = std::move(required);
    return dump(schema);
}

}  // namespace orrery
