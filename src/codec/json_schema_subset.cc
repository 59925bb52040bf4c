#include "codec/json_schema_subset.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "json/document.h"
#include "json/write.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using json::Writer;

constexpr std::size_t kDepthMax = 64;

struct Keyword {
  std::string name;
  Value value;
};
using Keywords = std::vector<Keyword>;

template <std::size_t N>
bool one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Keyword* find(Keywords& keywords, std::string_view name) {
  for (Keyword& keyword : keywords) {
    if (keyword.name == name) return &keyword;
  }
  return nullptr;
}

/// One schema with what it refers to and its `allOf` merged in.
struct Flat {
  Keywords keywords;    // Without `properties` and `required`.
  Keywords properties;  // Schemas by name, in order.
  std::vector<std::string> required;
  std::vector<std::string> refs;  // Followed on the way.
  bool cyclic = false;
  bool nullable = false;  // Beside what `nullable` says.

  Value get(std::string_view name) const {
    for (const Keyword& keyword : keywords) {
      if (keyword.name == name) return keyword.value;
    }
    return {};
  }
  void forget(std::string_view name) {
    std::erase_if(keywords, [name](const Keyword& keyword) { return keyword.name == name; });
  }
  void require(std::string name) {
    if (std::find(required.begin(), required.end(), name) == required.end()) required.push_back(std::move(name));
  }
};

void put(Keywords& keywords, std::string name, const Value& value, bool replace) {
  if (Keyword* there = find(keywords, name)) {
    if (replace) there->value = value;
  } else {
    keywords.push_back({std::move(name), value});
  }
}

/// Finds what schemas refer to and merges it in.
class Resolver {
 public:
  explicit Resolver(const Value& root) : root_(root) {}

  /// Merges `schema` into `flat`; with `replace` its keywords win over those that are there.
  void gather(const Value& schema, Flat& flat, bool replace) const {
    if (const Value ref = schema.find("$ref"); ref.is(Kind::String)) follow(ref.text().value_or(""), flat);
    for (const Value::Pair& pair : schema.members()) {
      std::string name = pair.key.text().value_or("");
      if (name == "$ref" || name == "allOf") continue;
      if (name == "properties") {
        for (const Value::Pair& property : pair.value.members())
          put(flat.properties, property.key.text().value_or(""), property.value, replace);
      } else if (name == "required") {
        for (const Value item : pair.value.elements()) {
          if (auto text = item.text()) flat.require(std::move(*text));
        }
      } else {
        put(flat.keywords, std::move(name), pair.value, replace);
      }
    }
    for (const Value part : schema.find("allOf").elements()) gather(part, flat, false);
  }

  void enter(const Flat& flat) { active_.insert(active_.end(), flat.refs.begin(), flat.refs.end()); }
  void leave(const Flat& flat) { active_.resize(active_.size() - flat.refs.size()); }

 private:
  void follow(std::string ref, Flat& flat) const {
    const auto in = [&ref](const std::vector<std::string>& refs) {
      return std::find(refs.begin(), refs.end(), ref) != refs.end();
    };
    if (in(flat.refs)) return;  // Twice the same.
    const Value target = at(ref);
    flat.cyclic |= in(active_) || !target;
    if (flat.cyclic) return;
    flat.refs.push_back(std::move(ref));
    gather(target, flat, true);
  }

  // "#/$defs/Name"; what stands outside of the schema is never fetched.
  Value at(std::string_view ref) const {
    if (!ref.starts_with('#')) return {};
    Value value = root_;
    ref.remove_prefix(1);
    while (!ref.empty()) {
      ref.remove_prefix(1);
      const std::size_t end = std::min(ref.find('/'), ref.size());
      std::string name = base::percent_decode(ref.substr(0, end)).value_or("");
      for (const auto& [escape, character] : {std::pair("~1", '/'), std::pair("~0", '~')}) {
        for (std::size_t found = name.find(escape); found != std::string::npos; found = name.find(escape, found + 1))
          name.replace(found, 2, 1, character);
      }
      value = value.find(name);
      ref.remove_prefix(end);
    }
    return value.is(Kind::Object) ? value : Value();
  }

  Value root_;
  std::vector<std::string> active_;  // References whose schemas are being written.
};

/// What both forms share: the walk and its limits.
class Converter {
 public:
  Converter(const Value& root, std::string& out) : resolver_(root), writer_(out) {}
  virtual ~Converter() = default;

  Status convert(const Value& schema) {
    Flat flat;
    if (schema.is(Kind::Object)) resolver_.gather(schema, flat, true);
    return convert(flat);
  }

