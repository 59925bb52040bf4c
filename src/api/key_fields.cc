#include "api/key_fields.h"

#include <algorithm>
#include <utility>

#include "account/key_routing.h"
#include "account/model_budgets.h"
#include "api/reply.h"
#include "api/shares.h"
#include "base/text.h"
#include "config/budget_settings.h"
#include "domain/ip_range.h"
#include "json/document.h"
#include "json/lists.h"
#include "json/write.h"
#include "protocol/field_readers.h"

namespace turnpike::api {
namespace {

constexpr std::size_t kTextBytesMax = 1024;  // Aliases, ids, names of models and tags.
constexpr std::size_t kListMax = 10'000;
constexpr std::size_t kMembersMax = 200;  // Of the body; LiteLLM knows about fifty.
constexpr std::size_t kIgnoredBytesMax = 512;

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
  return protocol::asks_for_nothing(field.value);
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

/// Addresses and ranges of them: "10.1.2.3", "10.0.0.0/8".
Status read_ranges(const Field& field, std::optional<std::vector<std::string>>& out) {
  if (Status status = read_texts(field, out); !status || !out) return status;
  for (const std::string& range : *out) {
    if (!domain::parse_ip_range(range))
      return field.refuse("holds \"" + range + "\", which is no address and no range like 10.0.0.0/8.");
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

Result<std::int64_t> read_whole(const Field& field) {
  const std::optional<std::uint64_t> whole = field.value.whole();
  if (!whole) return field.wrong_type("a whole number from 0 on", "\"" + std::string(field.name) + "\": 60");
  return static_cast<std::int64_t>(*whole);
}

Status read_limit(const Field& field, Patch<std::int64_t>& out) {
  out.present = true;
  if (field.is_null()) return {};
  const Result<std::int64_t> limit = read_whole(field);
  if (!limit) return base::fail(limit.error());
  out.value = *limit;
  return {};
}

Status read_token_budget(const Field& field, Patch<std::int64_t>& out) {
  if (Status status = read_limit(field, out); !status) return status;
  if (out.value && (*out.value < 0 || *out.value > config::kTokenBudgetMax))
    return field.refuse("may be at most 1,000,000,000,000,000 tokens.");
  return {};
}

/// Limits by model: {"gpt-4o": 10}. Null clears them.
Status read_model_limits(const Field& field, KeyRoute route, std::optional<std::string>& out) {
  if (field.is_null() && route == KeyRoute::Update) out = "{}";
  if (Status status = read_object(field, out); !status || field.is_null()) return status;
  for (const auto& [key, value] : field.value.members()) {
    if (const Result<std::int64_t> limit = read_whole({field.name, value}); !limit) return base::fail(limit.error());
  }
  return {};
}

/// Null clears it.
Status read_limit_type(const Field& field, KeyRoute route, std::optional<std::string>& out) {
  if (Status known = check_limit_type(field.name, field.value); !known) return known;
  if (!field.is_null() || route == KeyRoute::Update) out = std::string(field.value.raw());
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
    if (*name == "enforced_params") {
      std::optional<std::vector<std::string>> params;
      if (Status status = read_texts({"metadata.enforced_params", value}, params); !status) return status;
    }
    if (*name == "allowed_ips") {
      std::optional<std::vector<std::string>> ranges;
      if (Status status = read_ranges({"metadata.allowed_ips", value}, ranges); !status) return status;
    }
    if (*name == "disable_fallbacks" && !value.is(json::Kind::Null) && !value.boolean()) {
      return Field{"metadata.disable_fallbacks", value}.wrong_type("true or false", "\"disable_fallbacks\": true");
    }
    if (*name == "model_rpm_limit" || *name == "model_tpm_limit") {
      std::optional<std::string> limits;
      const std::string shown = "metadata." + *name;
      if (Status status = read_model_limits({shown, value}, KeyRoute::Generate, limits); !status) return status;
    }
    if (*name == "rpm_limit_type" || *name == "tpm_limit_type") {
      if (Status known = check_limit_type("metadata." + *name, value); !known) return known;
    }
    for (const KeyField& known : key_metadata_fields()) {
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
  if (*text == "-1" && route != KeyRoute::Generate) {
    life.never = true;
  } else {
    const std::optional<std::int64_t> seconds = base::parse_duration_seconds(*text);
    if (!seconds || *seconds <= 0 || *seconds > kSecondsMax) {
      return field.refuse("is not a duration. Write a number and a unit: " + std::string(kExample) +
                          (route != KeyRoute::Generate ? ", or \"-1\" for a key that never expires." : "."));
    }
    life.seconds = *seconds;
  }
  out = std::move(life);
  return {};
}

Status read_amount(const Field& field, std::optional<Money>& out) {
  if (field.is_null()) return {};
  Result<Money> money = read_money(field);
  if (!money) return base::fail(std::move(money.error()));
  out = *money;
  return {};
}

Status read_budget(const Field& field, Patch<Money>& out) {
  out.present = true;
  return read_amount(field, out.value);
}

/// `get_spend_routes` is in force; what else LiteLLM knows there speaks of guardrails, which are not there yet.
Status read_permissions(const Field& field, KeyChange& change) {
  if (Status status = read_object(field, change.permissions_json); !status || field.is_null()) return status;
  for (const json::Value::Pair permission : field.value.members()) {
    const std::string name = permission.key.text().value_or("");
    if (name == "get_spend_routes") {
      if (!permission.value.boolean())
        return Field{"permissions.get_spend_routes", permission.value}.wrong_type("true or false",
                                                                                  "\"get_spend_routes\": true");
    } else if (!asks_nothing({name, permission.value})) {
      change.unenforced.push_back("permissions." + name);
    }
  }
  return {};
}

Status read_flag(const Field& field, std::optional<bool>& out) {
  if (field.is_null()) return {};
  out = field.value.boolean();
  if (!out) return field.wrong_type("true or false", "\"" + std::string(field.name) + "\": false");
  return {};
}

Status read_plain(const Field& field, std::string& out) {
  if (field.is_null()) return {};
  Result<std::string> text = read_text(field);
  if (!text) return base::fail(std::move(text.error()));
  out = std::move(*text);
  return {};
}

/// The routes a key of this type is confined to.
Status read_key_type(const Field& field, KeyChange& change) {
  if (field.is_null()) return {};
  const std::optional<std::string> type = field.value.text();
  for (const std::string_view known : {"default", "llm_api", "management", "read_only"}) {
    if (type != known) continue;
    change.key_type = *type;
    return {};
  }
  return field.refuse("must be \"default\", \"llm_api\", \"management\" or \"read_only\".");
}

Status read_expiry(const Field& field, std::optional<std::string>& out) {
  if (field.is_null()) return {};
  const std::optional<std::string> text = field.value.is(json::Kind::String) ? field.value.text() : std::nullopt;
  if (!text || !base::parse_iso_time(*text)) return field.wrong_type("a time", "\"2026-12-31T00:00:00Z\"");
  out = *text;
  return {};
}

Status read_interval(const Field& field, Patch<std::string>& out) {
  if (Status status = read_patch(field, out); !status || !out.value) return status;
  if (base::parse_duration_seconds(*out.value).value_or(0) <= 0)
    return field.refuse("is not a duration. Write a number and a unit: \"30d\" (s, m, h, d, w, mo).");
  return {};
}

Status read_budget_duration(const Field& field, KeyRoute route, Patch<std::string>& out) {
  const bool empty = field.value.is(json::Kind::String) && field.value.text() == "";
  if (empty && route == KeyRoute::Generate) return {};
  out.present = true;
  if (empty || field.is_null()) return {};
  const std::optional<std::string> text = field.value.is(json::Kind::String) ? field.value.text() : std::nullopt;
  if (!text || !domain::parse_budget_duration(*text))
    return field.refuse("is not a duration. Write a number and a unit: \"30d\" (s, m, h, d, w, mo).");
  out.value = *text;
  return {};
}

Status read_model_budgets(const Field& field, std::optional<std::string>& out) {
  if (Status status = read_object(field, out); !status || field.is_null()) return status;
  if (const auto budgets = account::read_model_budgets(*out); !budgets) return base::fail(budgets.error());
  out = json::compact(*out);
  return {};
}

Status read_grace(const Field& field, std::optional<std::int64_t>& out) {
  if (field.is_null()) return {};
  const std::optional<std::string> text = field.value.is(json::Kind::String) ? field.value.text() : std::nullopt;
  if (text && text->empty()) return {};
  out = text ? base::parse_duration_seconds(*text) : std::nullopt;
  if (!out) return field.refuse("is not a duration. Write a number and a unit: \"24h\" (s, m, h, d, w, mo).");
  return {};
}

using Reader = Status (*)(const Field& field, KeyRoute route, KeyChange& change);
struct StoredField {
  std::string_view name;
  Reader read;
};

/// How each field that is stored is read; `key_fields()` says which they are.
constexpr StoredField kReaders[] = {
    {"key", [](const Field& f, KeyRoute, KeyChange& c) { return read_plain(f, c.key); }},
    {"key_alias", [](const Field& f, KeyRoute, KeyChange& c) { return read_patch(f, c.key_alias); }},
    {"user_id", [](const Field& f, KeyRoute, KeyChange& c) { return read_patch(f, c.user_id); }},
    {"team_id", [](const Field& f, KeyRoute, KeyChange& c) { return read_patch(f, c.team_id); }},
    {"organization_id", [](const Field& f, KeyRoute, KeyChange& c) { return read_patch(f, c.organization_id); }},
    {"budget_id", [](const Field& f, KeyRoute, KeyChange& c) { return read_patch(f, c.budget_id); }},
    {"models", [](const Field& f, KeyRoute, KeyChange& c) { return read_texts(f, c.models); }},
    {"tags", [](const Field& f, KeyRoute, KeyChange& c) { return read_texts(f, c.tags); }},
    {"allowed_routes", [](const Field& f, KeyRoute, KeyChange& c) { return read_texts(f, c.allowed_routes); }},
    {"allowed_ips", [](const Field& f, KeyRoute, KeyChange& c) { return read_ranges(f, c.allowed_ips); }},
    {"enforced_params", [](const Field& f, KeyRoute, KeyChange& c) { return read_texts(f, c.enforced_params); }},
    {"access_group_ids", [](const Field& f, KeyRoute, KeyChange& c) { return read_texts(f, c.access_group_ids); }},
    {"aliases", [](const Field& f, KeyRoute, KeyChange& c) { return read_aliases(f, c.aliases_json); }},
    {"config", [](const Field& f, KeyRoute, KeyChange& c) { return read_object(f, c.config_json); }},
    {"metadata", [](const Field& f, KeyRoute, KeyChange& c) { return read_metadata(f, c.metadata_json); }},
    {"router_settings",
     [](const Field& f, KeyRoute, KeyChange& c) { return read_router_settings(f, c.router_settings_json); }},
    {"permissions", [](const Field& f, KeyRoute, KeyChange& c) { return read_permissions(f, c); }},
    {"object_permission",
     [](const Field& f, KeyRoute, KeyChange& c) { return read_object(f, c.object_permission_json); }},
    {"key_type", [](const Field& f, KeyRoute, KeyChange& c) { return read_key_type(f, c); }},
    {"max_budget", [](const Field& f, KeyRoute, KeyChange& c) { return read_budget(f, c.max_budget); }},
    {"soft_budget", [](const Field& f, KeyRoute, KeyChange& c) { return read_budget(f, c.soft_budget); }},
    {"max_budget_tokens",
     [](const Field& f, KeyRoute, KeyChange& c) { return read_token_budget(f, c.max_budget_tokens); }},
    {"soft_budget_tokens",
     [](const Field& f, KeyRoute, KeyChange& c) { return read_token_budget(f, c.soft_budget_tokens); }},
    {"rpm_limit", [](const Field& f, KeyRoute, KeyChange& c) { return read_limit(f, c.rpm_limit); }},
    {"tpm_limit", [](const Field& f, KeyRoute, KeyChange& c) { return read_limit(f, c.tpm_limit); }},
    {"max_parallel_requests",
     [](const Field& f, KeyRoute, KeyChange& c) { return read_limit(f, c.max_parallel_requests); }},
    {"model_rpm_limit",
     [](const Field& f, KeyRoute route, KeyChange& c) { return read_model_limits(f, route, c.model_rpm_limit_json); }},
    {"model_tpm_limit",
     [](const Field& f, KeyRoute route, KeyChange& c) { return read_model_limits(f, route, c.model_tpm_limit_json); }},
    {"rpm_limit_type",
     [](const Field& f, KeyRoute route, KeyChange& c) { return read_limit_type(f, route, c.rpm_limit_type_json); }},
    {"tpm_limit_type",
     [](const Field& f, KeyRoute route, KeyChange& c) { return read_limit_type(f, route, c.tpm_limit_type_json); }},
    {"spend", [](const Field& f, KeyRoute, KeyChange& c) { return read_amount(f, c.spend); }},
    {"budget_duration",
     [](const Field& f, KeyRoute route, KeyChange& c) { return read_budget_duration(f, route, c.budget_duration); }},
    {"model_max_budget",
     [](const Field& f, KeyRoute, KeyChange& c) { return read_model_budgets(f, c.model_max_budget_json); }},
    {"temp_budget_increase",
     [](const Field& f, KeyRoute, KeyChange& c) { return read_amount(f, c.temp_budget_increase); }},
    {"temp_budget_expiry", [](const Field& f, KeyRoute, KeyChange& c) { return read_expiry(f, c.temp_budget_expiry); }},
    {"blocked", [](const Field& f, KeyRoute, KeyChange& c) { return read_flag(f, c.blocked); }},
    {"auto_rotate", [](const Field& f, KeyRoute, KeyChange& c) { return read_flag(f, c.auto_rotate); }},
    {"rotation_interval", [](const Field& f, KeyRoute, KeyChange& c) { return read_interval(f, c.rotation_interval); }},
    {"duration", [](const Field& f, KeyRoute route, KeyChange& c) { return read_life(f, route, c.life); }},
};
/// What only /key/regenerate knows.
constexpr StoredField kRegenerateReaders[] = {
    {"new_key", [](const Field& f, KeyRoute, KeyChange& c) { return read_plain(f, c.new_key); }},
    {"grace_period", [](const Field& f, KeyRoute, KeyChange& c) { return read_grace(f, c.grace_seconds); }},
    {"new_master_key", [](const Field& f, KeyRoute, KeyChange& c) { return read_plain(f, c.new_master_key); }},
};

template <std::size_t Count>
Reader reader_of(const StoredField (&readers)[Count], std::string_view name) {
  const StoredField* found = std::ranges::find(readers, name, &StoredField::name);
  return found == std::ranges::end(readers) ? nullptr : found->read;
}

Status read_field(const Field& field, KeyRoute route, KeyChange& change) {
  if (route == KeyRoute::Regenerate) {
    if (const Reader reader = reader_of(kRegenerateReaders, field.name)) return reader(field, route, change);
  }
  const std::span<const KeyField> fields = key_fields();
  const auto known = std::ranges::find(fields, field.name, &KeyField::name);
  if (known == fields.end() || known->rule == FieldRule::NoEffect) {
    if (!asks_nothing(field)) change.ignored.emplace_back(field.name);
    return {};
  }
  if (known->rule == FieldRule::Refused) return refuse_protecting(field, field.name, known->note);
  if (known->rule == FieldRule::Unenforced && !asks_nothing(field)) change.unenforced.emplace_back(field.name);
  return reader_of(kReaders, field.name)(field, route, change);
}

}  // namespace

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
    if (Status status = read_field({*name, value}, route, change); !status)
      return base::fail(std::move(status.error()));
    if (!asks_nothing({*name, value})) change.fields.push_back(*name);
    seen.push_back(std::move(*name));
  }
  if (change.temp_budget_increase.has_value() != change.temp_budget_expiry.has_value()) {
    return refuse_field("temp_budget_expiry", "temp_budget_increase and temp_budget_expiry go together: send both.");
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
