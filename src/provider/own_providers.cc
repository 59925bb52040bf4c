#include "provider/own_providers.h"

namespace turnpike::provider {
namespace {

/// The row of the catalogue that a shape is served like.
const Provider& model_of(config::ProviderShape shape) {
  switch (shape) {
    case config::ProviderShape::OpenAi:
      return *find_provider("openai_like");
    case config::ProviderShape::Anthropic:
      return *find_provider("anthropic");
    case config::ProviderShape::Gemini:
      return *find_provider("gemini");
  }
  return *find_provider("openai_like");
}

AuthScheme scheme_of(config::ProviderAuth auth) {
  switch (auth) {
    case config::ProviderAuth::Bearer:
      return AuthScheme::Bearer;
    case config::ProviderAuth::Header:
      return AuthScheme::ApiKeyHeader;
    case config::ProviderAuth::None:
      return AuthScheme::None;
  }
  return AuthScheme::Bearer;
}

}  // namespace

OwnProviders::OwnProviders(const std::vector<config::ProviderRow>& rows) {
  for (const config::ProviderRow& row : rows) add(row);
}

void OwnProviders::add(const config::ProviderRow& written) {
  Provider row = model_of(written.shape);
  row.name = keep(written.name);
  row.label = row.name;
  row.base_url = keep(written.base_url);
  row.auth = scheme_of(written.auth);
  row.auth_header = keep(written.auth_header);
  row.base_url_variables = {};
  row.key_variables = {};
  row.headers = {};
  row.tested = Tested::ShapeOnly;
  // A server that wants no key is the operator's own: it costs nothing unless priced.
  row.self_hosted = written.auth == config::ProviderAuth::None;
  if (!written.key_env.empty()) {
    variables_.push_back(keep(written.key_env));
    row.key_variables = {&variables_.back(), 1};
  }
  std::vector<FieldRule>& rules = rules_.emplace_back();
  for (const auto& [from, to] : written.rename) rules.push_back({keep(from), keep(to)});
  for (const std::string& name : written.drop) rules.push_back({keep(name), {}});
  row.rules = rules;
  rows_.push_back(row);
}

const Provider* OwnProviders::find(std::string_view name) const {
  for (const Provider& row : rows_) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace turnpike::provider
