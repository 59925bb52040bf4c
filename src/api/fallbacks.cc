#include <algorithm>

#include "api/handlers.h"
#include "api/key_fields.h"
#include "base/log.h"
#include "base/text.h"
#include "json/document.h"
#include "json/lists.h"
#include "json/write.h"
#include "router/stored_fallbacks.h"

namespace turnpike::api {
namespace {

using router::FallbackList;

constexpr std::size_t kTargetsMax = router::kStopsMax;  // No call enters more groups.
constexpr std::size_t kNameBytesMax = 512;
constexpr std::size_t kNearMax = 3;
constexpr std::string_view kTypeWanted = "fallback_type must be general, context_window or content_policy.";

struct Change {
  std::string model;
  std::vector<std::string> targets;
  FallbackList list = FallbackList::General;
  std::vector<std::string> ignored;
};

Result<std::string> read_name(const json::Value& value, std::string_view field) {
  const std::optional<std::string> text = value.text();
  const std::string_view name = text ? base::trim(*text) : std::string_view();
  if (name.empty() || name.size() > kNameBytesMax || name.find('\0') != std::string_view::npos)
    return refuse_field(field, std::string(field) + " must name a model, for example \"gpt-4o\".");
  return std::string(name);
}

Status read_targets(const json::Value& value, Change& change) {
  constexpr std::string_view kField = "fallback_models";
  if (!value.is(json::Kind::Array) || value.elements().empty()) {
    return refuse_field(kField,
                        "fallback_models must be a list of at least one model, for example [\"claude-sonnet\"]. "
                        "DELETE /fallback/{model} takes a list away.");
  }
  for (const json::Value element : value.elements()) {
    Result<std::string> name = read_name(element, kField);
    if (!name) return base::fail(std::move(name.error()));
    if (std::ranges::find(change.targets, *name) != change.targets.end())
      return refuse_field(kField, "fallback_models names " + *name + " twice.");
    if (change.targets.size() == kTargetsMax) {
      return refuse_field(kField, "fallback_models may hold at most " + std::to_string(kTargetsMax) + " models.");
    }
    change.targets.push_back(std::move(*name));
  }
  return {};
}

Status read_list(const std::optional<std::string>& name, FallbackList& list) {
  const std::optional<FallbackList> known = router::fallback_list_named(name.value_or(""));
  if (!known) return refuse_field("fallback_type", std::string(kTypeWanted));
  list = *known;
  return {};
}

Result<Change> read_change(std::string_view body) {
  Change change;
  json::Document document;
  if (Status parsed = document.parse(body); !parsed) return base::fail(std::move(parsed.error()));
  const json::Value root = document.root();
  if (!root.is(json::Kind::Object)) return base::fail(ErrorKind::InvalidRequest, "The body must be a JSON object.");
  Result<std::string> model = read_name(root.find("model"), "model");
  if (!model) return base::fail(std::move(model.error()));
  change.model = std::move(*model);
  if (Status read = read_targets(root.find("fallback_models"), change); !read)
    return base::fail(std::move(read.error()));
  if (const json::Value type = root.find("fallback_type"); type && !type.is(json::Kind::Null)) {
    if (Status read = read_list(type.text(), change.list); !read) return base::fail(std::move(read.error()));
  }
  for (const json::Value::Pair member : root.members()) {
    const std::string name = member.key.text().value_or("");
    if (name != "model" && name != "fallback_models" && name != "fallback_type") change.ignored.push_back(name);
  }
  return change;
}

/// Of GET and DELETE; general when absent.
Result<FallbackList> asked_list(const Context& context) {
  FallbackList list = FallbackList::General;
  const std::string type = context.request().query_value("fallback_type");
  if (type.empty()) return list;
  if (Status read = read_list(type, list); !read) return base::fail(std::move(read.error()));
  return list;
}

std::string nearest(const router::RoutingTable& table, const std::string& name) {
  const std::vector<std::string> near = base::nearest(name, table.public_names(), kNearMax);
  std::string text;
  for (const std::string& one : near) text += (text.empty() ? " Did you mean " : ", ") + one;
  return text.empty() ? " GET /v1/models lists what is served." : text + "?";
}

bool same_group(const router::ModelGroup& a, const router::ModelGroup& b) {
  if (a.precise || b.precise) return a.precise && b.precise && a.deployments.front() == b.deployments.front();
  return a.name == b.name;
}

/// Errors: NotFound (nobody serves the model), InvalidRequest (nobody serves a fallback, or it is the model itself).
Status check_models(const Context& context, const Change& change) {
  const router::RoutingTable& table = *context.snapshot->routing;
  router::GroupCache& cache = context.gateway.worker_of(context.exchange.thread()).groups;
  const router::ModelGroupRef group = table.find_named(change.model, cache);
  if (!group) {
    Error error;
    error.kind = ErrorKind::NotFound;
    error.param = "model";
    error.message = "Model '" + change.model + "' not found in router." + nearest(table, change.model);
    return base::fail(std::move(error));
  }
  for (const std::string& target : change.targets) {
    const router::ModelGroupRef to = table.find_named(target, cache);
    if (!to)
      return refuse_field("fallback_models", "Invalid fallback models: ['" + target + "']." + nearest(table, target));
    if (same_group(*group, *to))
      return refuse_field("fallback_models", "Model '" + change.model + "' cannot be its own fallback");
  }
  return {};
}

Error none_configured(const std::string& model, FallbackList list) {
  Error error;
  error.kind = ErrorKind::NotFound;
  error.param = "model";
  error.message = "No " + std::string(router::name_of(list)) + " fallbacks configured for model '" +
                  model.substr(0, kNameBytesMax) + "'";
  return error;
}

bool configured(const config::RouterSettings& router, const std::string& model, FallbackList list) {
  const std::vector<config::Fallback>& entries = list == FallbackList::ContextWindow   ? router.context_window_fallbacks
                                                 : list == FallbackList::ContentPolicy ? router.content_policy_fallbacks
                                                                                       : router.fallbacks;
  return std::ranges::find(entries, model, &config::Fallback::model_group) != entries.end();
}

Reply fallback_reply(const std::string& model, const std::vector<std::string>* targets, FallbackList list,
                     std::string_view message) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(model);
  if (targets != nullptr) writer.key("fallback_models").raw(json::write_list(*targets));
  writer.key("fallback_type").string(router::name_of(list));
  if (!message.empty()) writer.key("message").string(message);
  writer.end_object();
  return private_json_reply(std::move(body));
}

}  // namespace

