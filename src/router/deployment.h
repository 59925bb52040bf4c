#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/regex.h"
#include "config/settings.h"
#include "domain/model_traits.h"
#include "provider/target.h"
#include "router/load.h"

namespace turnpike::router {

/// What the latest probe of a deployment has shown.
enum class Checked : std::uint8_t {
  Never,
  Well,
  Passing,  // A 408 or 429: trouble that passes by itself.
  Unwell,
};

/// The shared state of one deployment: survives reload while its id stays (AC-CONF-1). Small atomics, no lock.
struct Health {
  std::atomic<std::int64_t> cooling_until_us{0};  // Unix microseconds; past: healthy.
  std::atomic<std::int64_t> cooling_since_us{0};
  std::atomic<int> cooling_status{0};  // HTTP status that caused it.
  std::atomic<ErrorKind> cooling_kind{ErrorKind::Internal};
  std::atomic<std::uint32_t> minute{0};  // The minute the two counters below belong to.
  std::atomic<std::uint32_t> calls{0};
  std::atomic<std::uint32_t> fails{0};
  std::atomic<bool> probing{false};               // One call is out to see whether it is back (AC-COOL-3).
  std::atomic<std::int64_t> probing_since_us{0};  // A probe nobody reports on is given up after `kProbeMax`.
  std::atomic<std::uint64_t> cooldowns{0};
  std::atomic<Checked> checked{Checked::Never};
  std::atomic<std::int64_t> checked_us{0};
  std::atomic<bool> lists_no_models{false};         // Its provider has said that it has no list of models: remembered.
  std::atomic<bool> troubled{false};                // It was put to rest and nobody has been told yet that it is back.
  std::atomic<bool> refuses_stream_options{false};  // AC-OAI-2: remembered.
  Load load;
};

/// Provider + model + credentials + limits: one `model_list` entry.
struct Deployment {
  std::string id;
  std::string identity;      // Stays while only parameters change: whose Health it takes over. Empty: the id.
  std::string model_group;   // Its `model_name`; may hold '*'.
  bool wildcard = false;     // It does: serves many models, so no failure of one cools it.
  provider::Target target;   // Without a provider only for wildcards whose provider the requested name decides.
  std::string config_model;  // "openai/gpt-4o": litellm_params.model
  std::string price_name;    // What the catalogue is asked for (base_model, else provider/model).
  std::optional<double> weight;
  std::optional<double> rpm, tpm;
  std::optional<int> order;
  std::optional<int> parallel_max;               // Calls at a time.
  std::string region;                            // As configured; empty: unknown.
  std::optional<std::int64_t> token_cost_femto;  // 1e-15 $ for a token of input and one of output; absent: unknown.
  std::uint64_t input_tokens_max = 0;            // 0: unknown.
  domain::ModelTraits traits;
  std::optional<std::chrono::milliseconds> timeout, stream_timeout;
  std::optional<int> num_retries;
  std::optional<std::chrono::milliseconds> cooldown_time;
  std::vector<std::string> tags;
  std::vector<base::Regex> tag_regex;  // As good as a tag where one is found in "User-Agent: <what the caller says>".
  std::vector<std::string> access_groups;
  std::string team_id;     // Whose it is; empty: everybody's.
  std::uint64_t seed = 0;  // seed_of(identity): of its draws for calls that stay together.
  std::string mock_response_json;
  std::string mode;             // "chat", "embedding", ...; empty: from the catalogue.
  std::string config_position;  // "config.yaml:12"
  std::shared_ptr<Health> health;
  std::string base_model;                                            // model_info.base_model
  std::vector<std::pair<std::string, std::string>> price_overrides;  // Key of the price file, decimal text.
  std::shared_ptr<const config::ModelEntry> entry;  // What the configuration says of it; null in tests.
  std::shared_ptr<const void> prices;               // price::Prices, made by the Pricer; router never looks inside.
};
/// Asks the ledger for the prices of a deployment whose model is final (a wildcard's after the captures are put in);
/// sets what `pick` needs of them (`token_cost_femto`, `input_tokens_max`, `traits`).
using Pricer = std::function<std::shared_ptr<const void>(Deployment&)>;
using DeploymentRef = std::shared_ptr<const Deployment>;

}  // namespace turnpike::router
