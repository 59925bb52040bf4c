#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

std::optional<Money> read_amount(Reading& reading, const Node& node) {
  const Read<std::string> text = node.as_decimal();
  if (!text) {
    reading.diagnostics.push_back(text.error());
    return std::nullopt;
  }
  const Result<Money> amount = Money::parse(*text);
  if (amount && *amount >= Money()) return *amount;
  reading.diagnostics.push_back(node.error("write an amount of dollars like 100"));
  return std::nullopt;
}

std::optional<std::int64_t> read_tokens(Reading& reading, const Node& node) {
  const Read<std::int64_t> tokens = node.as_integer();
  if (tokens && *tokens >= 0 && *tokens <= kTokenBudgetMax) return *tokens;
  reading.diagnostics.push_back(node.error("write a number of tokens like 1000000"));
  return std::nullopt;
}

/// The first of two names that says something.
const Node* find_either(const Node& map, std::string_view name, std::string_view other) {
  for (const std::string_view key : {name, other}) {
    const Node* node = map.find(key);
    if (node != nullptr && !node->is_null()) return node;
  }
  return nullptr;
}

/// Both of which may be missing. Nothing: one of them cannot be read.
std::optional<BudgetEntry> read_limits(Reading& reading, const Node* amount, const Node* tokens) {
  BudgetEntry entry;
  if (amount != nullptr) entry.limit = read_amount(reading, *amount);
  if (tokens != nullptr) entry.limit_tokens = read_tokens(reading, *tokens);
  const bool all_read = (amount == nullptr || entry.limit) && (tokens == nullptr || entry.limit_tokens);
  return all_read ? std::optional(entry) : std::nullopt;
}

std::optional<BudgetEntry> read_entry(Reading& reading, const Node& map) {
  const Node* amount = find_either(map, "budget_limit", "max_budget");
  const Node* tokens = find_either(map, "budget_limit_tokens", "max_budget_tokens");
  const Node* period = find_either(map, "time_period", "budget_duration");
  if (amount == nullptr && tokens == nullptr) {
    reading.diagnostics.push_back(
        map.error("write {budget_limit: 100, time_period: 1d}, or budget_limit_tokens: 1000000"));
    return std::nullopt;
  }
  std::optional<BudgetEntry> limits = read_limits(reading, amount, tokens);
  if (!limits) return std::nullopt;
  BudgetEntry& entry = *limits;
  if (period != nullptr) entry.duration = read_budget_duration(reading, *period);
  return limits;
}

std::map<std::string, BudgetEntry> read_entries(Reading& reading, const Node* map) {
  std::map<std::string, BudgetEntry> entries;
  if (map == nullptr || !map->is_map()) return entries;
  for (const Node::Item& item : map->items()) {
    if (std::optional<BudgetEntry> entry = read_entry(reading, item.value)) entries.emplace(item.key, *entry);
  }
  return entries;
}

}  // namespace

std::string read_budget_duration(Reading& reading, const Node& node) {
  const std::string text = node.as_text().value_or("");
  if (base::parse_duration_seconds(text).value_or(0) > 0) return text;
  reading.diagnostics.push_back(node.error("write a number and a unit: \"30d\" (s, m, h, d, w, mo)"));
  return {};
}

std::optional<BudgetEntry> read_budget(Reading& reading, const Node& map) {
  const auto given = [&map](std::string_view name) {
    const Node* node = map.find(name);
    return node != nullptr && !node->is_null() ? node : nullptr;
  };
  const Node* amount = given("max_budget");
  const Node* tokens = given("max_budget_tokens");
  if (amount == nullptr && tokens == nullptr) return std::nullopt;
  std::optional<BudgetEntry> entry = read_limits(reading, amount, tokens);
  if (!entry) return std::nullopt;
  if (const Node* duration = given("budget_duration")) entry->duration = read_budget_duration(reading, *duration);
  return entry;
}

BudgetSettings read_budgets(Reading& reading) {
  const Node& litellm = reading.section("litellm_settings");
  BudgetSettings settings;
  settings.proxy = read_budget(reading, litellm);
  if (settings.proxy && settings.proxy->limit == Money()) settings.proxy->limit.reset();  // LiteLLM's 0 is its default.
  if (settings.proxy && !settings.proxy->limit && !settings.proxy->limit_tokens) settings.proxy.reset();
  settings.tags = read_entries(reading, litellm.find("tag_budget_config"));
  settings.providers = read_entries(reading, reading.section("router_settings").find("provider_budget_config"));
  take_into(settings.end_user_budget_id, litellm, "max_end_user_budget_id", &Node::as_text);
  const Node* amount = litellm.find("max_end_user_budget");
  if (amount != nullptr && !amount->is_null()) settings.end_user_budget = read_amount(reading, *amount);
  return settings;
}

}  // namespace turnpike::config
