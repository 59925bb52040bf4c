#include "codec/json_schema_subset.h"

#include <gtest/gtest.h>

namespace turnpike::codec::json_schema_subset_test {
namespace {

struct Case {
  const char* name;
  std::string_view schema;
  std::string_view google;  // What older models get.
  std::string_view json;    // What the others get.
};

// clang-format off
const Case kCases[] = {
    {"types are upper-case",
     R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"]})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"INTEGER"}},"required":["a"],"propertyOrdering":["a","b"]})",
     R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"]})"},
    {"a reference stands for its schema",
     R"({"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string","description":"of A"}}})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING","description":"of A"}},"propertyOrdering":["a"]})",
     R"({"type":"object","properties":{"a":{"type":"string","description":"of A"}}})"},
    {"what stands beside a reference wins",
     R"({"$ref":"#/definitions/A","description":"mine","definitions":{"A":{"type":"string","description":"of A"}}})",
     R"({"type":"STRING","description":"mine"})",
     R"({"type":"string","description":"mine"})"},
    {"names in references are escaped",
     R"({"$ref":"#/$defs/a~1b%20c","$defs":{"a/b c":{"type":"boolean"}}})",
     R"({"type":"BOOLEAN"})",
     R"({"type":"boolean"})"},
    {"a schema inside itself ends in an object",
     R"({"$ref":"#/$defs/Node","$defs":{"Node":{"type":"object","properties":{"next":{"$ref":"#/$defs/Node"}}}}})",
     R"({"type":"OBJECT","properties":{"next":{"type":"OBJECT"}},"propertyOrdering":["next"]})",
     R"({"type":"object","properties":{"next":{"type":"object"}}})"},
    {"the root inside itself ends in an object",
     R"({"type":"object","properties":{"child":{"$ref":"#"}}})",
     R"({"type":"OBJECT","properties":{"child":{"type":"OBJECT","properties":{"child":{"type":"OBJECT"}},"propertyOrdering":["child"]}},"propertyOrdering":["child"]})",
     R"({"type":"object","properties":{"child":{"type":"object","properties":{"child":{"type":"object"}}}}})"},
    {"a reference to nowhere is an object",
     R"({"$ref":"https://example.com/a.json"})",
     R"({"type":"OBJECT"})",
     R"({"type":"object"})"},
    {"a schema inside itself that may be null",
     R"({"$ref":"#/$defs/Node","$defs":{"Node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/Node"},{"type":"null"}]}}}}})",
     R"({"type":"OBJECT","properties":{"next":{"type":"OBJECT","nullable":true}},"propertyOrdering":["next"]})",
     R"({"type":"object","properties":{"next":{"anyOf":[{"type":"object"},{"type":"null"}]}}})"},
    {"the same twice is no circle",
     R"({"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"number"}}})",
     R"({"type":"OBJECT","properties":{"a":{"type":"NUMBER"},"b":{"type":"NUMBER"}},"propertyOrdering":["a","b"]})",
     R"({"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}}})"},
    {"a list of types with null",
     R"({"type":["string","null"]})",
     R"({"type":"STRING","nullable":true})",
     R"({"type":["string","null"]})"},
    {"a list of types",
     R"({"type":["string","integer"],"description":"either"})",
     R"({"anyOf":[{"type":"STRING","description":"either"},{"type":"INTEGER","description":"either"}]})",
     R"({"type":["string","integer"],"description":"either"})"},
    {"null alone",
     R"({"type":"null"})",
     R"({"type":"NULL","nullable":true})",
     R"({"type":"null"})"},
    {"one of two is null",
     R"({"anyOf":[{"type":"string"},{"type":"null"}],"title":"T","default":null})",
     R"({"type":"STRING","title":"T","nullable":true})",
     R"({"anyOf":[{"type":"string"},{"type":"null"}],"title":"T","default":null})"},
    {"one of three is null; the title goes into each",
     R"({"title":"T","oneOf":[{"type":"string"},{"type":"integer","title":"I"},{"type":"null"}]})",
     R"({"anyOf":[{"type":"STRING","title":"T","nullable":true},{"type":"INTEGER","title":"I","nullable":true}]})",
     R"({"title":"T","oneOf":[{"type":"string"},{"type":"integer","title":"I"},{"type":"null"}]})"},
    {"what stands beside anyOf goes into each",
     R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]})",
     R"({"anyOf":[{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"STRING"}},"required":["a"],"propertyOrdering":["a","b"]},{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"STRING"}},"required":["b"],"propertyOrdering":["a","b"]}]})",
     R"({"type":"object","anyOf":[{"required":["a"]},{"required":["b"]}],"properties":{"a":{"type":"string"},"b":{"type":"string"}}})"},
    {"parts of one are merged",
     R"({"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"$ref":"#/$defs/B"}],"$defs":{"B":{"properties":{"b":{"type":"integer"}},"required":["b"]}}})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"INTEGER"}},"required":["a","b"],"propertyOrdering":["a","b"]})",
     R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"]})"},
    {"texts to choose from",
     R"({"type":"string","enum":["a","","b"]})",
     R"({"type":"STRING","enum":["a","b"]})",
     R"({"type":"string","enum":["a","b"]})"},
    {"an enum without a type",
     R"({"enum":["a",null]})",
     R"({"type":"STRING","nullable":true,"enum":["a"]})",
     R"({"enum":["a",null]})"},
    {"numbers to choose from",
     R"({"type":"integer","enum":[1,2]})",
     R"({"type":"INTEGER"})",
     R"({"type":"integer","enum":[1,2]})"},
    {"only the empty text",
     R"({"type":"string","enum":[""]})",
     R"({"type":"STRING"})",
     R"({"type":"string"})"},
    {"a constant",
     R"({"const":"cat"})",
     R"({"type":"STRING","enum":["cat"]})",
     R"({"enum":["cat"]})"},
    {"a list of anything",
     R"({"type":"array","items":{}})",
     R"({"type":"ARRAY","items":{"type":"OBJECT"}})",
     R"({"type":"array","items":{"type":"object"}})"},
    {"a list that says nothing of its items",
     R"({"type":"array","minItems":1,"maxItems":3})",
     R"({"type":"ARRAY","minItems":"1","maxItems":"3","items":{"type":"OBJECT"}})",
     R"({"type":"array","minItems":1,"maxItems":3})"},
    {"a tuple",
     R"({"type":"array","prefixItems":[{"type":"string"},{"type":"number"}]})",
     R"({"type":"ARRAY","items":{"anyOf":[{"type":"STRING"},{"type":"NUMBER"}]}})",
     R"({"type":"array","prefixItems":[{"type":"string"},{"type":"number"}]})"},
    {"an object without properties",
     R"({"type":"object","properties":{},"required":["gone"]})",
     R"({"type":"OBJECT"})",
     R"({"type":"object"})"},
    {"what is required must be there",
     R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a","gone"]})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING"}},"required":["a"],"propertyOrdering":["a"]})",
     R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a","gone"]})"},
    {"a property may be called like a keyword",
     R"({"type":"object","properties":{"$ref":{"type":"string"},"required":{"type":"boolean"},"a\"b":true}})",
     R"({"type":"OBJECT","properties":{"$ref":{"type":"STRING"},"required":{"type":"BOOLEAN"},"a\"b":{"type":"OBJECT"}},"propertyOrdering":["$ref","required","a\"b"]})",
     R"({"type":"object","properties":{"$ref":{"type":"string"},"required":{"type":"boolean"},"a\"b":{}}})"},
    {"formats",
     R"({"type":"object","properties":{"a":{"type":"string","format":"date-time"},"b":{"type":"string","format":"email"},"c":{"type":"integer","format":"int32"},"d":{"type":"number","format":"int64"}}})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING","format":"date-time"},"b":{"type":"STRING"},"c":{"type":"INTEGER","format":"int32"},"d":{"type":"NUMBER"}},"propertyOrdering":["a","b","c","d"]})",
     R"({"type":"object","properties":{"a":{"type":"string","format":"date-time"},"b":{"type":"string","format":"email"},"c":{"type":"integer","format":"int32"},"d":{"type":"number","format":"int64"}}})"},
    {"limits",
     R"({"type":"object","properties":{"a":{"type":"string","minLength":1,"maxLength":9,"pattern":"^a"},"b":{"type":"number","minimum":0.5,"maximum":1e3}},"minProperties":1})",
     R"({"type":"OBJECT","minProperties":"1","properties":{"a":{"type":"STRING","minLength":"1","maxLength":"9","pattern":"^a"},"b":{"type":"NUMBER","minimum":0.5,"maximum":1e3}},"propertyOrdering":["a","b"]})",
     R"({"type":"object","minProperties":1,"properties":{"a":{"type":"string","minLength":1,"maxLength":9,"pattern":"^a"},"b":{"type":"number","minimum":0.5,"maximum":1e3}}})"},
    {"words of other dialects go",
     R"({"$schema":"http://json-schema.org/draft-07/schema#","$id":"x","type":"object","strict":true,"additionalProperties":false,"properties":{"a":{"type":"string","default":"x","example":"y"}},"patternProperties":{"^x":{"const":1}},"if":{},"then":{}})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING","default":"x","example":"y"}},"propertyOrdering":["a"]})",
     R"({"type":"object","additionalProperties":false,"patternProperties":{"^x":{"enum":[1]}},"if":{},"then":{},"properties":{"a":{"type":"string","default":"x","example":"y"}}})"},
    {"a map",
     R"({"type":"object","additionalProperties":{"$ref":"#/$defs/A"},"$defs":{"A":{"type":"number"}}})",
     R"({"type":"OBJECT"})",
     R"({"type":"object","additionalProperties":{"type":"number"}})"},
    {"no type at all",
     R"({"description":"anything"})",
     R"({"type":"OBJECT","description":"anything"})",
     R"({"description":"anything"})"},
    {"upper-case types stay",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}},"propertyOrdering":["a"]})",
     R"({"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}})"},
};
// clang-format on

