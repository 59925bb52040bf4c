#include "api/key_fields.h"

#include <algorithm>
#include <utility>

#include "account/key_routing.h"
#include "api/reply.h"
#include "base/text.h"
#include "json/document.h"
#include "json/write.h"
#include "protocol/field_readers.h"

namespace turnpike::api {
namespace {

constexpr std::size_t kTextBytesMax = 1024;  // Aliases, ids, names of models and tags.
constexpr std::size_t kListMax = 10'000;
constexpr std::size_t kMembersMax = 200;  // Of the body; LiteLLM knows about fifty.
constexpr std::size_t kIgnoredBytesMax = 512;

constexpr std::string_view kLimits = "Limits of keys are not enforced by this version: leave the field out.";
constexpr std::string_view kRoutes = "Keys cannot be confined to routes by this version: leave the field out.";
constexpr std::string_view kPolicies =
    "Policies and guardrails of keys are not enforced by this version: leave the field out.";
constexpr std::string_view kReset =
    "Budgets of keys do not reset in this version: leave the field out, max_budget holds for the life of the key.";

constexpr KeyField kFields[] = {
    {"key", FieldRule::Stored, ""},
    {"key_alias", FieldRule::Stored, ""},
    {"duration", FieldRule::Stored, ""},
    {"models", FieldRule::Stored, ""},
    {"aliases", FieldRule::Stored, ""},
    {"config", FieldRule::Stored, ""},
    {"spend", FieldRule::Stored, ""},
    {"max_budget", FieldRule::Stored, ""},
    {"user_id", FieldRule::Stored, ""},
    {"team_id", FieldRule::Stored, ""},
    {"organization_id", FieldRule::Stored, ""},
    {"metadata", FieldRule::Stored, ""},
    {"tags", FieldRule::Stored, ""},
    {"blocked", FieldRule::Stored, ""},
    {"router_settings", FieldRule::Stored, ""},

    {"expires", FieldRule::Refused, "Say how long the key lives with duration (\"30d\")."},
    {"soft_budget", FieldRule::Refused, "It would raise no alert in this version: leave it out, or set max_budget."},
    {"budget_duration", FieldRule::Refused, kReset},
    {"budget_reset_at", FieldRule::Refused, kReset},
    {"budget_id", FieldRule::Refused, "There are no shared budgets in this version: set max_budget."},
    {"model_max_budget", FieldRule::Refused,
     "Budgets per model are not enforced by this version: use one key per model with max_budget."},
    {"temp_budget_increase", FieldRule::Refused, "Raise max_budget with /key/update instead."},
    {"temp_budget_expiry", FieldRule::Refused, "Raise max_budget with /key/update instead."},
    {"tpm_limit", FieldRule::Refused, kLimits},
    {"rpm_limit", FieldRule::Refused, kLimits},
    {"max_parallel_requests", FieldRule::Refused, kLimits},
    {"model_rpm_limit", FieldRule::Refused, kLimits},
    {"model_tpm_limit", FieldRule::Refused, kLimits},
    {"rpm_limit_type", FieldRule::Refused, kLimits},
    {"tpm_limit_type", FieldRule::Refused, kLimits},
    {"guardrails", FieldRule::Refused, kPolicies},
    {"policies", FieldRule::Refused, kPolicies},
    {"disable_global_guardrails", FieldRule::Refused, kPolicies},
    {"enforced_params", FieldRule::Refused,
     "Required request parameters are not checked by this version: leave the field out."},
    {"permissions", FieldRule::Refused, "Permissions of keys are not enforced by this version: leave the field out."},
    {"object_permission", FieldRule::Refused,
     "Permissions of keys are not enforced by this version: leave the field out."},
    {"allowed_cache_controls", FieldRule::Refused, "There is no cache in this version: leave the field out."},
    {"allowed_routes", FieldRule::Refused, kRoutes},
    {"key_type", FieldRule::Refused, "Only \"default\" keys exist in this version."},
    {"allowed_passthrough_routes", FieldRule::Refused, kRoutes},
    {"allowed_vector_store_indexes", FieldRule::Refused, kRoutes},
    {"access_group_ids", FieldRule::Refused, "List the models in `models` instead."},
    {"auto_rotate", FieldRule::Refused, "Keys are not rotated by this version: leave the field out and set duration."},
    {"rotation_interval", FieldRule::Refused,
     "Keys are not rotated by this version: leave the field out and set duration."},

    {"prompts", FieldRule::NoEffect, ""},
    {"send_invite_email", FieldRule::NoEffect, ""},
};

constexpr KeyField kMetadataFields[] = {
    {"model_rpm_limit", FieldRule::Refused, kLimits},
    {"model_tpm_limit", FieldRule::Refused, kLimits},
    {"rpm_limit_type", FieldRule::Refused, kLimits},
    {"tpm_limit_type", FieldRule::Refused, kLimits},
    {"enforced_params", FieldRule::Refused,
     "Required request parameters are not checked by this version: leave the field out."},
    {"temp_budget_increase", FieldRule::Refused, "Raise max_budget with /key/update instead."},
    {"temp_budget_expiry", FieldRule::Refused, "Raise max_budget with /key/update instead."},
    {"guardrails", FieldRule::Refused, kPolicies},
    {"policies", FieldRule::Refused, kPolicies},
    {"disable_global_guardrails", FieldRule::Refused, kPolicies},
    {"allowed_passthrough_routes", FieldRule::Refused, kRoutes},
    {"allowed_vector_store_indexes", FieldRule::Refused, kRoutes},
};

std::string_view kind_name(json::Kind kind) {
  switch (kind) {
    case json::Kind::Null:
      return "null";
    case json::Kind::Bool:
      return "a boolean";
    case json::Kind::Number:
      return "a number";
    case json::Kind::String:
      return "a string";
    case json::Kind::Array:
      return "a list";
    case json::Kind::Object:
      return "an object";
  }
  return "something else";
}

/// A member of the body on its way into a KeyChange.
struct Field {
  std::string_view name;
  json::Value value;

