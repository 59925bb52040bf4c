#include <cstdlib>

#include "account/key_records.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/key_rules.h"
#include "api/records.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

using account::KeyRow;

/// How long the old secret works on: what the body says, else LITELLM_KEY_ROTATION_GRACE_PERIOD, else not at all.
std::int64_t grace_seconds(const KeyChange& change) {
  if (change.grace_seconds) return *change.grace_seconds;
  const char* const text = std::getenv("LITELLM_KEY_ROTATION_GRACE_PERIOD");
  return text == nullptr ? 0 : base::parse_duration_seconds(text).value_or(0);
}

/// Which key: of the path, else of the body, else the one that calls.
Result<std::string> reference_of(const Context& context, const KeyChange& change) {
  if (!context.captured.empty()) return named_key(context.captured);
  if (!change.key.empty()) return named_key(change.key);
  return named_key(context.caller->key_hash_hex);
}

struct Rotation {
  std::string hash, secret;
  KeyChange change;
  std::int64_t grace_seconds = 0;
};

Result<Rotation> read_rotation(const Context& context) {
  Result<KeyChange> change = read_key_change(context.request().body, KeyRoute::Regenerate);
  if (!change) return base::fail(std::move(change.error()));
  if (!change->new_master_key.empty()) {
    return refuse_field(
        "new_master_key",
        "The master key is changed where it is configured, not by this route. What is sealed with it (models and "
        "credentials of the database, where there is no LITELLM_SALT_KEY) is sealed anew by `turnpike "
        "rotate-salt-key`.");
  }
  if (Status held = hold_to_ceilings(*change, KeyRoute::Regenerate, context.settings().litellm.keys); !held)
    return base::fail(std::move(held.error()));
  Result<std::string> hash = reference_of(context, *change);
  if (!hash) return base::fail(std::move(hash.error()));
  if (!change->new_key.empty()) {
    if (Status good = check_custom_secret("new_key", change->new_key, context.settings()); !good)
      return base::fail(std::move(good.error()));
  }
  Rotation rotation;
  rotation.hash = std::move(*hash);
  rotation.secret = change->new_key.empty() ? make_secret() : change->new_key;
  rotation.grace_seconds = grace_seconds(*change);
  rotation.change = std::move(*change);
  return rotation;
}

Result<ShownKey> rotate(account::Records& records, const Context& context, const Rotation& rotation) {
  Result<std::optional<KeyRow>> found = account::find_key(records.transaction(), rotation.hash);
  if (!found) return base::fail(std::move(found.error()));
  if (!*found) return base::fail(key_not_found(context, rotation.hash));
  const KeyRow& before = **found;
  KeyRow after = before;
  apply_key_change(rotation.change, context.now_us, after);
  after.hash = base::sha256_hex(rotation.secret);
  after.key_name = key_name_of(rotation.secret);
  if (Status may = may_change_key(records, context, rotation.change, before, after, "/key/regenerate"); !may)
    return base::fail(std::move(may.error()));
  const std::optional<std::int64_t> old_until =
      rotation.grace_seconds > 0 ? std::optional(context.now_us + rotation.grace_seconds * base::kSecondUs)
                                 : std::nullopt;
  Result<KeyRow> rotated = account::rotate_key(records, before, std::move(after), old_until);
  if (!rotated) return base::fail(std::move(rotated.error()));
  return show_key(records, std::move(*rotated));
}

}  // namespace

/// The same key under another secret: account, spend and alias stay.
Task<Result<Reply>> regenerate_key(const Context& context) {
  Result<Rotation> rotation = read_rotation(context);
  if (!rotation) co_return base::fail(std::move(rotation.error()));
  if (rotation->change.spend) co_await context.gateway.ledger->shipped();
  const auto rotated = std::make_shared<ShownKey>();
  const Rotation& asked = *rotation;
  std::function<Status(account::Records&)> work = [&context, &asked, rotated](account::Records& records) -> Status {
    Result<ShownKey> key = rotate(records, context, asked);
    if (!key) return base::fail(std::move(key.error()));
    *rotated = std::move(*key);
    return {};
  };
  if (Status done = co_await in_records(context, std::move(work)); !done) co_return base::fail(std::move(done.error()));
  base::log(base::LogLevel::Info, "key {} rotated to {} by {}", asked.hash, rotated->row.hash, rotated->row.updated_by);
  Reply reply = secret_reply(asked.change, *rotated, asked.secret);
  tell_fields(asked.change, reply);
  co_return reply;
}

/// A key has no logging callbacks of its own in this version; what is left to say is that it works.
Task<Result<Reply>> key_health(const Context&) {
  co_return private_json_reply(R"({"key":"healthy","logging_callbacks":null})");
}

}  // namespace turnpike::api
