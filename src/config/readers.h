#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/document.h"
#include "config/node.h"
#include "config/settings.h"
#include "config/stored.h"

/// The readers of the sections: from the tree, which check_keys has held to the table, to the typed settings.
namespace turnpike::config {

/// What every reader sees and where it leaves its findings.
struct Reading {
  const Document& document;
  const LoadOptions& options;
  std::vector<Diagnostic>& diagnostics;
  std::vector<std::string> left_out = {};         // Lines for Settings::left_out.
  std::vector<std::string> left_out_groups = {};  // What they would have served.
  bool database = false;                          // store_model_in_db: not everything stands in the file.

  /// The section of the root, or an empty map.
  const Node& section(std::string_view name) const;
};

/// The member read by `getter`, or nothing when it is absent or of a wrong type (which check_keys has told).
template <class T>
std::optional<T> take(const Node& map, std::string_view key, Read<T> (Node::*getter)() const) {
  const Node* node = map.find(key);
  if (node == nullptr) return std::nullopt;
  auto value = (node->*getter)();
  if (!value) return std::nullopt;
  return std::move(*value);
}

/// Puts the member into `target` when it is there.
template <class T>
void take_into(T& target, const Node& map, std::string_view key, Read<T> (Node::*getter)() const) {
  if (auto value = take(map, key, getter)) target = std::move(*value);
}

/// One of a few words; the order of `words` is that of the enumerators.
template <class Enum>
void take_word(Reading& reading, const Node& section, std::string_view key, Enum& target,
               std::initializer_list<std::string_view> words) {
  const Node* node = section.find(key);
  if (node == nullptr) return;
  const std::string written = base::to_lower(node->as_text().value_or(""));
  std::size_t at = 0;
  for (std::string_view word : words) {
    if (word == written) {
      target = static_cast<Enum>(at);
      return;
    }
    ++at;
  }
  reading.diagnostics.push_back(node->error(fmt::format("write one of {}", fmt::join(words, ", "))));
}

/// A whole number not below zero; a lower one is an error.
std::optional<std::int64_t> take_count(Reading& reading, const Node& map, std::string_view key);

RouterSettings read_router(Reading& reading);
/// The Redis that replicas share: of router_settings, else that of the cache; REDIS_* fill in (read_redis.cc).
RedisSettings read_redis(Reading& reading);
LitellmSettings read_litellm(Reading& reading);
GeneralSettings read_general(Reading& reading);
/// Which database, and how it is talked to (read_database.cc).
void read_database(Reading& reading, GeneralSettings& settings);
/// The keys of general_settings and turnpike that say how deployments are probed and what is told of them
/// (read_health.cc).
void read_health_checks(Reading& reading, GeneralSettings& settings);
void read_health_check_routing(Reading& reading, RouterSettings& settings);
void read_health_check_budget(Reading& reading, TurnpikeSettings& settings);
/// From where one may call, and what a call has to carry (read_access.cc).
void read_access(Reading& reading, const Node& section, GeneralSettings& settings);
void read_key_access(Reading& reading, const Node& section, TurnpikeSettings& settings);
/// Whose tokens are taken (read_jwt.cc).
JwtSettings read_jwt(Reading& reading);
/// What holds for keys that are made, and who makes them (read_keys.cc).
KeySettings read_key_settings(Reading& reading);
/// What users get that are made without saying it (read_users.cc).
UserSettings read_user_settings(Reading& reading);
/// Budgets of the configuration itself (read_budgets.cc): all of them, and one of `max_budget` and `budget_duration`.
BudgetSettings read_budgets(Reading& reading);
std::optional<BudgetEntry> read_budget(Reading& reading, const Node& map);
std::string read_budget_duration(Reading& reading, const Node& node);
/// How priorities divide the capacity of models (read_priorities.cc); `callbacks`: all that are named.
PrioritySettings read_priorities(Reading& reading, const std::vector<std::string>& callbacks);
/// Shares of what no deployment has would never hold: errors (AC-LIMIT-6). `models`: those of the file.
void check_priorities(Reading& reading, const std::vector<ModelEntry>& models, const PrioritySettings& settings);
void read_key_issuance(Reading& reading, TurnpikeSettings& settings);
TurnpikeSettings read_turnpike(Reading& reading);
std::vector<ProviderRow> read_providers(Reading& reading);
/// The affinity that optional_pre_call_checks means by a name; null when it is none (read_affinity.cc).
bool Affinity::* affinity_named(std::string_view name);
/// A group that is named chooses its affinities anew, but for the prompt caches, which it can only add.
std::vector<GroupAffinity> read_group_affinities(Reading& reading, const Node& groups, const Affinity& general);
std::vector<Sticky> read_sticky(Reading& reading);
std::vector<GroupHedging> read_hedging(Reading& reading);
std::vector<GroupMirroring> read_mirroring(Reading& reading);
std::vector<ModelEntry> read_models(Reading& reading, const std::vector<ProviderRow>& providers);
/// The rows of the database, each read like an element of model_list. One that is broken leaves a warning and a line in
/// `left_out`, whatever is wrong with it (read_stored.cc).
std::vector<ModelEntry> read_stored_models(Reading& reading, const Stored& stored, const Settings& settings);
/// `credential_list`, with those of the database behind it.
Node all_credentials(const Document& document, const Stored& stored);
std::vector<Credential> read_credentials(const Node& list, std::size_t of_file);

/// Groups that fallbacks and aliases name but nobody serves, with the nearest name.
/// Warns of rules of `turnpike:` for groups that are none: they would wait for calls that never come (read_traffic.cc).
void check_rules(Reading& reading, const std::vector<ModelEntry>& models);
void check_references(Reading& reading, const Settings& settings);

/// Variables that honoured keys name and the environment does not have.
void check_variables(Reading& reading);

/// Variables of the environment that LiteLLM would act on and this version does not.
void check_environment(Reading& reading);

/// True when `name` fits `pattern`, in which every '*' stands for any text.
bool matches_wildcard(std::string_view pattern, std::string_view name);

}  // namespace turnpike::config
