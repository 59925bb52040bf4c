#include <fmt/format.h>

#include <algorithm>

#include "api/handlers.h"
#include "api/key_json.h"
#include "api/query.h"
#include "api/record_route.h"
#include "api/spend_query.h"
#include "base/text.h"

// Entries by pages, as the dashboard reads them (spec management-api 10.1).
namespace turnpike::api {
namespace {

/// One number of the query that is an amount in dollars; nothing where it is left out.
Result<std::optional<Money>> query_amount(const Context& context, std::string_view name) {
  const std::string text = context.request().query_value(name);
  if (text.empty()) return std::nullopt;
  const Result<Money> amount = Money::parse(text);
  if (!amount) return refuse_field(name, std::string(name) + " must be an amount in dollars, such as 0.05.");
  return *amount;
}

/// `name` of the query as a time: "2026-02-16 10:00:00" (UTC). A bare date: when that day begins.
Result<std::int64_t> needed_time(const Context& context, std::string_view name) {
  std::string text = context.request().query_value(name);
  if (const std::size_t space = text.find(' '); space != std::string::npos) {
    text[space] = 'T';
    if (text.find_first_of("Z+", space) == std::string::npos) text += 'Z';
  }
  const std::optional<std::int64_t> time_us = base::parse_iso_time(text);
  if (!time_us || *time_us < 0) {
    return refuse_field(name, std::string(name) + " is needed, such as 2026-02-16 10:00:00 (UTC).");
  }
  return *time_us;
}

/// The filters of a page that have the caller's own words.
Result<SpendFilter> read_page_filter(const Context& context) {
  SpendFilter filter;
  const auto take = [&context](std::string_view name, std::optional<std::string>& target) {
    if (std::string text = context.request().query_value(name); !text.empty()) target = std::move(text);
  };
  take("request_id", filter.request_id);
  take("user_id", filter.user_id);
  take("team_id", filter.team_id);
  take("model", filter.model);
  take("model_id", filter.deployment_id);
  take("key_alias", filter.key_alias);
  take("end_user", filter.end_user);
  take("error_message", filter.error_part);
  if (const std::string key = context.request().query_value("api_key"); !key.empty()) {
    filter.key_hash = hash_of_reference(key);
    if (filter.key_hash->empty()) return refuse_field("api_key", "api_key must be a key (\"sk-...\") or its hash.");
  }
  if (const std::string code = context.request().query_value("error_code"); !code.empty()) {
    const std::optional<std::uint64_t> status = base::parse_unsigned(code);
    if (!status || *status > 999) return refuse_field("error_code", "error_code must be an HTTP status.");
    filter.http_status = static_cast<std::int64_t>(*status);
  }
  const Result<std::string> status = query_word(context, "status_filter", {"success", "failure"});
  if (!status) return base::fail(status.error());
  if (!status->empty()) filter.succeeded = *status == "success";
  const Result<std::optional<Money>> least = query_amount(context, "min_spend");
  if (!least) return base::fail(least.error());
  const Result<std::optional<Money>> most = query_amount(context, "max_spend");
  if (!most) return base::fail(most.error());
  filter.spend_min = *least;
  filter.spend_max = *most;
  if (Status status_of = confine(*context.caller, filter); !status_of) return base::fail(std::move(status_of.error()));
  return filter;
}

Result<SpendPage> read_page(const Context& context) {
  constexpr std::uint64_t kPageRowsMax = 100, kPagesMax = 1'000'000;
  SpendPage page;
  const Result<std::uint64_t> number = query_count(context, "page", 1, 1, kPagesMax);
  if (!number) return base::fail(number.error());
  const Result<std::uint64_t> size = query_count(context, "page_size", 50, 1, kPageRowsMax);
  if (!size) return base::fail(size.error());
  const std::string by = context.request().query_value("sort_by");
  if (!by.empty() && std::ranges::find(sort_names(), by) == sort_names().end()) {
    return refuse_field("sort_by", fmt::format("sort_by must be one of {}.", fmt::join(sort_names(), ", ")));
  }
  if (!by.empty()) page.sort_by = by;
  const Result<std::string> order = query_word(context, "sort_order", {"asc", "desc"});
  if (!order) return base::fail(order.error());
  page.ascending = *order == "asc";
  page.number = *number;
  page.size = *size;
  return page;
}

Task<Result<Reply>> answer_page(const Context& context, SpendFilter filter, SpendPage page) {
  co_await context.gateway.ledger->shipped();
  Result<SpendRows> found = co_await read_spend_page(*context.gateway.database, std::move(filter), page);
  if (!found) co_return base::fail(std::move(found.error()));
  const auto total = static_cast<std::uint64_t>(found->total);
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("data").begin_array();
  for (const std::string& log : found->logs) writer.raw(log);
  writer.end_array().key("total").number(total).key("page").number(page.number).key("page_size").number(page.size);
  writer.key("total_pages").number((total + page.size - 1) / page.size).end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace

Task<Result<Reply>> spend_logs_page(const Context& context) {
  Result<SpendFilter> filter = read_page_filter(context);
  if (!filter) co_return base::fail(std::move(filter.error()));
  const Result<std::int64_t> from = needed_time(context, "start_date");
  if (!from) co_return base::fail(from.error());
  const Result<std::int64_t> until = needed_time(context, "end_date");
  if (!until) co_return base::fail(until.error());
  const Result<SpendPage> page = read_page(context);
  if (!page) co_return base::fail(page.error());
  filter->from_us = *from;
  filter->until_us = *until;
  co_return co_await answer_page(context, std::move(*filter), *page);
}

Task<Result<Reply>> spend_session_page(const Context& context) {
  Result<SpendFilter> filter = read_page_filter(context);
  if (!filter) co_return base::fail(std::move(filter.error()));
  std::string session = context.request().query_value("session_id");
  if (session.empty()) co_return refuse_field("session_id", "Say which session: ?session_id=...");
  filter->session_id = std::move(session);
  Result<SpendPage> page = read_page(context);
  if (!page) co_return base::fail(page.error());
  page->ascending = context.request().query_value("sort_order") != "desc";
  co_return co_await answer_page(context, std::move(*filter), *page);
}

Task<Result<Reply>> spend_log_texts(const Context& context) {
  SpendFilter filter;
  filter.request_id = context.captured;
  if (Status status = confine(*context.caller, filter); !status) co_return base::fail(std::move(status.error()));
  co_await context.gateway.ledger->shipped();
  Result<std::string> texts = co_await read_spend_texts(*context.gateway.database, std::move(filter));
  if (!texts) co_return base::fail(std::move(texts.error()));
  if (texts->empty()) co_return no_such("request_id", "There is no call " + context.captured + ", or it is not yours.");
  co_return private_json_reply(std::move(*texts));
}

}  // namespace turnpike::api
