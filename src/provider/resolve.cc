#include <algorithm>
#include <unordered_set>

#include "provider/own_providers.h"

namespace turnpike::provider {
namespace {

struct Family {
  std::string_view prefix;
  std::string_view provider;
};

// Bare names that people write without a provider and that the price catalogue may not list yet.
constexpr Family kFamilies[] = {
    {"gpt-", "openai"},
    {"chatgpt-", "openai"},
    {"o1", "openai"},
    {"o3", "openai"},
    {"o4", "openai"},
    {"ft:gpt-", "openai"},
    {"text-embedding-", "openai"},
    {"claude-", "anthropic"},
    {"gemini-", "gemini"},
    {"anthropic.", "bedrock"},
    {"us.anthropic.", "bedrock"},
    {"eu.anthropic.", "bedrock"},
    {"apac.anthropic.", "bedrock"},
    {"amazon.", "bedrock"},
    {"meta.", "bedrock"},
    {"mistral.", "bedrock"},
    {"deepseek-", "deepseek"},
    {"command-r", "cohere_chat"},
};

// Providers whose rows name no address of theirs: each customer has one, or another dialect is spoken there.
constexpr std::string_view kProviderDomains[] = {
    "amazonaws.com", "anthropic.com",     "azure.com",      "cloudflare.com",         "cohere.ai",
    "cohere.com",    "databricks.com",    "googleapis.com", "oraclecloud.com",        "replicate.com",
    "cloud.ibm.com", "hana.ondemand.com", "nlpcloud.io",    "snowflakecomputing.com", "voyageai.com",
};

const Provider* find_by_family(std::string_view model) {
  for (const Family& family : kFamilies) {
    if (model.starts_with(family.prefix)) return find_provider(family.provider);
  }
  return nullptr;
}

// What a provider wants to read where people write the short form.
std::string model_for_wire(const Provider& provider, std::string_view model) {
  if (provider.name == "fireworks_ai") {
    const bool whole = model.starts_with("accounts/") || model.find('#') != std::string_view::npos;
    return whole ? std::string(model) : "accounts/fireworks/models/" + std::string(model);
  }
  if (provider.name == "huggingface" && std::count(model.begin(), model.end(), '/') == 2) {
    // "novita/org/name" names the provider behind the router, which is called "org/name:novita" there.
    const std::size_t slash = model.find('/');
    return std::string(model.substr(slash + 1)) + ":" + std::string(model.substr(0, slash));
  }
  if (provider.name == "clarifai" && model.find('/') == std::string_view::npos &&
      std::count(model.begin(), model.end(), '.') == 2) {
    const std::size_t first = model.find('.');
    const std::size_t second = model.find('.', first + 1);
    return "https://clarifai.com/" + std::string(model.substr(0, first)) + "/" +
           std::string(model.substr(first + 1, second - first - 1)) + "/models/" +
           std::string(model.substr(second + 1));
  }
  if (provider.shape == Shape::AzureOpenAi) {
    // They choose LiteLLM's rules for parameters; the deployment's name stands behind them.
    for (const std::string_view prefix : {"o_series/", "gpt5_series/"}) {
      if (model.starts_with(prefix)) return std::string(model.substr(prefix.size()));
    }
  }
  if (provider.shape == Shape::VertexGemini && model.starts_with("gemini/")) return std::string(model.substr(7));
  return std::string(model);
}

/// "https://eu.api.openai.com/v1" -> "eu.api.openai.com".
std::string_view host_of(std::string_view url) {
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  return url.substr(0, url.find_first_of(":/?"));
}

/// "api.openai.com" -> "openai.com": a provider's regions and gateways share it.
std::string_view domain_of(std::string_view host) {
  const std::size_t last = host.rfind('.');
  if (last == std::string_view::npos || last == 0) return host;
  const std::size_t before = host.rfind('.', last - 1);
  return before == std::string_view::npos ? host : host.substr(before + 1);
}

Resolved resolved(const Provider* provider, std::string_view model) {
  if (provider == nullptr) return {nullptr, std::string(model)};
  return {provider, model_for_wire(*provider, model)};
}

}  // namespace

namespace {

/// The domains under which providers answer: those above and those of the catalogue's addresses.
const std::unordered_set<std::string_view>& provider_domains() {
  static const std::unordered_set<std::string_view> domains = [] {
    std::unordered_set<std::string_view> all(std::begin(kProviderDomains), std::end(kProviderDomains));
    for (const Provider& row : catalogue()) {
      const std::string_view domain = domain_of(host_of(row.base_url));
      if (!row.self_hosted && !domain.empty()) all.insert(domain);
    }
    return all;
  }();
  return domains;
}

}  // namespace

bool is_self_hosted(const Provider& provider, std::string_view host) {
  if (provider.self_hosted) return true;
  // The row's own address, also of one that the configuration has brought.
  if (host == host_of(provider.base_url)) return false;
  // Where every customer has an address of their own, another one says nothing.
  if (provider.base_url.empty() || provider.base_url.find('{') != std::string_view::npos) return false;
  // Each domain that the host lies in: "eu.api.openai.com", "api.openai.com", "openai.com", "com".
  for (std::string_view domain = host;;) {
    if (provider_domains().contains(domain)) return false;
    const std::size_t dot = domain.find('.');
    if (dot == std::string_view::npos) return true;
    domain.remove_prefix(dot + 1);
  }
}

Resolved resolve_model(std::string_view model, std::string_view custom, std::string_view api_base, FindListing listing,
                       const OwnProviders* own) {
  const auto named = [own](std::string_view name) {
    const Provider* row = find_provider(name);
    return row == nullptr && own != nullptr ? own->find(name) : row;
  };
  if (!custom.empty()) {
    if (model.size() > custom.size() && model.starts_with(custom) && model[custom.size()] == '/') {
      model.remove_prefix(custom.size() + 1);
    }
    return resolved(named(custom), model);
  }
  if (const std::size_t slash = model.find('/'); slash != std::string_view::npos) {
    if (const Provider* provider = named(model.substr(0, slash))) {
      return resolved(provider, model.substr(slash + 1));
    }
  }
  if (const Provider* provider = find_provider_by_base(api_base)) return resolved(provider, model);
  if (listing != nullptr) {
    if (const Provider* provider = find_provider(listing(model).provider)) return resolved(provider, model);
  }
  return resolved(find_by_family(model), model);
}

std::string base_url_of_model(const Provider& provider, std::string_view model) {
  constexpr std::size_t kIdBytes = 8;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (provider.name == "baseten" && model.size() == kIdBytes && std::all_of(model.begin(), model.end(), plain)) {
    return "https://model-" + std::string(model) + ".api.baseten.co/environments/production/sync/v1";
  }
  return {};
}

}  // namespace turnpike::provider