 protected:
  virtual Status write(Flat& flat) = 0;

  Status convert(Flat& flat) {
    if (++nodes_ > kSchemaNodesMax || depth_ >= kDepthMax) {
      return base::fail(ErrorKind::InvalidRequest, "the JSON schema is too large once its references are resolved");
    }
    if (flat.cyclic) {
      flat.nullable |= flat.get("nullable").boolean().value_or(false);  // A list of itself has an end.
      flat.keywords.clear();
      flat.properties.clear();
      flat.required.clear();
    }
    resolver_.enter(flat);
    ++depth_;
    Status written = write(flat);
    --depth_;
    resolver_.leave(flat);
    return written;
  }

  Resolver resolver_;
  Writer writer_;

 private:
  std::size_t nodes_ = 0;
  std::size_t depth_ = 0;
};

bool is_empty_text(const Value& value) {
  return value.is(Kind::String) && value.inner().empty();
}

// ---- JSON Schema ---------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 6> kNoKeywords = {"$schema",     "$id",    "$defs",
                                                         "definitions", "strict", "$comment"};
constexpr std::array<std::string_view, 9> kSchemas = {
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "additionalItems"};
constexpr std::array<std::string_view, 3> kLists = {"anyOf", "oneOf", "prefixItems"};
constexpr std::array<std::string_view, 2> kMaps = {"patternProperties", "dependentSchemas"};

class JsonSchemaForm final : public Converter {
 public:
  using Converter::Converter;

 private:
  Status write(Flat& flat) override {
    writer_.begin_object();
    if (flat.cyclic) writer_.key("type").string("object");
    for (const Keyword& keyword : flat.keywords) {
      if (Status written = write_keyword(keyword); !written) return written;
    }
    // Google refuses an object whose `properties` are there and empty.
    if (!flat.properties.empty()) {
      writer_.key("properties").begin_object();
      for (const Keyword& property : flat.properties) {
        writer_.key(property.name);
        if (Status written = convert(property.value); !written) return written;
      }
      writer_.end_object();
    }
    // A part of `anyOf` may say what is required and nothing else.
    if (!flat.properties.empty() || !flat.get("type")) write_required(flat);
    writer_.end_object();
    return {};
  }

  void write_required(const Flat& flat) {
    if (flat.required.empty()) return;
    writer_.key("required").begin_array();
    for (const std::string& name : flat.required) writer_.string(name);
    writer_.end_array();
  }

  Status write_keyword(const Keyword& keyword) {
    const auto& [name, value] = keyword;
    if (one_of(name, kNoKeywords)) return {};
    if (name == "enum") {
      write_enum(value);
      return {};
    }
    if (name == "const") {
      writer_.key("enum").begin_array().raw(value.raw()).end_array();
      return {};
    }
    writer_.key(name);
    if (name == "items" && value.is(Kind::Object) && value.members().begin() == value.members().end()) {
      writer_.raw(R"({"type":"object"})");
      return {};
    }
    if (one_of(name, kSchemas) && value.is(Kind::Object)) return convert(value);
    if ((one_of(name, kLists) || name == "items") && value.is(Kind::Array)) return write_list(value);
    if (one_of(name, kMaps) && value.is(Kind::Object)) return write_map(value);
    writer_.raw(value.raw());
    return {};
  }

  void write_enum(const Value& values) {
    std::vector<Value> kept;
    for (const Value value : values.elements()) {
      if (!is_empty_text(value)) kept.push_back(value);
    }
    if (kept.empty()) return;
    writer_.key("enum").begin_array();
    for (const Value& value : kept) writer_.raw(value.raw());
    writer_.end_array();
  }

  Status write_list(const Value& list) {
    writer_.begin_array();
    for (const Value element : list.elements()) {
      if (Status written = convert(element); !written) return written;
    }
    writer_.end_array();
    return {};
  }

  Status write_map(const Value& map) {
    writer_.begin_object();
    for (const Value::Pair& pair : map.members()) {
      writer_.key(pair.key.text().value_or(""));
      if (Status written = convert(pair.value); !written) return written;
    }
    writer_.end_object();
    return {};
  }
};

// ---- Google's own Schema -------------------------------------------------------------------------------------------

/// The types a schema may have, by its `type` and else by what it says besides.
struct Types {
  std::vector<std::string_view> names;  // Upper-case; without NULL unless that is all.
  bool nullable = false;
};

constexpr std::pair<std::string_view, std::string_view> kTypeNames[] = {
    {"string", "STRING"}, {"number", "NUMBER"}, {"integer", "INTEGER"}, {"boolean", "BOOLEAN"},
    {"array", "ARRAY"},   {"object", "OBJECT"}, {"null", "NULL"},
};

