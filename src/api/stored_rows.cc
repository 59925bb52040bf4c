#include "api/stored_rows.h"

#include "api/key_fields.h"
#include "json/write.h"

namespace turnpike::api {

account::Sealer sealer_of(const Context& context) {
  return account::make_sealer(config::process_environment()("LITELLM_SALT_KEY"), context.settings().general.master_key);
}

Status may_store(const Context& context) {
  if (!context.settings().general.store_model_in_db || !context.hooks.check_stored) {
    Error error;
    error.kind = ErrorKind::Internal;
    error.type = "internal_server_error";
    error.message =
        "Models and credentials are not kept in the database: set general_settings.store_model_in_db: true, or "
        "STORE_MODEL_IN_DB=True in the environment.";
    return base::fail(std::move(error));
  }
  if (sealer_of(context).ready()) return {};
  return base::fail(ErrorKind::Unavailable,
                    "Secrets are kept encrypted, and there is no key for that: set LITELLM_SALT_KEY or a master key.");
}

Task<Result<Reply>> in_force(const Context& context, Task<Result<Reply>> reply) {
  Result<Reply> done = co_await std::move(reply);
  if (!done) co_return done;
  if (Status changed = co_await context.hooks.stored_changed(context.exchange.thread()); !changed) {
    co_return base::fail(std::move(changed.error()));
  }
  co_return done;
}

std::string merged_object(std::string_view old_json, const json::Value& sent) {
  std::string merged(old_json);
  for (const json::Value::Pair member : sent.members()) {
    const std::string name = member.key.text().value_or(std::string());
    merged = set_member(merged, name, json::compact(member.value.raw()));
  }
  json::Document document;
  if (!document.parse(merged)) return std::string(old_json);
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const json::Value::Pair member : document.root().members()) {
    if (member.value.is(json::Kind::Null)) continue;
    writer.key(member.key.text().value_or(std::string())).raw(member.value.raw());
  }
  writer.end_object();
  return out;
}

}  // namespace turnpike::api
