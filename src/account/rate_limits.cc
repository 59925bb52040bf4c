#include "account/rate_limits.h"

#include <map>

#include "account/tables.h"
#include "json/document.h"

namespace turnpike::account {
namespace {

using domain::CallerLimits;
using domain::RateLimits;

std::optional<std::int64_t> whole_of(const Record& row, std::string_view column) {
  return row.table().has(column) ? row.whole(column) : std::nullopt;
}

std::optional<std::int64_t> limit_in(const json::Value& value) {
  const std::optional<std::uint64_t> whole = value ? value.whole() : std::nullopt;
  return whole ? std::optional(static_cast<std::int64_t>(*whole)) : std::nullopt;
}

/// Spec money 4: the kind of somebody's calls to one model.
std::int16_t limit_kind_per_model(std::int16_t kind) {
  switch (kind) {
    case 2:
      return 9;
    case 3:
      return 10;
    case 5:
      return 11;
    default:
      return 12;
  }
}

void take_numbers(const json::Value& by_model, std::optional<std::int64_t> RateLimits::* unit,
                  std::map<std::string, RateLimits>& limits) {
  for (const json::Value::Pair one : by_model.members()) {
    const std::optional<std::string> model = one.key.text();
    if (const auto limit = limit_in(one.value); model && limit) limits[*model].*unit = limit;
  }
}

}  // namespace

RateLimits rate_limits_of(const Record& row) {
  return {whole_of(row, "rpm_limit"), whole_of(row, "tpm_limit"), whole_of(row, "max_parallel_requests")};
}

Status complete_from_budget(Records& records, const std::optional<std::string>& budget_id, RateLimits& own) {
  if (!budget_id) return {};
  const Result<std::optional<Record>> budget = records.find(kBudgets, *budget_id);
  if (!budget) return base::fail(budget.error());
  if (!*budget) return {};
  const RateLimits linked = rate_limits_of(**budget);
  if (!own.requests) own.requests = linked.requests;
  if (!own.tokens) own.tokens = linked.tokens;
  if (!own.calls) own.calls = linked.calls;
  return {};
}

void add_limit_types(std::string_view metadata_json, CallerLimits& limits) {
  json::Document metadata;
  if (metadata_json.find("_limit_type") == std::string_view::npos || !metadata.parse(metadata_json)) return;
  limits.requests_give = metadata.root().find("rpm_limit_type").text() == "dynamic";
  limits.tokens_give = metadata.root().find("tpm_limit_type").text() == "dynamic";
}

void add_limits(const CallerLimits& whole, std::vector<CallerLimits>& into) {
  if (whole.most.any()) into.push_back(whole);
}

void add_model_limits(std::string_view metadata_json, std::string_view model_max_budget_json, const CallerLimits& of,
                      std::vector<CallerLimits>& into) {
  std::map<std::string, RateLimits> limits;
  json::Document budgets;
  if (model_max_budget_json.size() > 2 && budgets.parse(model_max_budget_json)) {
    for (const json::Value::Pair one : budgets.root().members()) {
      const RateLimits most = {limit_in(one.value.find("rpm_limit")), limit_in(one.value.find("tpm_limit")), {}};
      if (const std::optional<std::string> model = one.key.text(); model && most.any()) limits[*model] = most;
    }
  }
  json::Document metadata;
  if (metadata_json.find("_limit") != std::string_view::npos && metadata.parse(metadata_json)) {
    take_numbers(metadata.root().find("model_rpm_limit"), &RateLimits::requests, limits);
    take_numbers(metadata.root().find("model_tpm_limit"), &RateLimits::tokens, limits);
  }
  for (auto& [model, most] : limits) into.push_back({limit_kind_per_model(of.kind), of.entity, of.label, model, most});
}

}  // namespace turnpike::account
