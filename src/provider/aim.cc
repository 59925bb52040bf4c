#include "provider/aws.h"
#include "provider/own_aim.h"

namespace turnpike::provider {

std::string AimInput::setting(std::string_view param, std::initializer_list<std::string_view> variables) const {
  if (params != nullptr) {
    for (const auto& [name, value] : *params) {
      if (name == param && !value.empty()) return value.reveal();
    }
  }
  if (!environment) return {};
  for (const std::string_view variable : variables) {
    if (std::optional<std::string> value = environment(std::string(variable)); value && !value->empty()) return *value;
  }
  return {};
}

Shape shape_of(const Provider& provider, std::string_view model) {
  if (provider.shape == Shape::AzureOpenAi) return azure_shape(provider, model);
  if (provider.shape == Shape::BedrockConverse) return bedrock_shape(model);
  if (provider.shape == Shape::VertexGemini) return vertex_shape(model);
  return provider.shape;
}

Result<std::string> own_base_url(const AimInput& input) {
  if (input.provider->shape == Shape::BedrockConverse) return bedrock_base_url(input);
  if (input.provider->shape == Shape::VertexGemini) return vertex_base_url(input);
  return account_base_url(input);
}

void complete_target(const AimInput& input, Target& target) {
  if (input.provider->shape == Shape::AzureOpenAi) return complete_azure(input, target);
  if (input.provider->shape == Shape::BedrockConverse) return complete_aws(input, target);
  if (input.provider->shape == Shape::VertexGemini) return complete_vertex(input, target);
  complete_other(input, target);
}

bool takes_plain_key(const Provider& provider) {
  return provider.shape != Shape::VertexGemini && provider.shape != Shape::BedrockConverse &&
         provider.name != "snowflake";
}

}  // namespace turnpike::provider
