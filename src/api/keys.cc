#include <algorithm>

#include "api/handlers.h"
#include "api/key_fields.h"
#include "api/key_json.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::api {
namespace {

using account::KeyRow;

constexpr std::size_t kSecretBytes = 16;
constexpr std::size_t kSecretCharactersMax = 256;
constexpr std::size_t kDeletedAtOnceMax = 1000;

std::string make_secret() {
  std::array<std::uint8_t, kSecretBytes> random{};
  base::fill_random(random.data(), random.size());
  return "sk-" + base::to_base64url(random);
}

Status check_custom_secret(const std::string& secret, const config::Settings& settings) {
  if (!secret.starts_with("sk-")) {
    const std::string masked = base::Secret(secret).masked();
    return refuse_field("key", "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: " + masked);
  }
  const bool plain = std::ranges::all_of(secret, [](char c) { return c > ' ' && c < '\x7f'; });
  if (secret.size() == 3 || secret.size() > kSecretCharactersMax || !plain) {
    return refuse_field("key", "key must be 4 to 256 visible ASCII characters; leave it out to have one made.");
  }
  if (settings.general.master_key.equals(secret))
    return refuse_field("key", "This key is in use already; choose another.");
  return {};
}

/// Everything but secret, spend and alias: those need the database.
void apply(const KeyChange& change, std::int64_t now_us, KeyRow& row) {
  if (change.key_alias.present) row.key_alias = change.key_alias.value;
  if (change.user_id.present) row.user_id = change.user_id.value;
  if (change.team_id.present) row.team_id = change.team_id.value;
  if (change.organization_id.present) row.organization_id = change.organization_id.value;
  if (change.models) row.models = *change.models;
  if (change.aliases_json) row.aliases_json = *change.aliases_json;
  if (change.config_json) row.config_json = *change.config_json;
  if (change.metadata_json) row.metadata_json = *change.metadata_json;
  if (change.router_settings_json) row.router_settings_json = *change.router_settings_json;
  if (change.tags) row.metadata_json = set_member(row.metadata_json, "tags", json::write_list(*change.tags));
  if (change.max_budget.present) row.max_budget = change.max_budget.value;
  if (change.spend) row.spend = *change.spend;
  if (change.blocked) row.blocked = *change.blocked;
  if (change.life) {
    row.expires_us = change.life->never ? std::nullopt : std::optional(now_us + change.life->seconds * 1'000'000);
  }
}

Error alias_taken(const std::string& alias) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.type = "bad_request_error";
  error.param = "key_alias";
  error.message = "Key with alias '" + alias + "' already exists. Unique key aliases across all keys are required.";
  return error;
}

/// The store's unique index decides in the end; asking first gives the better text.
Task<Status> check_alias_free(account::KeyStore& keys, const KeyChange& change, const std::string& own_hash) {
  if (!change.key_alias.value) co_return Status();
  Result<std::optional<KeyRow>> other = co_await keys.find_by_alias(*change.key_alias.value);
  if (!other) co_return base::fail(std::move(other.error()));
  if (*other && (*other)->hash != own_hash) co_return base::fail(alias_taken(*change.key_alias.value));
  co_return Status();
}

void tell_ignored(const KeyChange& change, Reply& reply) {
  if (!change.ignored.empty()) {
    http::add_field(reply.fields, "x-turnpike-ignored-fields", ignored_fields_value(change.ignored));
  }
}

/// The hash of the key a body names with `key`.
Result<std::string> named_key(std::string_view reference) {
  if (reference.empty()) return refuse_field("key", "key is missing: send the key (\"sk-...\") or its hash.");
  std::string hash = hash_of_reference(reference);
  if (hash.empty()) return refuse_field("key", "key must be a key (\"sk-...\") or its hash (64 hexadecimal digits).");
  return hash;
}

Error key_not_found() {
  Error error;
  error.kind = ErrorKind::NotFound;
  error.param = "key";
  error.message = "Key not found in database";
  return error;
}

