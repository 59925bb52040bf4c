#include <algorithm>

#include "account/key_records.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/key_rules.h"
#include "api/record_fields.h"
#include "api/records.h"
#include "base/log.h"
#include "base/text.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::api {
namespace {

using account::KeyRow;

constexpr std::size_t kDeletedAtOnceMax = 1000;
constexpr std::size_t kUpdatedAtOnceMax = 500;

Result<KeyRow> get_key(account::Records& records, const Context& context, const std::string& hash) {
  Result<std::optional<KeyRow>> row = account::find_key(records.transaction(), hash);
  if (!row) return base::fail(std::move(row.error()));
  if (!*row) return base::fail(key_not_found(context, hash));
  return std::move(**row);
}

Result<ShownKey> change_key(account::Records& records, const Context& context, const KeyChange& change,
                            const std::string& hash) {
  Result<KeyRow> before = get_key(records, context, hash);
  if (!before) return base::fail(std::move(before.error()));
  KeyRow after = *before;
  apply_key_change(change, context.now_us, after);
  if (Status may = may_change_key(records, context, change, *before, after, "/key/update"); !may)
    return base::fail(std::move(may.error()));
  Result<KeyRow> updated = account::update_key(records, *before, std::move(after));
  if (!updated) return base::fail(std::move(updated.error()));
  return show_key(records, std::move(*updated));
}

Task<Result<ShownKey>> update_one(const Context& context, const KeyChange& change, const std::string& hash) {
  // The edit is booked as a difference to what stands in the database: that has to be complete.
  if (change.spend) co_await context.gateway.ledger->shipped();
  const auto changed = std::make_shared<ShownKey>();
  std::function<Status(account::Records&)> work = [&context, &change, &hash,
                                                   changed](account::Records& records) -> Status {
    Result<ShownKey> key = change_key(records, context, change, hash);
    if (!key) return base::fail(std::move(key.error()));
    *changed = std::move(*key);
    return {};
  };
  if (Status done = co_await in_records(context, std::move(work)); !done) co_return base::fail(std::move(done.error()));
  base::log(base::LogLevel::Info, "key {} changed by {}", hash, changed->row.updated_by);
  co_return std::move(*changed);
}

Task<Result<Reply>> set_blocked(const Context& context, bool blocked) {
  Result<KeyChange> body = read_key_change(context.request().body, KeyRoute::Update);
  if (!body) co_return base::fail(std::move(body.error()));
  Result<std::string> hash = named_key(body->key);
  if (!hash) co_return base::fail(std::move(hash.error()));
  const auto changed = std::make_shared<ShownKey>();
  const std::string& key = *hash;
  std::function<Status(account::Records&)> work = [&context, &key, blocked,
                                                   changed](account::Records& records) -> Status {
    Result<KeyRow> before = get_key(records, context, key);
    if (!before) return base::fail(std::move(before.error()));
    const std::string_view what = blocked ? "block a key" : "unblock a key";
    if (Status may = may_govern_key(records, *context.caller, owners_of(*before), what); !may) return may;
    KeyRow after = *before;
    after.blocked = blocked;
    Result<KeyRow> updated = account::update_key(records, *before, std::move(after), blocked ? "blocked" : "unblocked");
    if (!updated) return base::fail(std::move(updated.error()));
    Result<ShownKey> shown = show_key(records, std::move(*updated));
    if (!shown) return base::fail(std::move(shown.error()));
    *changed = std::move(*shown);
    return {};
  };
  if (Status done = co_await in_records(context, std::move(work)); !done) co_return base::fail(std::move(done.error()));
  base::log(base::LogLevel::Info, "key {} {} by {}", key, blocked ? "blocked" : "unblocked", changed->row.updated_by);
  co_return key_reply(context, *changed, key);
}

}  // namespace

Task<Result<Reply>> update_key(const Context& context) {
  Result<KeyChange> change = read_key_change(context.request().body, KeyRoute::Update);
  if (!change) co_return base::fail(std::move(change.error()));
  if (Status held = hold_to_ceilings(*change, KeyRoute::Update, context.settings().litellm.keys); !held)
    co_return base::fail(std::move(held.error()));
  Result<std::string> hash = named_key(change->key);
  if (!hash) co_return base::fail(std::move(hash.error()));
  Result<ShownKey> changed = co_await update_one(context, *change, *hash);
  if (!changed) co_return base::fail(std::move(changed.error()));
  Reply reply = key_reply(context, *changed, change->key);
  tell_fields(*change, reply);
  co_return reply;
}