TEST(JsonSchemaSubset, WritesBothForms) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Result<std::string> google = gemini_schema(c.schema, true);
    ASSERT_TRUE(google) << google.error().message;
    EXPECT_EQ(*google, c.google);
    const Result<std::string> json = gemini_json_schema(c.schema);
    ASSERT_TRUE(json) << json.error().message;
    EXPECT_EQ(*json, c.json);
  }
}

TEST(JsonSchemaSubset, OrdersPropertiesOnRequestOnly) {
  const Result<std::string> schema = gemini_schema(R"({"type":"object","properties":{"a":{"type":"string"}}})", false);
  ASSERT_TRUE(schema);
  EXPECT_EQ(*schema, R"({"type":"OBJECT","properties":{"a":{"type":"STRING"}}})");
}

TEST(JsonSchemaSubset, RefusesWhatCannotBeSaid) {
  for (const std::string_view schema : {R"([])", R"("text")", R"({)", R"(true)"}) {
    SCOPED_TRACE(schema);
    EXPECT_FALSE(gemini_schema(schema, true));
    EXPECT_FALSE(gemini_json_schema(schema));
  }
  EXPECT_FALSE(gemini_schema(R"({"anyOf":[{"type":"null"},{"const":null}]})", true));
}

// Each name stands for two of the next: 2^30 schemas if nobody counts.
TEST(JsonSchemaSubset, EndsWhereReferencesMultiply) {
  std::string schema = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 30; ++i) {
    const std::string next = R"({"$ref":"#/$defs/d)" + std::to_string(i + 1) + "\"}";
    schema += "\"d" + std::to_string(i) + R"(":{"type":"object","properties":{"a":)" + next + R"(,"b":)" + next + "}},";
  }
  schema += R"("d30":{"type":"string"}}})";
  EXPECT_FALSE(gemini_schema(schema, true));
  EXPECT_FALSE(gemini_json_schema(schema));
}

TEST(JsonSchemaSubset, EndsWhereSchemasAreTooDeep) {
  std::string schema = R"({"type":"string"})";
  for (int i = 0; i < 100; ++i) schema = R"({"anyOf":[)" + schema + R"(,{"type":"integer"}]})";
  EXPECT_FALSE(gemini_schema(schema, true));
  EXPECT_FALSE(gemini_json_schema(schema));
}

}  // namespace
}  // namespace turnpike::codec::json_schema_subset_test