/// The row as these routes answer it. A secret is shown once, by /key/generate: elsewhere `key` is the hash.
Reply row_reply(const Context& context, const KeyRow& row) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("key").string(row.hash);
  write_key_row(writer, row, live_spend(*context.gateway.ledger, row), true);
  writer.end_object();
  return private_json_reply(std::move(body));
}

/// What the ledger must know of a committed change.
void tell_ledger(const Context& context, const KeyChange& change, const KeyRow& row) {
  if (change.max_budget.present)
    context.gateway.ledger->limit_changed(row.account_id, row.max_budget, row.account_version);
  if (change.spend) {
    context.gateway.ledger->spend_changed(row.account_id, *change.spend, row.spend_edit, row.account_version);
  }
}

Task<Result<Reply>> set_blocked(const Context& context, bool blocked) {
  Result<KeyChange> body = read_key_change(context.request().body, KeyRoute::Update);
  if (!body) co_return base::fail(std::move(body.error()));
  Result<std::string> hash = named_key(body->key);
  if (!hash) co_return base::fail(std::move(hash.error()));
  const std::string by = author(context);
  const std::int64_t now_us = context.now_us;
  std::function<Status(KeyRow&)> change = [blocked, by, now_us](KeyRow& row) -> Status {
    row.blocked = blocked;
    row.updated_by = by;
    row.updated_us = now_us;
    return {};
  };
  Result<KeyRow> row = co_await context.gateway.keys->update(*hash, std::move(change));
  if (!row) co_return base::fail(row.error().kind == ErrorKind::NotFound ? key_not_found() : std::move(row.error()));
  base::log(base::LogLevel::Info, "key {} {} by {}", row->hash, blocked ? "blocked" : "unblocked", by);
  co_return row_reply(context, *row);
}

void write_generated(json::Writer& writer, const KeyChange& change, const KeyRow& row, const std::string& secret) {
  writer.begin_object();
  writer.key("key").string(secret);
  writer.key("token_id").string(row.hash);
  write_key_row(writer, row, row.spend, true);
  writer.key("duration");
  if (change.life) {
    writer.string(change.life->text);
  } else {
    writer.null();
  }
  writer.key("tags");
  if (change.tags) {
    writer.raw(json::write_list(*change.tags));
  } else {
    writer.null();
  }
  writer.key("key_type").string("default");
  for (const std::string_view unset : {"guardrails", "enforced_params", "model_rpm_limit", "model_tpm_limit",
                                       "rpm_limit_type", "tpm_limit_type", "prompts", "allowed_passthrough_routes"}) {
    writer.key(unset).null();
  }
  writer.end_object();
}

}  // namespace

Task<Result<Reply>> generate_key(const Context& context) {
  Result<KeyChange> change = read_key_change(context.request().body, KeyRoute::Generate);
  if (!change) co_return base::fail(std::move(change.error()));
  if (!change->key.empty()) {
    if (Status status = check_custom_secret(change->key, context.settings()); !status) {
      co_return base::fail(std::move(status.error()));
    }
  }
  const std::string secret = change->key.empty() ? make_secret() : change->key;
  KeyRow row;
  row.hash = base::sha256_hex(secret);
  row.key_name = key_name_of(secret);
  row.created_by = row.updated_by = author(context);
  row.created_us = row.updated_us = context.now_us;
  apply(*change, context.now_us, row);

  account::KeyStore& keys = *context.gateway.keys;
  if (Status free = co_await check_alias_free(keys, *change, row.hash); !free) {
    co_return base::fail(std::move(free.error()));
  }
  if (!change->key.empty()) {
    Result<std::optional<KeyRow>> same = co_await keys.find(row.hash);
    if (!same) co_return base::fail(std::move(same.error()));
    if (*same) co_return refuse_field("key", "This key exists already; choose another, or leave key out.");
  }
  Result<KeyRow> created = co_await keys.create(std::move(row));
  if (!created) co_return base::fail(std::move(created.error()));
  if (ledger::Ledger& ledger = *context.gateway.ledger; ledger.find_account(created->account_id)) {
    // Deleted before and made again: this process goes on with the old account.
    ledger.limit_changed(created->account_id, created->max_budget, created->account_version);
    ledger.spend_changed(created->account_id, created->spend, created->spend_edit, created->account_version);
  }
  base::log(base::LogLevel::Info, "key {} made by {}", created->hash, created->created_by);

  std::string body;
  json::Writer writer(body);
  write_generated(writer, *change, *created, secret);
  Reply reply = private_json_reply(std::move(body));
  tell_ignored(*change, reply);
  co_return reply;
}

