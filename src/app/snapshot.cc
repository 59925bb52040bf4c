#include "app/snapshot.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "app/fetch.h"
#include "base/text.h"
#include "provider/aim.h"
#include "provider/provider.h"

namespace turnpike::app {
namespace {

/// In 1e-15 $: fine enough to tell models apart, and no bill is made of it.
std::int64_t femto(price::Grains grains) {
  constexpr price::Grains kGrainsPerFemto = price::kGrainsPerNano / 1'000'000;
  return static_cast<std::int64_t>(
      std::min<price::Grains>(grains / kGrainsPerFemto, std::numeric_limits<std::int64_t>::max()));
}

provider::Listing find_listing(std::string_view name) {
  const std::optional<price::Prices> prices = price::Catalogue::built_in()->find(name);
  if (!prices) return {};
  return {prices->provider, prices->traits.has(domain::Trait::GlobalOnly)};
}

Result<std::string> read_url(net::IoThread& thread, const std::string& url) {
  if (url.starts_with("http://") || url.starts_with("https://")) return fetch_text(thread, url);
  const std::string path = url.starts_with("file://") ? url.substr(7) : url;
  std::ifstream file(path);
  if (!file) return base::fail(ErrorKind::Unavailable, "the file cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

std::optional<config::Refusal> deployment_refusal(const config::ModelEntry& entry,
                                                  const config::Environment& environment,
                                                  const std::vector<config::ProviderRow>& rows) {
  return router::refusal_of(entry, environment, rows, &find_listing);
}

std::vector<config::ProviderKey> provider_keys(const config::Environment& environment) {
  std::vector<config::ProviderKey> keys;
  const auto add = [&](const provider::Provider& row) {
    config::ModelEntry every;
    every.model = std::string(row.name) + "/*";
    if (row.key_variables.empty() || router::refusal_of(every, environment, {}, &find_listing)) return;
    // Google's variable names a file, AWS's the half of a key: the provider's credential finds the rest itself.
    config::ProviderKey key{std::string(row.name), {}, !provider::takes_plain_key(row)};
    for (const std::string_view variable : row.key_variables) key.variables.emplace_back(variable);
    keys.push_back(std::move(key));
  };
  for (const bool self_hosted : {false, true}) {
    for (const provider::Provider& row : provider::catalogue()) {
      if (row.self_hosted == self_hosted) add(row);
    }
  }
  return keys;
}

pipeline::SnapshotRef make_snapshot(config::SettingsRef settings, std::shared_ptr<const price::Catalogue> prices,
                                    const pipeline::Snapshot* previous, Redirect redirect) {
  auto snapshot = std::make_shared<pipeline::Snapshot>();
  snapshot->settings = settings;
  snapshot->prices = prices;
  snapshot->access_groups = account::access_groups_of(*settings);
  snapshot->generation = previous == nullptr ? 1 : previous->generation + 1;
  if (previous != nullptr) snapshot->accounts = previous->accounts;
  if (settings->turnpike.litellm_compat.starts_with("1.81")) snapshot->compat = protocol::Compat::V1_81;

  const router::Pricer pricer =
      [prices, redirect = std::move(redirect)](router::Deployment& deployment) -> std::shared_ptr<const void> {
    std::vector<price::PriceOverride> overrides;
    for (auto it = deployment.price_overrides.rbegin(); it != deployment.price_overrides.rend(); ++it) {
      overrides.push_back({it->first, it->second});  // The first of a name wins here, the last one in the catalogue.
    }
    price::PriceQuery query;
    query.provider = deployment.target.provider->name;
    query.model = deployment.target.model;
    query.base_model = deployment.base_model;
    query.overrides = overrides;
    Result<price::Prices> resolved = prices->resolve(query);
    price::Prices own = resolved ? std::move(*resolved) : price::Prices();
    own.apply_host(deployment.target.base.origin.host);
    deployment.input_tokens_max = own.max_input_tokens;
    deployment.traits = own.traits;
    if (deployment.entry && deployment.entry->max_input_tokens)
      deployment.input_tokens_max =
          static_cast<std::uint64_t>(std::max<std::int64_t>(*deployment.entry->max_input_tokens, 0));
    const price::Price input = own.find(price::PriceField::Input);
    const price::Price output = own.find(price::PriceField::Output);
    if (input.known() && output.known()) deployment.token_cost_femto = femto(input.grains() + output.grains());
    if (redirect) redirect(deployment, own);
    return std::make_shared<const price::Prices>(std::move(own));
  };
  std::vector<router::Problem> problems;
  std::vector<router::RoutingTable::Source> sources;
  sources.push_back({router::deployments_of(*settings, problems, &find_listing)});
  for (const router::Problem& problem : problems) snapshot->problems.push_back(problem.position + ": " + problem.text);
  snapshot->problems.insert(snapshot->problems.end(), settings->left_out.begin(), settings->left_out.end());
  snapshot->problems.insert(snapshot->problems.end(), settings->unenforced.begin(), settings->unenforced.end());
  snapshot->routing = router::RoutingTable::build(
      std::move(sources), *settings, previous == nullptr ? nullptr : previous->routing.get(), pricer, &find_listing);
  return snapshot;
}

pipeline::SnapshotRef with_fallbacks(const pipeline::Snapshot& snapshot,
                                     const std::vector<router::StoredFallbacks>& stored) {
  auto changed = std::make_shared<pipeline::Snapshot>(snapshot);
  changed->routing = snapshot.routing->with_fallbacks(*snapshot.settings, stored);
  return changed;
}

Result<std::shared_ptr<const price::Catalogue>> load_catalogue(net::IoThread& thread) {
  const char* url = std::getenv("LITELLM_MODEL_COST_MAP_URL");
  const char* local = std::getenv("LITELLM_LOCAL_MODEL_COST_MAP");
  const bool local_only = local != nullptr && base::equals_ignoring_case(local, "true");
  if (url == nullptr || *url == '\0' || local_only) return price::Catalogue::built_in();
  const std::string shown = base::without_credentials(url);
  const auto refused = [&](Error error) {
    error.message = "LITELLM_MODEL_COST_MAP_URL=" + shown + ": " + error.message;
    return base::fail(std::move(error));
  };
  Result<std::string> text = read_url(thread, url);
  if (!text) return refused(std::move(text.error()));
  Result<std::shared_ptr<const price::Catalogue>> loaded = price::Catalogue::load(*text, shown);
  if (!loaded) return refused(std::move(loaded.error()));
  return loaded;
}

}  // namespace turnpike::app