  bool is_null() const { return value.is(json::Kind::Null); }
  tl::unexpected<Error> wrong_type(std::string_view wanted, std::string_view example) const {
    return refuse_field(name, std::string(name) + " must be " + std::string(wanted) + ", got " +
                                  std::string(kind_name(value.kind())) + ". Example: " + std::string(example) + ".");
  }
  tl::unexpected<Error> refuse(std::string_view why) const {
    return refuse_field(name, std::string(name) + " " + std::string(why));
  }
};

bool asks_nothing(const Field& field) {
  return protocol::asks_for_nothing(field.value) || (field.name == "key_type" && field.value.inner() == "default");
}

Result<std::string> read_text(const Field& field) {
  if (!field.value.is(json::Kind::String))
    return field.wrong_type("a string", "\"" + std::string(field.name) + "\": \"app-1\"");
  std::optional<std::string> text = field.value.text();
  if (!text) return field.refuse("holds a broken escape.");
  if (text->size() > kTextBytesMax)
    return field.refuse("may hold at most " + std::to_string(kTextBytesMax) + " bytes.");
  if (text->find('\0') != std::string::npos) return field.refuse("must not hold a NUL character.");
  return std::move(*text);
}

Status read_patch(const Field& field, Patch<std::string>& out) {
  out.present = true;
  if (field.is_null()) return {};
  Result<std::string> text = read_text(field);
  if (!text) return base::fail(std::move(text.error()));
  if (text->empty()) return field.refuse("must not be empty; send null or leave it out.");
  out.value = std::move(*text);
  return {};
}

Status read_texts(const Field& field, std::optional<std::vector<std::string>>& out) {
  if (field.is_null()) return {};
  const std::string example = "\"" + std::string(field.name) + "\": [\"a\", \"b\"]";
  if (!field.value.is(json::Kind::Array)) return field.wrong_type("a list of strings", example);
  std::vector<std::string> texts;
  for (const json::Value element : field.value.elements()) {
    if (!element.is(json::Kind::String)) return Field{field.name, element}.wrong_type("a list of strings", example);
    Result<std::string> text = read_text({field.name, element});
    if (!text) return base::fail(std::move(text.error()));
    if (text->empty()) return field.refuse("must not hold an empty string.");
    if (texts.size() == kListMax) return field.refuse("may hold at most " + std::to_string(kListMax) + " elements.");
    texts.push_back(std::move(*text));
  }
  out = std::move(texts);
  return {};
}

Result<Money> read_money(const Field& field) {
  if (!field.value.is(json::Kind::Number))
    return field.wrong_type("a number of US dollars", "\"" + std::string(field.name) + "\": 5.5");
  Result<Money> money = Money::parse(field.value.raw());
  if (!money) return field.refuse("is not an amount this gateway can hold (at most 9,200,000,000 dollars).");
  if (*money < Money()) return field.refuse("cannot be negative. Received: " + std::string(field.value.raw()) + ".");
  return *money;
}

Status read_object(const Field& field, std::optional<std::string>& out) {
  if (field.is_null()) return {};
  if (!field.value.is(json::Kind::Object))
    return field.wrong_type("an object", "\"" + std::string(field.name) + "\": {\"name\": \"value\"}");
  out = std::string(field.value.raw());
  return {};
}

Status read_aliases(const Field& field, std::optional<std::string>& out) {
  if (Status status = read_object(field, out); !status || field.is_null()) return status;
  for (const auto& [key, value] : field.value.members()) {
    if (!value.is(json::Kind::String)) {
      return Field{field.name, value}.wrong_type("an object of request model to real model",
                                                 "\"aliases\": {\"gpt\": \"gpt-4o\"}");
    }
  }
  return {};
}

Status refuse_protecting(const Field& field, std::string_view shown, std::string_view note) {
  if (asks_nothing(field)) return {};
  return refuse_field(
      shown, std::string(shown) +
                 " is not enforced by this version of Turnpike, so it is refused rather than stored and ignored. " +
                 std::string(note));
}

/// Stored as it is written: whoever reads the key reads it by the same rules.
Status read_router_settings(const Field& field, std::optional<std::string>& out) {
  if (Status status = read_object(field, out); !status || field.is_null()) return status;
  if (Result<domain::KeyRouting> routing = account::parse_key_routing(*out); !routing)
    return base::fail(std::move(routing.error()));
  return {};
}

Status read_metadata(const Field& field, std::optional<std::string>& out) {
  if (Status status = read_object(field, out); !status || field.is_null()) return status;
  std::optional<std::vector<std::string>> tags;
  for (const auto& [key, value] : field.value.members()) {
    const std::optional<std::string> name = key.text();
    if (!name) return field.refuse("holds a name with a broken escape.");
    if (*name == "tags") {
      if (Status status = read_texts({"metadata.tags", value}, tags); !status) return status;
    }
    if (*name == "disable_fallbacks" && !value.is(json::Kind::Null) && !value.boolean()) {
      return Field{"metadata.disable_fallbacks", value}.wrong_type("true or false", "\"disable_fallbacks\": true");
    }
    for (const KeyField& known : kMetadataFields) {
      if (known.name != *name) continue;
      const std::string shown = "metadata." + *name;
      if (Status status = refuse_protecting({known.name, value}, shown, known.note); !status) return status;
    }
  }
  return {};
}

Status read_life(const Field& field, KeyRoute route, std::optional<KeyChange::Life>& out) {
  if (field.is_null()) return {};
  constexpr std::string_view kExample = "\"duration\": \"30d\" (s, m, h, d, w, mo)";
  constexpr std::int64_t kSecondsMax = 100LL * 366 * 24 * 3600;
  Result<std::string> text = read_text(field);
  if (!text) return field.wrong_type("a string", kExample);
  if (text->empty()) return {};
  KeyChange::Life life;
  life.text = *text;
  if (*text == "-1" && route == KeyRoute::Update) {
    life.never = true;
  } else {
    const std::optional<std::int64_t> seconds = base::parse_duration_seconds(*text);
    if (!seconds || *seconds <= 0 || *seconds > kSecondsMax) {
      return field.refuse("is not a duration. Write a number and a unit: " + std::string(kExample) +
                          (route == KeyRoute::Update ? ", or \"-1\" for a key that never expires." : "."));
    }
    life.seconds = *seconds;
  }
  out = std::move(life);
  return {};
}

Status read_models(const Field& field, KeyChange& change) {
  if (Status status = read_texts(field, change.models); !status) return status;
  if (change.models && std::ranges::find(*change.models, "all-team-models") != change.models->end()) {
    return field.refuse("holds all-team-models, but teams have no model list in this version: name the models.");
  }
  return {};
}

Status read_max_budget(const Field& field, KeyChange& change) {
  change.max_budget.present = true;
  if (field.is_null()) return {};
  Result<Money> money = read_money(field);
  if (!money) return base::fail(std::move(money.error()));
  change.max_budget.value = *money;
  return {};
}

Status read_spend(const Field& field, KeyChange& change) {
  if (field.is_null()) return {};
  Result<Money> money = read_money(field);
  if (!money) return base::fail(std::move(money.error()));
  change.spend = *money;
  return {};
}

Status read_blocked(const Field& field, KeyChange& change) {
  if (field.is_null()) return {};
  change.blocked = field.value.boolean();
  if (!change.blocked) return field.wrong_type("true or false", "\"blocked\": false");
  return {};
}

Status read_key(const Field& field, KeyChange& change) {
  if (field.is_null()) return {};
  Result<std::string> text = read_text(field);
  if (!text) return base::fail(std::move(text.error()));
  change.key = std::move(*text);
  return {};
}

Status read_stored(const Field& field, KeyRoute route, KeyChange& change) {
  const std::string_view name = field.name;
  if (name == "key") return read_key(field, change);
  if (name == "key_alias") return read_patch(field, change.key_alias);
  if (name == "user_id") return read_patch(field, change.user_id);
  if (name == "team_id") return read_patch(field, change.team_id);
  if (name == "organization_id") return read_patch(field, change.organization_id);
  if (name == "models") return read_models(field, change);
  if (name == "tags") return read_texts(field, change.tags);
  if (name == "aliases") return read_aliases(field, change.aliases_json);
  if (name == "config") return read_object(field, change.config_json);
  if (name == "metadata") return read_metadata(field, change.metadata_json);
  if (name == "router_settings") return read_router_settings(field, change.router_settings_json);
  if (name == "max_budget") return read_max_budget(field, change);
  if (name == "spend") return read_spend(field, change);
  if (name == "blocked") return read_blocked(field, change);
  return read_life(field, route, change.life);
}

}  // namespace

std::span<const KeyField> key_fields() {
  return kFields;
}
std::span<const KeyField> key_metadata_fields() {
  return kMetadataFields;
}

Result<KeyChange> read_key_change(std::string_view body, KeyRoute route) {
  KeyChange change;
  if (base::trim(body).empty()) return change;
  json::Document document;
  if (Status status = document.parse(body); !status) return base::fail(std::move(status.error()));
  const json::Value root = document.root();
  if (!root.is(json::Kind::Object)) return base::fail(ErrorKind::InvalidRequest, "The body must be a JSON object.");
  std::vector<std::string> seen;
  for (const auto& [key, value] : root.members()) {
    std::optional<std::string> name = key.text();
    if (!name) return base::fail(ErrorKind::InvalidRequest, "The body holds a name with a broken escape.");
    if (std::ranges::find(seen, *name) != seen.end()) return refuse_field(*name, *name + " stands in the body twice.");
    if (seen.size() == kMembersMax) {
      return base::fail(ErrorKind::InvalidRequest,
                        "The body holds more than " + std::to_string(kMembersMax) + " fields.");
    }
    const Field field{*name, value};
    const KeyField* known = std::ranges::find(kFields, *name, &KeyField::name);
    const bool is_known = known != std::ranges::end(kFields);
    if (!is_known || known->rule == FieldRule::NoEffect) {
      if (!asks_nothing(field)) change.ignored.push_back(*name);
    } else if (known->rule == FieldRule::Refused) {
      if (Status status = refuse_protecting(field, *name, known->note); !status)
        return base::fail(std::move(status.error()));
    } else if (Status status = read_stored(field, route, change); !status) {
      return base::fail(std::move(status.error()));
    }
    seen.push_back(std::move(*name));
  }
  return change;
}

std::string ignored_fields_value(const std::vector<std::string>& names) {
  std::string value;
  for (const std::string& name : names) {
    const bool plain = std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f' && c != ','; });
    if (value.size() + name.size() > kIgnoredBytesMax) return value + ", ...";
    if (!value.empty()) value += ", ";
    value += plain ? name : "?";
  }
  return value;
}

std::string set_member(std::string_view object, std::string_view name, std::string_view raw) {
  std::string out;
  json::Document document;
  const bool readable = document.parse(object).has_value() && document.root().is(json::Kind::Object);
  json::Writer writer(out);
  writer.begin_object();
  if (readable) {
    for (const auto& [key, value] : document.root().members()) {
      const std::string known = key.text().value_or("");
      if (known != name) writer.key(known).raw(value.raw());
    }
  }
  writer.key(name).raw(raw).end_object();
  return out;
}

}  // namespace turnpike::api
