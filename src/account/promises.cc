#include "account/promises.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "account/rate_limits.h"
#include "account/tables.h"
#include "json/document.h"

namespace turnpike::account {
namespace {

using domain::RateLimits;

struct Unit {
  std::optional<std::int64_t> RateLimits::* of;
  std::string_view name, field, model_field, type_field;
};
constexpr Unit kUnits[] = {{&RateLimits::requests, "RPM", "rpm_limit", "model_rpm_limit", "rpm_limit_type"},
                           {&RateLimits::tokens, "TPM", "tpm_limit", "model_tpm_limit", "tpm_limit_type"}};

constexpr std::int64_t kMost = std::int64_t{1} << 52;  // Of one promise: sums of a table of them do not overflow.

void add(RateLimits& sum, const RateLimits& more) {
  for (const Unit& unit : kUnits) {
    if (more.*unit.of) sum.*unit.of = std::min((sum.*unit.of).value_or(0) + *(more.*unit.of), kMost * 512);
  }
}

void add(Throughput& sum, const Throughput& more) {
  add(sum.all, more.all);
  for (const auto& [model, limits] : more.by_model) add(sum.by_model[model], limits);
}

/// Whatever their type.
Throughput limits_of(const RateLimits& limits, std::string_view metadata_json) {
  Throughput throughput;
  throughput.all = {limits.requests, limits.tokens, {}};
  json::Document metadata;
  if (!metadata.parse(metadata_json)) return throughput;
  for (const Unit& unit : kUnits) {
    for (const json::Value::Pair one : metadata.root().find(unit.model_field).members()) {
      const std::optional<std::uint64_t> limit = one.value.whole();
      if (limit) throughput.by_model[one.key.text().value_or("")].*unit.of = static_cast<std::int64_t>(*limit);
    }
  }
  return throughput;
}

/// What is promised to one, beside what is promised to others, out of what somebody has.
struct Claim {
  std::string_view whose;   // "Key", "Team",
  std::string_view out_of;  // "team", "organization", "model".
  const Throughput& own;
  const Throughput& others;
};

Status fits(const Claim& claim, const Unit& unit, const std::string& model, const RateLimits& own,
            const RateLimits& others, const std::optional<std::int64_t>& most) {
  const std::optional<std::int64_t>& asked = own.*unit.of;
  const std::int64_t allocated = (others.*unit.of).value_or(0);
  if (!asked || !most || allocated + std::min(*asked, kMost) <= *most) return {};
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = model.empty() ? unit.field : unit.model_field;
  error.message = fmt::format("Allocated {0} limit={1} + {2} {0} limit={3} is greater than {4} {0} limit={5}{6}",
                              unit.name, allocated, claim.whose, *asked, claim.out_of, *most,
                              model.empty() ? std::string(".") : fmt::format(" for model {}.", model));
  return base::fail(std::move(error));
}

Status fits(const Claim& claim, const Throughput& most) {
  constexpr RateLimits kNone;
  for (const Unit& unit : kUnits) {
    if (Status fit = fits(claim, unit, {}, claim.own.all, claim.others.all, most.all.*unit.of); !fit) return fit;
    for (const auto& [model, own] : claim.own.by_model) {
      const auto other = claim.others.by_model.find(model);
      const RateLimits& others = other == claim.others.by_model.end() ? kNone : other->second;
      const auto of_model = most.by_model.find(model);
      const std::optional<std::int64_t> limit =
          of_model != most.by_model.end() && of_model->second.*unit.of ? of_model->second.*unit.of : most.all.*unit.of;
      if (Status fit = fits(claim, unit, model, own, others, limit); !fit) return fit;
    }
  }
  return {};
}

Status fits_models(const Claim& claim, const CapacityOf& capacity_of) {
  Throughput most;
  for (const auto& [model, own] : claim.own.by_model) most.by_model[model] = capacity_of(model);
  return fits(claim, most);
}

/// What is promised to all keys whose `column` is `value` (empty column: all there are), but for one.
Result<Throughput> promised_to_keys(Records& records, std::string_view column, std::string_view value,
                                    std::string_view but_for) {
  std::string sql =
      "SELECT hash, rpm_limit, tpm_limit, metadata FROM verification_key WHERE metadata LIKE '%guaranteed_throughput%' "
      "AND (expires_us IS NULL OR expires_us > $1)";
  std::vector<db::Value> values = {records.actor().now_us};
  if (!column.empty()) {
    sql += fmt::format(" AND {} = $2", column);
    values.emplace_back(std::string(value));
  }
  const Result<db::Rows> rows = records.transaction().run(sql, values);
  if (!rows) return base::fail(rows.error());
  const auto whole = [](const db::Value& limit) {
    return db::is_null(limit) ? std::nullopt : std::optional(db::as_int(limit));
  };
  Throughput sum;
  for (const db::Row& row : rows->rows) {
    if (db::as_text(row.at(0)) != but_for)
      add(sum, promised({whole(row.at(1)), whole(row.at(2)), {}}, db::as_text(row.at(3))));
  }
  return sum;
}

Result<Throughput> promised_to_teams(Records& records, std::string_view organization_id, std::string_view but_for) {
  const Result<std::vector<Record>> teams = records.all(kTeams, "organization_id", organization_id);
  if (!teams) return base::fail(teams.error());
  Throughput sum;
  for (const Record& team : *teams) {
    if (team.key() != but_for) add(sum, promised(rate_limits_of(team), team.text("metadata")));
  }
  return sum;
}

/// What an organisation has to give.
Result<Throughput> limits_of_organization(Records& records, std::string_view organization_id) {
  const Result<std::optional<Record>> found = records.find(kOrganizations, organization_id);
  if (!found) return base::fail(found.error());
  if (!*found) return Throughput();
  RateLimits limits = rate_limits_of(**found);
  if (Status done = complete_from_budget(records, (*found)->maybe_text("budget_id"), limits); !done)
    return base::fail(std::move(done.error()));
  return limits_of(limits, (*found)->text("metadata"));
}

Status fits_organization(Records& records, std::string_view whose, const std::string& organization_id,
                         const Throughput& own, const Result<Throughput>& others) {
  if (!others) return base::fail(others.error());
  const Result<Throughput> most = limits_of_organization(records, organization_id);
  if (!most) return base::fail(most.error());
  return fits({whose, "organization", own, *others}, *most);
}

}  // namespace

Throughput promised(const RateLimits& limits, std::string_view metadata_json) {
  Throughput promise;
  json::Document metadata;
  if (metadata_json.find("guaranteed_throughput") == std::string_view::npos || !metadata.parse(metadata_json))
    return promise;
  const Throughput whole = limits_of(limits, metadata_json);
  for (const Unit& unit : kUnits) {
    if (metadata.root().find(unit.type_field).text() != "guaranteed_throughput") continue;
    const auto take = [&unit](const RateLimits& from, RateLimits& into) {
      if (from.*unit.of) into.*unit.of = std::min(*(from.*unit.of), kMost);
    };
    take(whole.all, promise.all);
    for (const auto& [model, from] : whole.by_model) {
      if (from.*unit.of) take(from, promise.by_model[model]);
    }
  }
  return promise;
}

Status keep_promises(Records& records, const KeyRow& key, const CapacityOf& capacity_of) {
  const Throughput own = promised({key.rpm_limit, key.tpm_limit, {}}, key.metadata_json);
  if (own == Throughput()) return {};
  if (key.team_id) {
    const Result<std::optional<Record>> team = records.find(kTeams, *key.team_id);
    if (!team) return base::fail(team.error());
    const Result<Throughput> others = promised_to_keys(records, "team_id", *key.team_id, key.hash);
    if (!others) return base::fail(others.error());
    if (*team) {
      const Throughput most = limits_of(rate_limits_of(**team), (*team)->text("metadata"));
      if (Status fit = fits({"Key", "team", own, *others}, most); !fit) return fit;
    }
  }
  if (key.organization_id) {
    const Result<Throughput> others = promised_to_keys(records, "organization_id", *key.organization_id, key.hash);
    if (Status fit = fits_organization(records, "Key", *key.organization_id, own, others); !fit) return fit;
  }
  if (own.by_model.empty()) return {};
  const Result<Throughput> others = promised_to_keys(records, {}, {}, key.hash);
  if (!others) return base::fail(others.error());
  return fits_models({"Key", "model", own, *others}, capacity_of);
}

Status keep_promises(Records& records, const Record& team, const CapacityOf& capacity_of) {
  const Throughput kNone;
  const RateLimits limits = rate_limits_of(team);
  const std::string metadata = team.text("metadata");
  const Result<Throughput> to_keys = promised_to_keys(records, "team_id", team.key(), {});
  if (!to_keys) return base::fail(to_keys.error());
  if (Status fit = fits({"Keys'", "team", *to_keys, kNone}, limits_of(limits, metadata)); !fit) return fit;
  const Throughput own = promised(limits, metadata);
  if (own == Throughput()) return {};
  if (const std::optional<std::string> organization_id = team.maybe_text("organization_id")) {
    const Result<Throughput> others = promised_to_teams(records, *organization_id, team.key());
    if (Status fit = fits_organization(records, "Team", *organization_id, own, others); !fit) return fit;
  }
  return fits_models({"Team", "model", own, kNone}, capacity_of);
}

}  // namespace turnpike::account
