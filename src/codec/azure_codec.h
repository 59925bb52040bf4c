#pragma once

#include "codec/openai_codec.h"

namespace turnpike::codec {

/// OpenAI's bodies under Azure's addresses: a deployment in the path and a dated `api-version` (classic), OpenAI's own
/// paths behind /openai/v1, or /models of Foundry.
///
/// Source: spec providers 4; npm `openai` (AzureOpenAI); Microsoft's reference of Azure OpenAI. An Entra token travels
/// as
///         bearer, a key as `api-key`, never both.
class AzureCodec : public OpenAiCodec {
 public:
  Error read_error(const Refusal& refusal) const override;

 protected:
  Status address(const EncodeInput& input, Encoded& out) const override;
};

/// The path and query of an operation at an Azure target.
/// Errors: InvalidRequest when the deployment's name cannot stand in a path.
Result<std::string> azure_path(const provider::Target& target, domain::Operation operation);

}  // namespace turnpike::codec
