#include "codec/bedrock_names.h"

#include <algorithm>

#include "base/hash.h"

namespace turnpike::codec {

std::string BedrockDocumentNames::name_for(std::string_view content) {
  constexpr std::size_t kDigits = 16;
  std::string name = "document-" + base::sha256_hex(content).substr(0, kDigits);
  const int times = ++seen_[name];
  if (times > 1) name += "-" + std::to_string(times);
  return name;
}

std::string bedrock_tool_id(std::string_view id) {
  constexpr std::size_t kIdMax = 64;
  constexpr std::size_t kDigits = 32;
  const bool allowed = std::all_of(id.begin(), id.end(), [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == ':';
  });
  if (allowed && !id.empty() && id.size() <= kIdMax) return std::string(id);
  return "call_" + base::sha256_hex(id).substr(0, kDigits);
}

}  // namespace turnpike::codec
