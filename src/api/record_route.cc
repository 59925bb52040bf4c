#include "api/record_route.h"

#include <algorithm>

#include "account/tables.h"
#include "api/reply.h"
#include "api/team_json.h"
#include "base/id.h"
#include "json/write.h"

namespace turnpike::api {
namespace {

using account::Record;
using account::Records;
using Rule = BodyField::Rule;

constexpr BodyField kBudgetFields[] = {
    {"max_budget"},         {"soft_budget"},           {"max_budget_tokens"},
    {"soft_budget_tokens"}, {"max_parallel_requests"}, {"tpm_limit"},
    {"rpm_limit"},          {"model_max_budget"},      {"budget_duration"},
    {"budget_reset_at"},    {"budget_mode"},           {"allowed_models", Rule::Unenforced},
};

bool sends(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  return value && !value.is(json::Kind::Null);
}

bool sends_budget(const json::Value& body) {
  return std::ranges::any_of(kBudgetFields, [&](const BodyField& field) { return bool(body.find(field.name)); });
}

/// The members of a budget in `body` into `budget`; every other member is somebody else's.
Status apply_budget(const Context& context, const json::Value& body, Record& budget, Applied& applied) {
  Result<Applied> done = apply_fields(body, kBudgetFields, budget);
  if (!done) return base::fail(std::move(done.error()));
  applied.unenforced.insert(applied.unenforced.end(), done->unenforced.begin(), done->unenforced.end());
  if (Status good = check_budget(budget); !good) return good;
  return follow_duration(context, body, budget);
}

/// Budgets per model are of keys, teams, users and organisations.
void tell_models(const json::Value& body, const Record& row, Applied& applied) {
  if (&row.table() != &account::kOrganizations && sends(body, "model_max_budget") &&
      body.find("model_max_budget").raw() != "{}")
    applied.unenforced.emplace_back("model_max_budget");
}

template <class T>
Result<std::optional<std::optional<std::int64_t>>> given_limit(const json::Value& body, T name) {
  const json::Value value = body.find(name);
  if (!value) return std::optional<std::optional<std::int64_t>>();
  const Result<std::optional<std::uint64_t>> whole = whole_member(body, name);
  if (!whole) return base::fail(whole.error());
  std::optional<std::int64_t> limit;
  if (*whole) limit = static_cast<std::int64_t>(**whole);
  return std::optional(limit);
}

}  // namespace

Task<Result<Reply>> answer_with_body(const Context& context, RecordAnswer answer) {
  const std::string_view sent = context.request().body;
  const std::string text(sent.empty() ? std::string_view("{}") : sent);
  {
    json::Document document;
    if (Status parsed = document.parse(text); !parsed) co_return base::fail(std::move(parsed.error()));
    if (!document.root().is(json::Kind::Object)) co_return refuse_field("body", "The body must be a JSON object.");
  }
  // An edited spend is booked as a difference to what stands in the database: that has to be complete.
  if (text.find("\"spend\"") != std::string::npos) co_await context.gateway.ledger->shipped();
  const auto reply = std::make_shared<Reply>();
  std::function<Status(Records&)> work = [reply, text, answer = std::move(answer)](Records& records) -> Status {
    json::Document document;
    if (Status parsed = document.parse(text); !parsed) return parsed;
    Result<Reply> made = answer(records, document.root());
    if (!made) return base::fail(std::move(made.error()));
    *reply = std::move(*made);
    return {};
  };
  if (Status done = co_await in_records(context, std::move(work)); !done) co_return base::fail(std::move(done.error()));
  co_return std::move(*reply);
}

std::string new_id(const Records& records) {
  std::uint64_t random[2];
  base::fill_random(random, sizeof random);
  const auto now_ms = static_cast<std::uint64_t>(records.actor().now_us / 1000);
  return base::make_id(now_ms, random[0], random[1]).to_string();
}

tl::unexpected<Error> no_such(std::string_view param, std::string message) {
  Error error;
  error.kind = ErrorKind::NotFound;
  error.type = "not_found";
  error.param = param;
  error.message = std::move(message);
  return base::fail(std::move(error));
}

tl::unexpected<Error> exists_already(std::string_view param, std::string message) {
  Error error;
  error.kind = ErrorKind::Conflict;
  error.type = "bad_request_error";
  error.param = param;
  error.message = std::move(message);
  return base::fail(std::move(error));
}

Result<Grant> read_grant(const json::Value& body, Grant::To to, bool is_new) {
  Grant grant;
  grant.to = to;
  grant.is_new = is_new;
  for (const json::Value::Pair member : body.members()) grant.fields.push_back(member.key.text().value_or(""));
  const auto models = list_member(body, "models");
  if (!models) return base::fail(models.error());
  grant.models = *models;
  if (body.find("max_budget")) {
    const Result<std::optional<Money>> amount = amount_member(body, "max_budget");
    if (!amount) return base::fail(amount.error());
    grant.max_budget = *amount;
  }
  struct Limit {
    std::string_view name;
    std::optional<std::optional<std::int64_t>>& into;
  };
  for (const Limit& limit :
       {Limit{"max_budget_tokens", grant.max_budget_tokens}, Limit{"tpm_limit", grant.tpm_limit},
        Limit{"rpm_limit", grant.rpm_limit}, Limit{"max_parallel_requests", grant.max_parallel_requests}}) {
    const auto given = given_limit(body, limit.name);
    if (!given) return base::fail(given.error());
    limit.into = *given;
  }
  const Result<std::optional<std::string>> role = text_member(body, "user_role");
  if (!role) return base::fail(role.error());
  grant.user_role = *role;
  return grant;
}

std::int64_t next_reset(const Context& context, const std::string& duration) {
  domain::BudgetTerms terms;
  terms.duration = duration;
  terms.zone = budget_calendar(context.settings());
  return domain::first_end_us(terms, context.now_us);
}

Status check_budget(const Record& budget) {
  const std::optional<std::string> mode = budget.maybe_text("budget_mode");
  if (!mode || *mode == "strict" || *mode == "default") return check_token_budgets(budget);
  return refuse_field("budget_mode", "budget_mode must be \"strict\" or \"default\".");
}

Status follow_duration(const Context& context, const json::Value& body, Record& row) {
  if (!body.find("budget_duration") || sends(body, "budget_reset_at")) return {};
  const std::optional<std::string> duration = row.maybe_text("budget_duration");
  if (!duration) {
    row.set("budget_reset_at", db::Value());
    return {};
  }
  row.set("budget_reset_at", db::Value(next_reset(context, *duration)));
  return {};
}

std::span<const BodyField> budget_fields() {
  return kBudgetFields;
}

Status write_budget_member(json::Writer& writer, Records& records, const std::optional<std::string>& budget_id) {
  writer.key("litellm_budget_table");
  Result<std::optional<Record>> budget = std::optional<Record>();
  if (budget_id) budget = records.find(account::kBudgets, *budget_id);
  if (!budget) return base::fail(std::move(budget.error()));
  if (!*budget) {
    writer.null();
    return {};
  }
  writer.begin_object();
  write_record(writer, **budget);
  writer.end_object();
  return {};
}

Money live_spend(const Context& context, const Record& row) {
  return live_spend(*context.gateway.ledger, row.account_id, row.spend);
}

void write_live(json::Writer& writer, const Context& context, const Record& row,
                std::span<const std::string_view> hidden) {
  Record live = row;
  make_live(live, *context.gateway.ledger);
  write_record(writer, live, hidden);
}

Status link_budget(const Context& context, Records& records, const json::Value& body, bool always, Record& row,
                   Applied& applied) {
  // They are read into the budget object: the entity's own table has no such columns.
  std::erase_if(applied.ignored, [](const std::string& name) {
    return std::ranges::any_of(kBudgetFields, [&](const BodyField& field) { return field.name == name; });
  });
  if (sends(body, "budget_id")) {
    if (sends_budget(body)) {
      return refuse_field("budget_id", "Send either budget_id, or max_budget and the other members of a budget.");
    }
    const Result<std::string> budget_id = needed_text(body, "budget_id");
    if (!budget_id) return base::fail(budget_id.error());
    const Result<Record> budget = records.get(account::kBudgets, *budget_id);
    if (!budget) return no_such("budget_id", "Budget not found, passed budget_id=" + *budget_id);
    row.set("budget_id", db::Value(*budget_id));
    return {};
  }
  if (body.find("budget_id")) row.set("budget_id", db::Value());  // Null: no limits any more.
  if (!always && !sends_budget(body)) return {};

  tell_models(body, row, applied);
  const std::optional<std::string> linked = row.maybe_text("budget_id");
  Result<std::optional<Record>> before = std::optional<Record>();
  if (linked) before = records.find(account::kBudgets, *linked);
  if (!before) return base::fail(std::move(before.error()));
  if (*before) {
    Record after = **before;
    if (Status read = apply_budget(context, body, after, applied); !read) return read;
    const Result<Record> changed = records.update(**before, std::move(after));
    return changed ? Status() : base::fail(changed.error());
  }
  Record budget(account::kBudgets);
  budget.set("budget_id", db::Value(new_id(records)));
  if (Status read = apply_budget(context, body, budget, applied); !read) return read;
  const Result<Record> made = records.create(std::move(budget));
  if (!made) return base::fail(made.error());
  row.set("budget_id", db::Value(made->key()));
  return {};
}

Result<std::vector<std::string>> needed_list(const json::Value& body, std::string_view name) {
  Result<std::optional<std::vector<std::string>>> list = list_member(body, name);
  if (!list) return base::fail(std::move(list.error()));
  if (!*list || (*list)->empty()) {
    return refuse_field(name, std::string(name) + " is missing: send a list of texts, one at least.");
  }
  return std::move(**list);
}

}  // namespace turnpike::api