Task<Result<Reply>> update_key(const Context& context) {
  Result<KeyChange> change = read_key_change(context.request().body, KeyRoute::Update);
  if (!change) co_return base::fail(std::move(change.error()));
  Result<std::string> hash = named_key(change->key);
  if (!hash) co_return base::fail(std::move(hash.error()));
  account::KeyStore& keys = *context.gateway.keys;
  if (Status free = co_await check_alias_free(keys, *change, *hash); !free)
    co_return base::fail(std::move(free.error()));

  // The edit is booked as a difference to what stands in the database: that has to be complete.
  if (change->spend) co_await context.gateway.ledger->shipped();
  const std::string by = author(context);
  const std::int64_t now_us = context.now_us;
  const KeyChange& asked = *change;
  std::function<Status(KeyRow&)> apply_all = [asked, by, now_us](KeyRow& row) -> Status {
    apply(asked, now_us, row);
    row.updated_by = by;
    row.updated_us = now_us;
    return {};
  };
  Result<KeyRow> row = co_await keys.update(*hash, std::move(apply_all));
  if (!row) co_return base::fail(row.error().kind == ErrorKind::NotFound ? key_not_found() : std::move(row.error()));
  tell_ledger(context, *change, *row);
  base::log(base::LogLevel::Info, "key {} changed by {}", row->hash, by);
  Reply reply = row_reply(context, *row);
  tell_ignored(*change, reply);
  co_return reply;
}

Task<Result<Reply>> block_key(const Context& context) {
  return set_blocked(context, true);
}
Task<Result<Reply>> unblock_key(const Context& context) {
  return set_blocked(context, false);
}

namespace {

struct Deletion {
  std::vector<std::string> references;  // As sent.
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
    if (deletion.references.size() == kDeletedAtOnceMax) {
      return refuse_field(field, field + " may hold at most " + std::to_string(kDeletedAtOnceMax) + " elements.");
    }
    deletion.references.push_back(std::move(*text));
  }
  return deletion;
}

}  // namespace

Task<Result<Reply>> delete_keys(const Context& context) {
  Result<Deletion> deletion = read_deletion(context.request().body);
  if (!deletion) co_return base::fail(std::move(deletion.error()));
  account::KeyStore& keys = *context.gateway.keys;
  std::vector<std::string> hashes;
  for (const std::string& reference : deletion->references) {
    if (!deletion->aliases) {
      Result<std::string> hash = named_key(reference);
      if (!hash) co_return refuse_field("keys", hash.error().message);
      hashes.push_back(std::move(*hash));
      continue;
    }
    Result<std::optional<KeyRow>> row = co_await keys.find_by_alias(reference);
    if (!row) co_return base::fail(std::move(row.error()));
    if (*row) hashes.push_back((*row)->hash);
  }
  Result<std::vector<KeyRow>> removed = std::vector<KeyRow>();
  if (!hashes.empty()) removed = co_await keys.remove(hashes, author(context));
  if (!removed) co_return base::fail(std::move(removed.error()));
  if (removed->empty()) {
    Error error = key_not_found();
    error.message = "No keys found: none of the keys sent exists.";
    error.param = deletion->aliases ? "key_aliases" : "keys";
    co_return base::fail(std::move(error));
  }
  std::vector<std::string> gone;
  for (const KeyRow& row : *removed) {
    context.gateway.ledger->account_closed(row.account_id, row.account_version);
    base::log(base::LogLevel::Info, "key {} deleted by {}", row.hash, author(context));
    gone.push_back(row.hash);
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("deleted_keys").raw(json::write_list(gone)).end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