std::string_view type_name(const Value& type) {
  const std::string lower = base::to_lower(type.inner());
  for (const auto& [json, google] : kTypeNames) {
    if (lower == json) return google;
  }
  return "OBJECT";
}

std::string_view type_of_value(const Value& value) {
  switch (value.kind()) {
    case Kind::String:
      return "STRING";
    case Kind::Number:
      return "NUMBER";
    case Kind::Bool:
      return "BOOLEAN";
    case Kind::Array:
      return "ARRAY";
    case Kind::Null:
      return "NULL";
    case Kind::Object:
      break;
  }
  return "OBJECT";
}

std::string_view guessed_type(const Flat& flat) {
  if (!flat.properties.empty()) return "OBJECT";
  if (flat.get("items") || flat.get("prefixItems")) return "ARRAY";
  if (const Value only = flat.get("const")) return type_of_value(only);
  for (const Value value : flat.get("enum").elements()) {
    if (!value.is(Kind::Null)) return type_of_value(value);
  }
  return "OBJECT";
}

Types types_of(const Flat& flat) {
  Types types;
  types.nullable = flat.nullable;
  const auto add = [&types](std::string_view name) {
    if (name == "NULL") {
      types.nullable = true;
    } else if (std::find(types.names.begin(), types.names.end(), name) == types.names.end()) {
      types.names.push_back(name);
    }
  };
  const Value type = flat.get("type");
  if (type.is(Kind::String)) add(type_name(type));
  for (const Value element : type.elements()) add(type_name(element));
  for (const Value value : flat.get("enum").elements()) types.nullable |= value.is(Kind::Null);
  types.nullable |= flat.get("nullable").boolean().value_or(false);
  if (types.names.empty()) types.names.push_back(type ? "NULL" : guessed_type(flat));
  return types;
}

class GoogleForm final : public Converter {
 public:
  GoogleForm(const Value& root, std::string& out, bool ordering) : Converter(root, out), ordering_(ordering) {}

 private:
  Status write(Flat& flat) override {
    std::vector<Value> union_members;
    for (const std::string_view name : {"anyOf", "oneOf"}) {
      for (const Value member : flat.get(name).elements()) union_members.push_back(member);
    }
    if (!union_members.empty()) return write_union(flat, union_members);
    const Types types = types_of(flat);
    if (types.names.size() == 1) {
      writer_.begin_object();
      if (Status written = write_typed(flat, types.names[0], types.nullable); !written) return written;
      writer_.end_object();
      return {};
    }
    writer_.begin_object().key("anyOf").begin_array();
    for (const std::string_view type : types.names) {
      writer_.begin_object();
      if (Status written = write_typed(flat, type, types.nullable); !written) return written;
      writer_.end_object();
    }
    writer_.end_array().end_object();
    return {};
  }

  bool only_null(const Flat& flat) const {
    if (flat.get("const").is(Kind::Null)) return true;
    const Types types = types_of(flat);
    return types.names.size() == 1 && types.names[0] == "NULL";
  }

  // Beside `anyOf` nothing may stand: what does goes into each member.
  Status write_union(Flat& flat, const std::vector<Value>& union_members) {
    for (const std::string_view name : {"anyOf", "oneOf", "default", "example"}) flat.forget(name);
    bool nullable = flat.nullable || flat.get("nullable").boolean().value_or(false);
    std::vector<Flat> members;
    for (const Value& schema : union_members) {
      Flat alone;
      resolver_.gather(schema, alone, true);
      if (!alone.cyclic && only_null(alone)) {
        nullable = true;
        continue;
      }
      Flat member = flat;
      member.refs.clear();
      if (schema.is(Kind::Object)) resolver_.gather(schema, member, true);
      members.push_back(std::move(member));
    }
    if (members.empty()) {
      return base::fail(ErrorKind::InvalidRequest, "the JSON schema has a value that can only be null");
    }
    for (Flat& member : members) member.nullable |= nullable;
    if (members.size() == 1) return convert(members[0]);
    writer_.begin_object().key("anyOf").begin_array();
    for (Flat& member : members) {
      if (Status written = convert(member); !written) return written;
    }
    writer_.end_array().end_object();
    return {};
  }

