#include "api/key_json.h"

#include <algorithm>
#include <array>

#include "account/tables.h"
#include "api/team_json.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/text.h"
#include "http/message.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::api {
namespace {

constexpr std::size_t kSecretBytes = 16;
constexpr std::size_t kSecretCharactersMax = 256;

void raw_or_null(json::Writer& writer, std::string_view name, const std::string& raw) {
  writer.key(name);
  if (raw.empty()) {
    writer.null();
  } else {
    writer.raw(raw);
  }
}

/// LiteLLM keeps these in the metadata and shows them beside it where a key is made.
void write_metadata_fields(json::Writer& writer, const std::string& metadata_json) {
  json::Document metadata;
  const bool readable = metadata.parse(metadata_json).has_value();
  for (const std::string_view name :
       {"tags", "enforced_params", "allowed_ips", "guardrails", "prompts", "model_rpm_limit", "model_tpm_limit",
        "rpm_limit_type", "tpm_limit_type", "allowed_passthrough_routes"}) {
    const json::Value value = readable ? metadata.root().find(name) : json::Value();
    raw_or_null(writer, name, value ? std::string(value.raw()) : std::string());
  }
}

}  // namespace

std::string key_name_of(std::string_view secret) {
  return "sk-..." + std::string(secret.size() > 4 ? secret.substr(secret.size() - 4) : std::string_view());
}

std::string make_secret() {
  std::array<std::uint8_t, kSecretBytes> random{};
  base::fill_random(random.data(), random.size());
  return "sk-" + base::to_base64url(random);
}

Status check_custom_secret(std::string_view field, const std::string& secret, const config::Settings& settings) {
  if (!secret.starts_with("sk-")) {
    const std::string masked = base::Secret(secret).masked();
    return refuse_field(field, "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: " + masked);
  }
  const bool plain = std::ranges::all_of(secret, [](char c) { return c > ' ' && c < '\x7f'; });
  if (secret.size() == 3 || secret.size() > kSecretCharactersMax || !plain) {
    return refuse_field(
        field, std::string(field) + " must be 4 to 256 visible ASCII characters; leave it out to have one made.");
  }
  if (settings.general.master_key.equals(secret))
    return refuse_field(field, "This key is in use already; choose another.");
  return {};
}

std::string hash_of_reference(std::string_view reference) {
  if (reference.starts_with("sk-")) return base::sha256_hex(reference);
  if (reference.size() != 64) return {};
  for (const char c : reference) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return {};
  }
  return std::string(reference);
}

Result<std::string> named_key(std::string_view reference) {
  if (reference.empty()) return refuse_field("key", "key is missing: send the key (\"sk-...\") or its hash.");
  std::string hash = hash_of_reference(reference);
  if (hash.empty()) return refuse_field("key", "key must be a key (\"sk-...\") or its hash (64 hexadecimal digits).");
  return hash;
}

Error key_not_found(const Context& context, std::string_view hash) {
  Error error;
  error.kind = ErrorKind::NotFound;
  error.param = "key";
  error.message = context.snapshot->compat == protocol::Compat::V1_81
                      ? "Team not found, passed team_id=" + std::string(hash)
                      : "Key not found in database";
  return error;
}

account::KeySpend live_spend(const ledger::Ledger& ledger, const account::KeyRow& row) {
  account::KeySpend spend = account::spend_of(row);
  spend.money = live_spend(ledger, row.account_id, row.spend);
  if (row.tokens) spend.tokens = live_spend(ledger, row.tokens->account_id, row.tokens->spent).nano();
  return spend;
}

Result<ShownKey> show_key(account::Records& records, account::KeyRow row, bool with_user) {
  ShownKey shown;
  if (row.budget_id) {
    Result<std::optional<account::Record>> budget = records.find(account::kBudgets, *row.budget_id);
    if (!budget) return base::fail(std::move(budget.error()));
    shown.budget = std::move(*budget);
  }
  if (with_user && row.user_id) {
    Result<std::optional<account::Record>> user = records.find(account::kUsers, *row.user_id);
    if (!user) return base::fail(std::move(user.error()));
    shown.user = std::move(*user);
  }
  shown.row = std::move(row);
  return shown;
}

void write_key(json::Writer& writer, const ShownKey& key, account::KeySpend spend, bool with_token) {
  account::write_key_row(writer, key.row, spend, with_token);
  writer.key("litellm_budget_table");
  if (key.budget) {
    writer.begin_object();
    account::write_record(writer, *key.budget);
    writer.end_object();
  } else {
    writer.null();
  }
  if (!key.user) return;
  constexpr std::string_view kHidden[] = {"password"};
  writer.key("user").begin_object();
  account::write_record(writer, *key.user, kHidden);
  writer.end_object();
}

Reply key_reply(const Context& context, const ShownKey& key, const std::string& as_sent) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("key").string(as_sent);
  write_key(writer, key, live_spend(*context.gateway.ledger, key.row), true);
  writer.end_object();
  return private_json_reply(std::move(body));
}

Reply secret_reply(const KeyChange& change, const ShownKey& key, const std::string& secret) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  writer.key("key").string(secret);
  writer.key("token_id").string(key.row.hash);
  write_key(writer, key, account::spend_of(key.row), true);
  raw_or_null(writer, "duration", change.life ? json::quoted(change.life->text) : std::string());
  writer.key("key_type").string(change.key_type.value_or("default"));
  write_metadata_fields(writer, key.row.metadata_json);
  writer.end_object();
  return private_json_reply(std::move(body));
}

void tell_fields(const KeyChange& change, Reply& reply) {
  if (!change.ignored.empty())
    http::add_field(reply.fields, "x-turnpike-ignored-fields", ignored_fields_value(change.ignored));
  if (!change.unenforced.empty())
    http::add_field(reply.fields, "x-turnpike-unenforced-fields", ignored_fields_value(change.unenforced));
}

}  // namespace turnpike::api
