#include <algorithm>

#include "account/key_records.h"
#include "account/tables.h"
#include "api/handed_keys.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/key_rules.h"
#include "api/records.h"
#include "api/shares.h"
#include "api/team_fields.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "json/document.h"
#include "json/write.h"

namespace turnpike::api {
namespace {

using account::KeyRow;

/// How long keys of a team live that do not say; who does not manage the team gets no longer life either
/// (`team_member_key_duration`).
Status give_team_duration(account::Records& records, const domain::Caller& caller, KeyRow& row) {
  if (!row.team_id) return {};
  const auto team = records.find(account::kTeams, *row.team_id);
  if (!team) return base::fail(team.error());
  if (!*team) return {};
  const std::optional<std::int64_t> seconds = team_key_seconds(**team);
  if (!seconds) return {};
  const std::int64_t end_us = records.actor().now_us + *seconds * base::kSecondUs;
  const bool longer = row.expires_us && *row.expires_us > end_us && !may_manage_team(records, caller, **team);
  if (!row.expires_us || longer) row.expires_us = end_us;
  return {};
}

/// A soft budget stands in a budget of its own that the key is linked to, as in LiteLLM.
Status link_soft_budget(account::Records& records, KeyRow& row) {
  if (!row.soft_budget || row.budget_id) return {};
  account::Record budget(account::kBudgets);
  std::uint64_t random[2];
  base::fill_random(random, sizeof random);
  const auto now_ms = static_cast<std::uint64_t>(records.actor().now_us / 1000);
  budget.set("budget_id", base::make_id(now_ms, random[0], random[1]).to_string());
  budget.set("soft_budget", row.soft_budget);
  Result<account::Record> made = records.create(std::move(budget));
  if (!made) return base::fail(std::move(made.error()));
  row.budget_id = made->key();
  return {};
}

/// What only those may put on a new key who govern its team.
Status check_new_protection(account::Records& records, const domain::Caller& caller, const KeyChange& change,
                            const KeyRow& row) {
  if (!row.access_group_ids.empty()) return may_govern_key(records, caller, owners_of(row), "give a key access groups");
  if (account::temp_budget_of(row.metadata_json))
    return may_govern_key(records, caller, owners_of(row), "raise a budget for a time");
  // What the configuration gives to keys nobody has to be allowed to.
  const auto says = [&change](std::string_view field) {
    return std::ranges::find(change.fields, field) != change.fields.end();
  };
  for (const std::string_view field : {"rpm_limit_type", "tpm_limit_type", "metadata"}) {
    if (!says(field) || !asks_for_more(row.metadata_json)) continue;
    Status may = may_govern_key(records, caller, owners_of(row), "give a key more than its limits leave");
    if (!may) may.error().param = field;
    return may;
  }
  return says("metadata") ? may_set_priority(caller, "{}", row.metadata_json) : Status();
}

struct Order {
  std::string body;
  KeyChange change;
  bool service_account = false;
};

Result<Order> read_order(const Context& context, bool service_account) {
  const config::KeySettings& settings = context.settings().litellm.keys;
  Result<std::string> body = with_key_defaults(context.request().body, settings);
  if (!body) return base::fail(std::move(body.error()));
  Result<KeyChange> change = read_key_change(*body, KeyRoute::Generate);
  if (!change) return base::fail(std::move(change.error()));
  // What the configuration gives nobody has to be allowed to.
  if (Result<KeyChange> own = read_key_change(context.request().body, KeyRoute::Generate); own)
    change->fields = std::move(own->fields);
  if (Status held = hold_to_ceilings(*change, KeyRoute::Generate, settings); !held)
    return base::fail(std::move(held.error()));
  if (!change->key.empty()) {
    if (Status good = check_custom_secret("key", change->key, context.settings()); !good)
      return base::fail(std::move(good.error()));
  }
  if (service_account) {
    if (!change->team_id.value) {
      return refuse_field(
          "team_id", "team_id is required for service account keys. Please specify `team_id` in the request body.");
    }
    change->user_id = {true, std::nullopt};
  } else if (!administers(*context.caller) && !change->user_id.value && !context.caller->user_id.empty()) {
    change->user_id = {true, context.caller->user_id};
  }
  return Order{std::move(*body), std::move(*change), service_account};
}

Task<Result<Reply>> make_key(const Context& context, bool service_account) {
  Result<Order> order = read_order(context, service_account);
  if (!order) co_return base::fail(std::move(order.error()));
  const std::string secret = order->change.key.empty() ? make_secret() : order->change.key;
  const auto made = std::make_shared<ShownKey>();
  const Order& asked = *order;
  std::function<Status(account::Records&)> work = [&context, &asked, &secret,
                                                   made](account::Records& records) -> Status {
    const domain::Caller& caller = *context.caller;
    const KeyChange& change = asked.change;
    KeyRow row;
    row.hash = base::sha256_hex(secret);
    row.key_name = key_name_of(secret);
    apply_key_change(change, context.now_us, row);
    if (asked.service_account) {
      row.metadata_json =
          set_member(row.metadata_json, "service_account_id", json::quoted(row.key_alias.value_or(row.key_name)));
    }
    const std::string_view permission = asked.service_account ? "/key/service-account/generate" : "/key/generate";
    if (Status may = may_issue(records, context, asked.body, change); !may) return may;
    KeyOwners owners = owners_of(row);
    owners.hash.clear();
    if (Status may = may_manage_key(records, caller, owners, permission); !may) return may;
    if (Status may = check_new_protection(records, caller, change, row); !may) return may;
    if (Status may = may_hand_over(records, caller, nullptr, row); !may) return may;
    if (Status kept = keep_within_team(records, caller, row); !kept) return kept;
    if (Status within = may_grant(records, context, change, nullptr, row); !within) return within;
    if (Status kept = keep_promises(records, context, row); !kept) return kept;
    if (Status may = may_rotate_by_itself(context, row); !may) return may;
    if (Status given = give_team_duration(records, caller, row); !given) return given;
    if (Status linked = link_soft_budget(records, row); !linked) return linked;
    Result<KeyRow> created = account::create_key(records, std::move(row));
    if (!created) return base::fail(std::move(created.error()));
    Result<ShownKey> shown = show_key(records, std::move(*created));
    if (!shown) return base::fail(std::move(shown.error()));
    *made = std::move(*shown);
    return {};
  };
  if (Status done = co_await in_records(context, std::move(work)); !done) co_return base::fail(std::move(done.error()));
  base::log(base::LogLevel::Info, "key {} made by {}", made->row.hash, made->row.created_by);
  Reply reply = secret_reply(order->change, *made, secret);
  tell_fields(order->change, reply);
  co_return reply;
}

}  // namespace

Task<Result<Reply>> generate_key(const Context& context) {
  return make_key(context, false);
}

Task<Result<Reply>> generate_service_account_key(const Context& context) {
  return make_key(context, true);
}

}  // namespace turnpike::api
