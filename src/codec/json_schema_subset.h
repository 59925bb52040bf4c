#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::codec {

// JSON Schema as Google's models take it. Both forms have every `$ref` in place of its name (a schema that holds itself
// ends in a plain object), `allOf` merged and `const` written as `enum`.
//
// Source: Schema and FunctionDeclaration of npm @google/genai; ai.google.dev "Structured output"; spec
// providers-google 3. Limits: `kSchemaNodesMax` schemas after the references are in place, 64 levels. Errors:
// InvalidRequest saying what is wrong with the schema; `param` is the caller's to set.

inline constexpr std::size_t kSchemaNodesMax = 10'000;

/// For `parametersJsonSchema` and `responseJsonSchema`: JSON Schema still.
Result<std::string> gemini_json_schema(std::string_view schema_json);

/// For `parameters` and `responseSchema` of older models: the few fields of Google's own Schema. What it cannot say
/// (patterns of names, conditions, enums of numbers) is left out. `ordering` adds `propertyOrdering`.
Result<std::string> gemini_schema(std::string_view schema_json, bool ordering);

}  // namespace turnpike::codec
