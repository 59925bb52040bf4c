#include "codec/anthropic_schema.h"

#include <algorithm>
#include <array>

#include "json/document.h"
#include "json/write.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;

template <std::size_t N>
bool one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 5> kKept = {"type", "enum", "const", "title", "required"};
constexpr std::array<std::string_view, 3> kOfNames = {"properties", "$defs", "definitions"};
constexpr std::array<std::string_view, 3> kLists = {"anyOf", "oneOf", "allOf"};
constexpr std::array<std::string_view, 4> kSilent = {"$schema", "$id", "$comment", "additionalProperties"};
constexpr std::array<std::string_view, 10> kFormats = {"date-time", "time", "date", "duration", "email",
                                                       "hostname",  "uri",  "ipv4", "ipv6",     "uuid"};

std::string key_of(const Value::Pair& pair) {
  return pair.key.text().value_or(std::string(pair.key.inner()));
}

bool is_object_schema(const Value& schema) {
  const Value type = schema.find("type");
  for (const Value word : type.elements()) {
    if (word.inner() == "object") return true;
  }
  return type.inner() == "object" || (!type && schema.find("properties"));
}

class SchemaWriter {
 public:
  explicit SchemaWriter(std::string& out) : writer_(out) {}

  void schema(const Value& value) {
    if (!value.is(Kind::Object)) {
      writer_.raw(value.raw());
      return;
    }
    writer_.begin_object();
    std::string notes;
    const bool refers = value.find("$ref").is(Kind::String);
    for (const Value::Pair& pair : value.members()) {
      const std::string key = key_of(pair);
      // Nothing may stand beside a reference but what it refers to.
      if (refers && key != "$ref" && key != "$defs" && key != "definitions") continue;
      if (!take(key, pair.value, value) && key != "description") note(notes, key, pair.value);
    }
    if (!refers) {
      if (is_object_schema(value)) writer_.key("additionalProperties").boolean(false);
      describe(value.find("description").text().value_or(""), notes);
    }
    writer_.end_object();
  }

 private:
  bool take(std::string_view key, const Value& value, const Value& parent) {
    if (key == "$ref" || one_of(key, kKept)) {
      writer_.key(key).raw(value.raw());
    } else if (one_of(key, kOfNames) && value.is(Kind::Object)) {
      writer_.key(key).begin_object();
      for (const Value::Pair& pair : value.members()) {
        writer_.key(key_of(pair));
        schema(pair.value);
      }
      writer_.end_object();
    } else if (one_of(key, kLists) && value.is(Kind::Array)) {
      const bool one = key == "oneOf";
      if (one && parent.find("anyOf")) return false;
      writer_.key(one ? "anyOf" : key).begin_array();
      for (const Value element : value.elements()) schema(element);
      writer_.end_array();
    } else if (key == "items" && value.is(Kind::Object)) {
      writer_.key(key);
      schema(value);
    } else if (key == "minItems" && value.whole().value_or(2) <= 1) {
      writer_.key(key).raw(value.raw());
    } else if (key == "format" && one_of(value.inner(), kFormats)) {
      writer_.key(key).raw(value.raw());
    } else {
      return one_of(key, kSilent);
    }
    return true;
  }

  static void note(std::string& notes, std::string_view key, const Value& value) {
    notes += notes.empty() ? "{" : ", ";
    notes.append(key).append(": ").append(value.raw());
  }

  void describe(std::string description, const std::string& notes) {
    if (!notes.empty()) {
      if (!description.empty()) description += "\n\n";
      description += notes + "}";
    }
    if (!description.empty()) writer_.key("description").string(description);
  }

  json::Writer writer_;
};

bool fits(const Value& value) {
  if (!value.is(Kind::Object)) return true;
  const Value more = value.find("additionalProperties");
  if (more && more.boolean() != false) return false;
  for (const Value::Pair& pair : value.members()) {
    const std::string key = key_of(pair);
    if (one_of(key, kOfNames)) {
      for (const Value::Pair& named : pair.value.members()) {
        if (!fits(named.value)) return false;
      }
    } else if (one_of(key, kLists)) {
      for (const Value element : pair.value.elements()) {
        if (!fits(element)) return false;
      }
    } else if (key == "items" && !fits(pair.value)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string anthropic_schema(std::string_view schema_json) {
  json::Document document;
  std::string out;
  if (!document.parse(schema_json)) return std::string(schema_json);
  out.reserve(schema_json.size() + schema_json.size() / 4);
  SchemaWriter(out).schema(document.root());
  return out;
}

bool fits_anthropic_schema(std::string_view schema_json) {
  json::Document document;
  return document.parse(schema_json) && document.root().is(Kind::Object) && fits(document.root());
}

}  // namespace turnpike::codec
