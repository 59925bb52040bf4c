#pragma once

#include <map>
#include <string>
#include <string_view>

// What Bedrock lets things be called. The same request always gets the same names, so that a prompt cache stays good.
namespace turnpike::codec {

/// Names of documents: neutral ones, as AWS advises, since the model reads them; unique in a request, as AWS asks.
class BedrockDocumentNames {
 public:
  /// "document-<16 digits of the content's SHA-256>", "...-2" for the same content once more.
  std::string name_for(std::string_view content);

 private:
  std::map<std::string, int> seen_;
};

/// A tool call's id as Bedrock takes it: 64 of letters, digits, "_.:-"; another one is replaced by its hash.
std::string bedrock_tool_id(std::string_view id);

}  // namespace turnpike::codec
