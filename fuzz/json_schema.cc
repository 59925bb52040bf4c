// A caller's JSON schema in both of Google's forms: whatever comes out is JSON.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codec/json_schema_subset.h"
#include "json/document.h"

using turnpike::Result;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string schema(reinterpret_cast<const char*>(data), size);
  for (const Result<std::string>& made :
       {turnpike::codec::gemini_schema(schema, true), turnpike::codec::gemini_json_schema(schema)}) {
    turnpike::json::Document document;
    if (made && !document.parse(*made)) std::abort();
  }
  return 0;
}