  Status write_typed(const Flat& flat, std::string_view type, bool nullable) {
    writer_.key("type").string(type);
    for (const std::string_view name : {"title", "description"}) {
      if (const Value text = flat.get(name); text.is(Kind::String)) writer_.key(name).raw(text.raw());
    }
    if (nullable) writer_.key("nullable").boolean(true);
    write_format(flat, type);
    for (const std::string_view name : {"default", "example"}) {
      if (const Value value = flat.get(name)) writer_.key(name).raw(value.raw());
    }
    if (type == "STRING") {
      write_enum(flat);
      write_sizes(flat, {"minLength", "maxLength"});
      if (const Value pattern = flat.get("pattern"); pattern.is(Kind::String))
        writer_.key("pattern").raw(pattern.raw());
    } else if (type == "NUMBER" || type == "INTEGER") {
      for (const std::string_view name : {"minimum", "maximum"}) {
        if (const Value limit = flat.get(name); limit.is(Kind::Number)) writer_.key(name).raw(limit.raw());
      }
    } else if (type == "ARRAY") {
      write_sizes(flat, {"minItems", "maxItems"});
      return write_items(flat);
    } else if (type == "OBJECT") {
      write_sizes(flat, {"minProperties", "maxProperties"});
      return write_properties(flat);
    }
    return {};
  }

  // 64-bit integers are strings in JSON of Google's.
  void write_sizes(const Flat& flat, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      if (const auto size = flat.get(name).whole()) writer_.key(name).string(std::to_string(*size));
    }
  }

  void write_format(const Flat& flat, std::string_view type) {
    const Value format = flat.get("format");
    const std::string_view name = format.inner();
    const bool known = (type == "STRING" && (name == "enum" || name == "date-time")) ||
                       (type == "INTEGER" && (name == "int32" || name == "int64")) ||
                       (type == "NUMBER" && (name == "float" || name == "double"));
    if (known) writer_.key("format").raw(format.raw());
  }

  void write_enum(const Flat& flat) {
    std::vector<Value> values;
    const auto take = [&values](const Value& value) {
      if (value.is(Kind::String) && !value.inner().empty()) values.push_back(value);
    };
    if (const Value only = flat.get("const")) take(only);
    if (values.empty()) {
      for (const Value value : flat.get("enum").elements()) take(value);
    }
    if (values.empty()) return;
    writer_.key("enum").begin_array();
    for (const Value& value : values) writer_.raw(value.raw());
    writer_.end_array();
  }

  Status write_items(const Flat& flat) {
    Value items = flat.get("items");
    if (!items.is(Kind::Object) && !items.is(Kind::Array)) items = flat.get("prefixItems");
    writer_.key("items");
    if (!items.is(Kind::Array)) return convert(items);
    // A tuple: each item may be any of them.
    std::vector<Value> kinds;
    for (const Value element : items.elements()) kinds.push_back(element);
    Flat tuple;
    if (kinds.empty()) return convert(tuple);
    return write_union(tuple, kinds);
  }

  Status write_properties(const Flat& flat) {
    if (flat.properties.empty()) return {};
    writer_.key("properties").begin_object();
    for (const Keyword& property : flat.properties) {
      writer_.key(property.name);
      if (Status written = convert(property.value); !written) return written;
    }
    writer_.end_object();
    const auto known = [&flat](const std::string& name) {
      return std::any_of(flat.properties.begin(), flat.properties.end(),
                         [&name](const Keyword& property) { return property.name == name; });
    };
    if (std::any_of(flat.required.begin(), flat.required.end(), known)) {
      writer_.key("required").begin_array();
      for (const std::string& name : flat.required) {
        if (known(name)) writer_.string(name);
      }
      writer_.end_array();
    }
    if (ordering_) {
      writer_.key("propertyOrdering").begin_array();
      for (const Keyword& property : flat.properties) writer_.string(property.name);
      writer_.end_array();
    }
    return {};
  }

  bool ordering_;
};

Result<std::string> unreadable() {
  return base::fail(ErrorKind::InvalidRequest, "a JSON schema must be an object");
}

}  // namespace

Result<std::string> gemini_json_schema(std::string_view schema_json) {
  json::Document document;
  if (!document.parse(schema_json) || !document.root().is(Kind::Object)) return unreadable();
  std::string out;
  JsonSchemaForm form(document.root(), out);
  if (Status converted = form.convert(document.root()); !converted) return base::fail(std::move(converted.error()));
  return out;
}

Result<std::string> gemini_schema(std::string_view schema_json, bool ordering) {
  json::Document document;
  if (!document.parse(schema_json) || !document.root().is(Kind::Object)) return unreadable();
  std::string out;
  GoogleForm form(document.root(), out, ordering);
  if (Status converted = form.convert(document.root()); !converted) return base::fail(std::move(converted.error()));
  return out;
}

}  // namespace turnpike::codec