Task<Result<Reply>> block_key(const Context& context) {
  return set_blocked(context, true);
}
Task<Result<Reply>> unblock_key(const Context& context) {
  return set_blocked(context, false);
}

/// Each key by itself: one that cannot be changed does not keep the others from it.
Task<Result<Reply>> bulk_update_keys(const Context& context) {
  std::vector<std::string> bodies;
  {
    json::Document document;
    if (Status parsed = document.parse(context.request().body); !parsed)
      co_return base::fail(std::move(parsed.error()));
    const json::Value keys = document.root().find("keys");
    if (!keys || !keys.is(json::Kind::Array) || keys.elements().empty())
      co_return refuse_field("keys", "keys must be a list of objects, each with a key and what is to change.");
    for (const json::Value element : keys.elements()) {
      if (bodies.size() == kUpdatedAtOnceMax)
        co_return refuse_field("keys", "Maximum 500 keys can be updated at once.");
      bodies.emplace_back(element.raw());
    }
  }
  std::string done, failed;
  json::Writer good(done), bad(failed);
  good.begin_array();
  bad.begin_array();
  for (const std::string& body : bodies) {
    Result<KeyChange> change = read_key_change(body, KeyRoute::Update);
    Result<std::string> hash = change ? named_key(change->key) : Result<std::string>(base::fail(change.error()));
    if (Status held = change ? hold_to_ceilings(*change, KeyRoute::Update, context.settings().litellm.keys) : Status();
        !held) {
      hash = base::fail(std::move(held.error()));
    }
    Result<ShownKey> changed = base::fail(hash ? Error() : hash.error());
    if (hash) changed = co_await update_one(context, *change, *hash);
    json::Writer& writer = changed ? good : bad;
    writer.begin_object().key("key").string(change ? change->key : std::string());
    writer.key("key_info");
    if (changed) {
      writer.begin_object();
      write_key(writer, *changed, live_spend(*context.gateway.ledger, changed->row), true);
      writer.end_object();
    } else {
      writer.null().key("failed_reason").string(changed.error().message);
    }
    writer.end_object();
  }
  good.end_array();
  bad.end_array();
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("total_requested").number(static_cast<std::uint64_t>(bodies.size()));
  writer.key("successful_updates").raw(done).key("failed_updates").raw(failed).end_object();
  co_return private_json_reply(std::move(text));
}

namespace {

struct Named {
  std::string as_sent;
  std::string reference;  // An alias, or the hash of the key.
};

struct Deletion {
  std::vector<Named> keys;
  bool aliases = false;
};

Result<Deletion> read_deletion(std::string_view body) {
  json::Document document;
  if (Status status = document.parse(body.empty() ? std::string_view("{}") : body); !status) {
    return base::fail(std::move(status.error()));
  }
  const json::Value keys = document.root().find("keys");
  const json::Value aliases = document.root().find("key_aliases");
  const auto given = [](const json::Value& value) { return value && !value.is(json::Kind::Null); };
  if (given(keys) == given(aliases)) {
    return refuse_field("keys", "Send either keys (a list of keys or hashes) or key_aliases (a list of aliases).");
  }
  Deletion deletion;
  deletion.aliases = given(aliases);
  const json::Value list = deletion.aliases ? aliases : keys;
  const std::string field = deletion.aliases ? "key_aliases" : "keys";
  if (!list.is(json::Kind::Array) || list.elements().empty()) {
    return refuse_field(field, field + " must be a list of strings with at least one element.");
  }
  for (const json::Value element : list.elements()) {
    std::optional<std::string> text = element.is(json::Kind::String) ? element.text() : std::nullopt;
    if (!text) return refuse_field(field, field + " must be a list of strings.");
    if (deletion.keys.size() == kDeletedAtOnceMax) {
      return refuse_field(field, field + " may hold at most " + std::to_string(kDeletedAtOnceMax) + " elements.");
    }
    Result<std::string> reference = deletion.aliases ? *text : named_key(*text);
    if (!reference) return refuse_field(field, reference.error().message);
    deletion.keys.push_back({std::move(*text), std::move(*reference)});
  }
  return deletion;
}

struct Gone {
  std::vector<std::string> as_sent;
  std::vector<std::string> hashes;
};

/// All or none: those that do not exist are passed over.
Status delete_named(account::Records& records, const domain::Caller& caller, const Deletion& deletion, Gone& gone) {
  for (const auto& [as_sent, reference] : deletion.keys) {
    Result<std::optional<KeyRow>> row = deletion.aliases ? account::find_key_by_alias(records.transaction(), reference)
                                                         : account::find_key(records.transaction(), reference);
    if (!row) return base::fail(std::move(row.error()));
    if (!*row) continue;
    if (Status may = may_manage_key(records, caller, owners_of(**row), "/key/delete"); !may) return may;
    if (Status removed = account::remove_key(records, **row); !removed) return removed;
    gone.as_sent.push_back(as_sent);
    gone.hashes.push_back((*row)->hash);
  }
  return {};
}

}  // namespace

