#include <algorithm>

#include "api/handlers.h"
#include "api/key_json.h"
#include "api/query.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

constexpr std::uint64_t kPageSizeMax = 100;
constexpr std::string_view kSortable[] = {"spend", "max_budget", "created_at", "updated_at", "token", "key_alias"};

std::optional<std::string> read_optional(const Context& context, std::string_view name) {
  std::string text = context.request().query_value(name);
  if (text.empty()) return std::nullopt;
  return text;
}

Result<account::KeyStore::Filter> read_filter(const Context& context) {
  constexpr std::uint64_t kPageMax = 1'000'000'000;
  account::KeyStore::Filter filter;
  const Result<std::uint64_t> page = query_count(context, "page", 1, 1, kPageMax);
  if (!page) return base::fail(page.error());
  const Result<std::uint64_t> size = query_count(context, "size", 10, 1, kPageSizeMax);
  if (!size) return base::fail(size.error());
  filter.page = *page;
  filter.size = *size;
  filter.user_id = read_optional(context, "user_id");
  filter.team_id = read_optional(context, "team_id");
  filter.organization_id = read_optional(context, "organization_id");
  filter.alias = read_optional(context, "key_alias");
  if (std::optional<std::string> hash = read_optional(context, "key_hash")) filter.hash = hash_of_reference(*hash);
  if (filter.hash && filter.hash->empty()) return refuse_field("key_hash", "key_hash must be 64 hexadecimal digits.");
  if (std::optional<std::string> sort = read_optional(context, "sort_by")) {
    if (std::ranges::find(kSortable, *sort) == std::ranges::end(kSortable)) {
      return refuse_field("sort_by", "sort_by must be spend, max_budget, created_at, updated_at, token or key_alias.");
    }
    filter.sort_by = std::move(*sort);
  }
  const std::string order = context.request().query_value("sort_order");
  if (!order.empty() && order != "asc" && order != "desc")
    return refuse_field("sort_order", "sort_order must be asc or desc.");
  filter.ascending = order == "asc";
  if (read_optional(context, "status")) {
    return refuse_field("status", "Deleted keys cannot be listed by this version: leave status out.");
  }
  return filter;
}

Error not_your_key() {
  Error error;
  error.kind = ErrorKind::PermissionDenied;
  error.message =
      "You are not allowed to access this key's info. Your role=internal_user. A key may read its own info only.";
  error.param = "key";
  return error;
}

}  // namespace

Task<Result<Reply>> list_keys(const Context& context) {
  Result<account::KeyStore::Filter> filter = read_filter(context);
  if (!filter) co_return base::fail(std::move(filter.error()));
  const std::uint64_t size = filter->size;
  const std::uint64_t page_number = filter->page;
  Result<account::KeyStore::Page> page = co_await context.gateway.keys->list(std::move(*filter));
  if (!page) co_return base::fail(std::move(page.error()));
  const bool whole = context.request().query_value("return_full_object") == "true";
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("keys").begin_array();
  for (const account::KeyRow& row : page->rows) {
    if (!whole) {
      writer.string(row.hash);
      continue;
    }
    writer.begin_object();
    write_key_row(writer, row, live_spend(*context.gateway.ledger, row), true);
    writer.end_object();
  }
  writer.end_array();
  writer.key("total_count").number(page->total);
  writer.key("current_page").number(page_number);
  writer.key("total_pages").number((page->total + size - 1) / size);
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> key_info(const Context& context) {
  const domain::Caller& caller = *context.caller;
  const std::string reference = context.request().query_value("key");
  std::string hash = hash_of_reference(reference);
  if (!administers(caller)) {
    if (!reference.empty() && hash != caller.key_hash_hex) co_return base::fail(not_your_key());
    hash = caller.key_hash_hex;
  }
  if (hash.empty()) {
    co_return refuse_field("key", "Say which key: /key/info?key=... with a key (\"sk-...\") or its hash.");
  }
  Result<std::optional<account::KeyRow>> row = co_await context.gateway.keys->find(hash);
  if (!row) co_return base::fail(std::move(row.error()));
  if (!*row) {
    Error error;
    error.kind = ErrorKind::NotFound;
    error.message = "Key not found in database";
    error.param = "key";
    co_return base::fail(std::move(error));
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("key").string(hash).key("info").begin_object();
  write_key_row(writer, **row, live_spend(*context.gateway.ledger, **row), false);
  writer.end_object().end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