Task<Result<Reply>> set_fallbacks(const Context& context) {
  Result<Change> change = read_change(context.request().body);
  if (!change) co_return base::fail(std::move(change.error()));
  if (Status checked = check_models(context, *change); !checked) co_return base::fail(std::move(checked.error()));
  const bool known = context.snapshot->routing->own_fallbacks_of(change->model, change->list) != nullptr;
  const std::string by = author(context);
  router::StoredFallbacks stored{change->model, change->list, change->targets};
  if (Status done = co_await router::store_fallbacks(*context.gateway.database, std::move(stored), by, context.now_us);
      !done) {
    co_return base::fail(std::move(done.error()));
  }
  if (Status done = co_await context.hooks.fallbacks_changed(context.exchange.thread()); !done)
    co_return base::fail(std::move(done.error()));
  base::log(base::LogLevel::Info, "fallbacks of {} ({}) set by {}: {}", change->model, router::name_of(change->list),
            by, json::write_list(change->targets));
  Reply reply = fallback_reply(
      change->model, &change->targets, change->list,
      known ? "Fallback configuration updated successfully" : "Fallback configuration created successfully");
  if (!change->ignored.empty())
    http::add_field(reply.fields, "x-turnpike-ignored-fields", ignored_fields_value(change->ignored));
  co_return reply;
}

Task<Result<Reply>> show_fallbacks(const Context& context) {
  const Result<FallbackList> list = asked_list(context);
  if (!list) co_return base::fail(list.error());
  const std::vector<config::FallbackTarget>* found = context.snapshot->routing->fallbacks_of(context.captured, *list);
  if (found == nullptr || found->empty()) co_return base::fail(none_configured(context.captured, *list));
  std::vector<std::string> names;
  for (const config::FallbackTarget& target : *found) names.push_back(target.model);
  co_return fallback_reply(context.captured, &names, *list, "");
}

Task<Result<Reply>> delete_fallbacks(const Context& context) {
  const Result<FallbackList> list = asked_list(context);
  if (!list) co_return base::fail(list.error());
  const std::string& model = context.captured;
  if (context.snapshot->routing->own_fallbacks_of(model, *list) == nullptr)
    co_return base::fail(none_configured(model, *list));
  const std::string by = author(context);
  db::Database& database = *context.gateway.database;
  Status done;
  if (configured(context.settings().router, model, *list)) {
    router::StoredFallbacks none{model, *list, {}};  // The file still has them.
    done = co_await router::store_fallbacks(database, std::move(none), by, context.now_us);
  } else {
    done = co_await router::forget_fallbacks(database, model, *list, context.now_us);
  }
  if (done) done = co_await context.hooks.fallbacks_changed(context.exchange.thread());
  if (!done) co_return base::fail(std::move(done.error()));
  base::log(base::LogLevel::Info, "fallbacks of {} ({}) deleted by {}", model, router::name_of(*list), by);
  co_return fallback_reply(model, nullptr, *list, "Fallback configuration deleted successfully");
}

}  // namespace turnpike::api