Task<Result<Reply>> delete_keys(const Context& context) {
  Result<Deletion> deletion = read_deletion(context.request().body);
  if (!deletion) co_return base::fail(std::move(deletion.error()));
  const auto gone = std::make_shared<Gone>();
  const Deletion& asked = *deletion;
  std::function<Status(account::Records&)> work = [&context, &asked, gone](account::Records& records) -> Status {
    *gone = {};
    return delete_named(records, *context.caller, asked, *gone);
  };
  if (Status done = co_await in_records(context, std::move(work)); !done) co_return base::fail(std::move(done.error()));
  if (gone->hashes.empty()) {
    Error error;
    error.kind = ErrorKind::NotFound;
    error.message = "No keys found: none of the keys sent exists.";
    error.param = deletion->aliases ? "key_aliases" : "keys";
    co_return base::fail(std::move(error));
  }
  for (const std::string& hash : gone->hashes)
    base::log(base::LogLevel::Info, "key {} deleted by {}", hash, author(context));
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("deleted_keys").raw(json::write_list(gone->as_sent)).end_object();
  co_return private_json_reply(std::move(body));
}

/// Sets what is booked, for a key that starts anew or was charged wrongly.
Task<Result<Reply>> reset_key_spend(const Context& context) {
  Result<std::string> hash = named_key(context.captured);
  if (!hash) co_return base::fail(std::move(hash.error()));
  std::optional<Money> reset_to;
  {
    json::Document document;
    if (Status parsed = document.parse(context.request().body); !parsed)
      co_return base::fail(std::move(parsed.error()));
    Result<std::optional<Money>> amount = amount_member(document.root(), "reset_to");
    if (!amount) co_return base::fail(std::move(amount.error()));
    if (!*amount) co_return refuse_field("reset_to", "reset_to is missing: send the spend the key shall have.");
    reset_to = **amount;
  }
  // What is booked is compared and changed: all of it has to be there.
  co_await context.gateway.ledger->shipped();
  const auto changed = std::make_shared<KeyRow>();
  const auto previous = std::make_shared<Money>();
  const std::string& key = *hash;
  std::function<Status(account::Records&)> work = [&context, &key, target = *reset_to, changed,
                                                   previous](account::Records& records) -> Status {
    Result<KeyRow> before = get_key(records, context, key);
    if (!before) return base::fail(std::move(before.error()));
    if (Status may = may_govern_key(records, *context.caller, owners_of(*before), "reset the spend of a key"); !may)
      return may;
    if (target > before->spend) {
      return refuse_field("reset_to", "reset_to (" + target.to_string() + ") is more than the current spend (" +
                                          before->spend.to_string() + ").");
    }
    if (before->max_budget && target > *before->max_budget) {
      return refuse_field("reset_to", "reset_to (" + target.to_string() + ") is more than max_budget (" +
                                          before->max_budget->to_string() + ").");
    }
    *previous = before->spend;
    KeyRow after = *before;
    after.spend = target;
    Result<KeyRow> updated = account::update_key(records, *before, std::move(after), "spend_reset");
    if (!updated) return base::fail(std::move(updated.error()));
    *changed = std::move(*updated);
    return {};
  };
  if (Status done = co_await in_records(context, std::move(work)); !done) co_return base::fail(std::move(done.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("key_hash").string(changed->hash).key("spend").raw(changed->spend.to_string());
  writer.key("previous_spend").raw(previous->to_string()).key("max_budget");
  if (changed->max_budget) {
    writer.raw(changed->max_budget->to_string());
  } else {
    writer.null();
  }
  writer.key("budget_reset_at");
  if (changed->budget_reset_us) {
    writer.string(base::iso_time(*changed->budget_reset_us));
  } else {
    writer.null();
  }
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
