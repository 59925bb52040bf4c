#include <fmt/format.h>

#include <algorithm>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_fields.h"
#include "api/records.h"
#include "api/reply.h"
#include "api/team_fields.h"
#include "api/team_json.h"
#include "json/lists.h"

namespace turnpike::api {
namespace {

using account::Record;
using account::Records;

/// What a team may open to its plain members; routes as LiteLLM spells them.
constexpr std::string_view kPermissions[] = {"/key/generate",
                                             "/key/update",
                                             "/key/delete",
                                             "/key/regenerate",
                                             "/key/service-account/generate",
                                             "/key/{key_id}/regenerate",
                                             "/key/{key_id}/reset_spend",
                                             "/key/block",
                                             "/key/unblock",
                                             "/key/bulk_update",
                                             "/key/list",
                                             "/key/info",
                                             "/key/health",
                                             "/team/daily/activity"};
constexpr std::string_view kDefaultPermissions = R"(["/key/info","/key/health"])";

/// A team the caller manages, by the id that was sent.
Result<Record> managed_team(const Context& context, Records& records, const std::string& team_id) {
  Result<Record> team = get_team(records, team_id);
  if (!team) return team;
  if (Status may = may_manage_team(records, *context.caller, *team); !may) return base::fail(std::move(may.error()));
  return team;
}

Result<Reply> show_permissions(const Context& context, Records& records) {
  const std::string team_id = context.request().query_value("team_id");
  if (team_id.empty()) return refuse_field("team_id", "Say which team: /team/permissions_list?team_id=...");
  const Result<Record> team = get_team(records, team_id);
  if (!team) return base::fail(team.error());
  if (!sees_everything(*context.caller)) {
    if (Status may = may_manage_team(records, *context.caller, *team); !may) return base::fail(std::move(may.error()));
  }
  const std::string granted = team->text("team_member_permissions");
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("team_id").string(team_id).key("team_member_permissions");
  writer.raw(granted == "[]" ? kDefaultPermissions : std::string_view(granted));
  writer.key("all_available_permissions").begin_array();
  for (const std::string_view permission : kPermissions) writer.string(permission);
  writer.end_array().end_object();
  return private_json_reply(std::move(text));
}

Result<Reply> change_permissions(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const Result<std::string> team_id = needed_text(document.root(), "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<std::optional<std::vector<std::string>>> granted =
      list_member(document.root(), "team_member_permissions");
  if (!granted) return base::fail(granted.error());
  if (!*granted) return refuse_field("team_member_permissions", "team_member_permissions is missing.");
  if (Status known = check_member_permissions(**granted); !known) return base::fail(std::move(known.error()));
  const Result<Record> before = managed_team(context, records, *team_id);
  if (!before) return base::fail(before.error());
  Record after = *before;
  after.set_list("team_member_permissions", **granted);
  Result<Record> written = records.update(*before, std::move(after));
  if (!written) return base::fail(std::move(written.error()));
  const Result<account::Roster> roster = account::roster_of(records, std::move(*written));
  if (!roster) return base::fail(roster.error());
  return private_json_reply(team_json(*roster, *context.gateway.ledger));
}

/// Callbacks as /team/{team_id}/callback answers them; what the team's metadata says of them.
void write_callbacks(json::Writer& writer, const Record& team) {
  const std::string text = team.text("metadata");
  json::Document metadata;
  const bool readable = metadata.parse(text).has_value();
  const json::Value settings = readable ? metadata.root().find("callback_settings") : json::Value();
  const auto raw = [&settings](std::string_view name, std::string_view fallback) {
    const json::Value value = settings ? settings.find(name) : json::Value();
    return std::string(value ? value.raw() : fallback);
  };
  writer.begin_object().key("team_id").string(team.key());
  writer.key("success_callbacks").raw(raw("success_callback", "[]"));
  writer.key("failure_callbacks").raw(raw("failure_callback", "[]"));
  writer.key("callback_vars").raw(raw("callback_vars", "{}")).end_object();
}

Reply callbacks_reply(const Record& team, std::string_view message) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("status").string("success");
  if (!message.empty()) writer.key("message").string(message);
  writer.key("data");
  write_callbacks(writer, team);
  writer.end_object();
  return private_json_reply(std::move(text));
}

Result<Reply> show_callbacks(const Context& context, Records& records) {
  const Result<Record> team = managed_team(context, records, context.captured);
  if (!team) return base::fail(team.error());
  return callbacks_reply(*team, {});
}

/// A log that is promised and not written would be missed too late.
Result<Reply> refuse_callback(const Context& context, Records& records) {
  const Result<Record> team = managed_team(context, records, context.captured);
  if (!team) return base::fail(team.error());
  return refuse_field("callback_name",
                      "Calls of a team cannot be sent to log callbacks by this version of Turnpike, so a callback is "
                      "refused rather than stored and never called.");
}

Result<Reply> switch_logging_off(const Context& context, Records& records) {
  const Result<Record> before = managed_team(context, records, context.captured);
  if (!before) return base::fail(before.error());
  Record after = *before;
  constexpr std::string_view kNone = R"({"success_callback":[],"failure_callback":[],"callback_vars":{}})";
  after.set("metadata", db::Value(set_member(before->text("metadata"), "callback_settings", kNone)));
  const Result<Record> written = records.update(*before, std::move(after));
  if (!written) return base::fail(written.error());
  return callbacks_reply(*written, "Logging disabled for team " + written->key());
}

}  // namespace

Status check_member_permissions(const std::vector<std::string>& permissions) {
  for (const std::string& permission : permissions) {
    if (std::ranges::find(kPermissions, permission) != std::end(kPermissions)) continue;
    return refuse_field("team_member_permissions",
                        fmt::format("{} cannot be given to members of a team. There are: {}.", permission,
                                    fmt::join(kPermissions, ", ")));
  }
  return {};
}

Task<Result<Reply>> list_team_permissions(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return show_permissions(context, records);
  };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> update_team_permissions(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return change_permissions(context, records);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> show_team_callbacks(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return show_callbacks(context, records);
  };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> add_team_callback(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return refuse_callback(context, records);
  };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> disable_team_logging(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return switch_logging_off(context, records);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

}  // namespace turnpike::api
