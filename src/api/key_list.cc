#include <algorithm>

#include "account/key_list.h"
#include "account/key_records.h"
#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/key_rules.h"
#include "api/query.h"
#include "api/records.h"
#include "api/reply.h"
#include "base/text.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::api {
namespace {

using account::KeyQuery;
using account::KeyRow;

constexpr std::uint64_t kPageSizeMax = 100;
constexpr std::size_t kAliasesMax = 10'000;
constexpr std::size_t kInfosAtOnceMax = 500;
constexpr std::string_view kSortable[] = {"spend", "max_budget", "created_at", "updated_at", "token", "key_alias"};

std::optional<std::string> read_optional(const Context& context, std::string_view name) {
  std::string text = context.request().query_value(name);
  if (text.empty()) return std::nullopt;
  return text;
}

/// What /key/list is asked for.
struct Listing {
  KeyQuery query;
  bool whole = false, with_user = false, deleted = false;
  bool team_keys = false, created_by_keys = false;
};

Status read_flags(const Context& context, Listing& listing) {
  const struct {
    std::string_view name;
    bool& into;
  } flags[] = {{"return_full_object", listing.whole},
               {"include_team_keys", listing.team_keys},
               {"include_created_by_keys", listing.created_by_keys}};
  for (const auto& flag : flags) {
    const Result<bool> value = query_flag(context, flag.name);
    if (!value) return base::fail(value.error());
    flag.into = *value;
  }
  const Result<std::string> expand = query_word(context, "expand", {"user"});
  if (!expand) return base::fail(expand.error());
  listing.with_user = !expand->empty();
  const Result<std::string> status = query_word(context, "status", {"deleted"});
  if (!status) return base::fail(status.error());
  listing.deleted = !status->empty();
  return {};
}

Result<Listing> read_listing(const Context& context) {
  constexpr std::uint64_t kPageMax = 1'000'000'000;
  Listing listing;
  KeyQuery& query = listing.query;
  const Result<std::uint64_t> page = query_count(context, "page", 1, 1, kPageMax);
  if (!page) return base::fail(page.error());
  const Result<std::uint64_t> size = query_count(context, "size", 10, 1, kPageSizeMax);
  if (!size) return base::fail(size.error());
  query.page = *page;
  query.size = *size;
  query.user_id = read_optional(context, "user_id");
  query.team_id = read_optional(context, "team_id");
  query.organization_id = read_optional(context, "organization_id");
  query.alias = read_optional(context, "key_alias");
  if (std::optional<std::string> hash = read_optional(context, "key_hash")) query.hash = hash_of_reference(*hash);
  if (query.hash && query.hash->empty()) return refuse_field("key_hash", "key_hash must be 64 hexadecimal digits.");
  if (std::optional<std::string> sort = read_optional(context, "sort_by")) {
    if (std::ranges::find(kSortable, *sort) == std::ranges::end(kSortable)) {
      return refuse_field("sort_by", "sort_by must be spend, max_budget, created_at, updated_at, token or key_alias.");
    }
    query.sort_by = std::move(*sort);
  }
  const Result<std::string> order = query_word(context, "sort_order", {"asc", "desc"});
  if (!order) return base::fail(order.error());
  query.ascending = *order == "asc";
  if (Status read = read_flags(context, listing); !read) return base::fail(std::move(read.error()));
  return listing;
}

Result<std::vector<std::string>> teams_administered(account::Records& records, const std::string& user_id) {
  Result<std::vector<account::Record>> memberships = records.all(account::kTeamMembers, "user_id", user_id);
  if (!memberships) return base::fail(std::move(memberships.error()));
  std::vector<std::string> teams;
  for (const account::Record& membership : *memberships) {
    if (membership.text("role") == "admin") teams.push_back(membership.text("team_id"));
  }
  return teams;
}

/// Cuts the question to what the caller may see.
Status cut_to(account::Records& records, const domain::Caller& caller, KeyQuery& query) {
  if (sees_everything(caller)) return {};
  if (caller.user_id.empty() || caller.handed_over) {  // A key behind which nobody stands sees itself.
    if (query.hash && *query.hash != caller.key_hash_hex)
      return forbid_field("key_hash", "A key without a user may list itself only.");
    query.hash = caller.key_hash_hex;
    return {};
  }
  if (query.team_id) {
    const KeyOwners of_team{{}, std::nullopt, query.team_id, std::nullopt};
    if (may_manage_key(records, caller, of_team, "/key/list")) return {};
    const auto member = records.find(account::kTeamMembers, *query.team_id, caller.user_id);
    if (!member) return base::fail(member.error());
    if (!*member) return forbid_field("team_id", "You are not a member of team " + *query.team_id + ".");
  } else if (query.organization_id && may_manage_organization(records, caller, *query.organization_id)) {
    return {};
  }
  if (query.user_id && *query.user_id != caller.user_id) {
    return forbid_field("user_id",
                        "You are not authorized to check another user's keys. Your user_id=" + caller.user_id);
  }
  query.user_id = caller.user_id;
  return {};
}

/// `include_team_keys` and `include_created_by_keys` widen a user's own keys.
Status widen(account::Records& records, const Listing& listing, KeyQuery& query) {
  if (!query.user_id || (!listing.team_keys && !listing.created_by_keys)) return {};
  KeyQuery::AnyOf any;
  any.user_id = query.user_id;
  if (listing.created_by_keys) any.created_by = query.user_id;
  if (listing.team_keys) {
    Result<std::vector<std::string>> teams = teams_administered(records, *query.user_id);
    if (!teams) return base::fail(std::move(teams.error()));
    any.team_ids = std::move(*teams);
  }
  query.any_of = std::move(any);
  query.user_id.reset();
  return {};
}

struct Found {
  std::vector<ShownKey> keys;
  std::vector<account::DeletedKey> deleted;
  std::uint64_t total = 0;
};

Status find_page(account::Records& records, const domain::Caller& caller, const Listing& listing, Found& found) {
  KeyQuery query = listing.query;
  if (Status cut = cut_to(records, caller, query); !cut) return cut;
  if (Status wider = widen(records, listing, query); !wider) return wider;
  if (listing.deleted) {
    Result<account::DeletedKeyPage> page = account::list_deleted_keys(records.transaction(), query);
    if (!page) return base::fail(std::move(page.error()));
    found.deleted = std::move(page->rows);
    found.total = page->total;
    return {};
  }
  Result<account::KeyPage> page = account::list_keys(records.transaction(), query);
  if (!page) return base::fail(std::move(page.error()));
  found.total = page->total;
  for (KeyRow& row : page->rows) {
    if (!listing.whole && !listing.with_user) {
      found.keys.push_back({std::move(row), std::nullopt, std::nullopt});
      continue;
    }
    Result<ShownKey> shown = show_key(records, std::move(row), listing.with_user);
    if (!shown) return base::fail(std::move(shown.error()));
    found.keys.push_back(std::move(*shown));
  }
  return {};
}

void write_deleted(json::Writer& writer, const account::DeletedKey& key) {
  writer.begin_object();
  json::Document body;
  if (body.parse(key.body_json)) {
    for (const json::Value::Pair member : body.root().members())
      writer.key(member.key.text().value_or("")).raw(member.value.raw());
  }
  writer.key("deleted_at").string(base::iso_time(key.deleted_us));
  writer.key("deleted_by").string(key.deleted_by).key("deleted_by_api_key").string(key.deleted_by_key);
  writer.end_object();
}

void write_keys(json::Writer& writer, const Context& context, const Listing& listing, const Found& found) {
  const bool whole = listing.whole || listing.with_user;
  writer.key("keys").begin_array();
  for (const ShownKey& key : found.keys) {
    if (!whole) {
      writer.string(key.row.hash);
      continue;
    }
    writer.begin_object();
    write_key(writer, key, live_spend(*context.gateway.ledger, key.row), true);
    writer.end_object();
  }
  for (const account::DeletedKey& key : found.deleted) {
    if (whole) {
      write_deleted(writer, key);
    } else {
      writer.string(key.hash);
    }
  }
  writer.end_array();
}

Status find_info(account::Records& records, const Context& context, const std::string& hash, ShownKey& found) {
  Result<std::optional<KeyRow>> row = account::find_key(records.transaction(), hash);
  if (!row) return base::fail(std::move(row.error()));
  const domain::Caller& caller = *context.caller;
  if (!*row) {
    // Whoever may not see every key is not told which exist.
    KeyOwners nobody;
    nobody.hash = hash;
    if (Status may = may_read_key(records, caller, nobody); !may) return may;
    Error error;
    error.kind = ErrorKind::NotFound;
    error.message = "Key not found in database";
    error.param = "key";
    return base::fail(std::move(error));
  }
  if (Status may = may_read_key(records, caller, owners_of(**row)); !may) return may;
  Result<ShownKey> shown = show_key(records, std::move(**row));
  if (!shown) return base::fail(std::move(shown.error()));
  found = std::move(*shown);
  return {};
}

}  // namespace

Task<Result<Reply>> list_keys(const Context& context) {
  Result<Listing> listing = read_listing(context);
  if (!listing) co_return base::fail(std::move(listing.error()));
  const auto found = std::make_shared<Found>();
  const Listing& asked = *listing;
  std::function<Status(account::Records&)> work = [&context, &asked, found](account::Records& records) -> Status {
    *found = {};
    return find_page(records, *context.caller, asked, *found);
  };
  if (Status done = co_await read_records(context, std::move(work)); !done)
    co_return base::fail(std::move(done.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  write_keys(writer, context, asked, *found);
  const std::uint64_t size = asked.query.size;
  writer.key("total_count").number(found->total);
  writer.key("current_page").number(asked.query.page);
  writer.key("total_pages").number((found->total + size - 1) / size);
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> list_key_aliases(const Context& context) {
  const auto aliases = std::make_shared<std::vector<std::string>>();
  std::function<Status(account::Records&)> work = [&context, aliases](account::Records& records) -> Status {
    const domain::Caller& caller = *context.caller;
    std::optional<KeyQuery::AnyOf> any;
    if (!sees_everything(caller)) {
      any.emplace();
      if (!caller.user_id.empty() && !caller.handed_over) {
        any->user_id = caller.user_id;
        Result<std::vector<std::string>> teams = teams_administered(records, caller.user_id);
        if (!teams) return base::fail(std::move(teams.error()));
        any->team_ids = std::move(*teams);
      }
    }
    Result<std::vector<std::string>> read = account::list_key_aliases(records.transaction(), any, kAliasesMax);
    if (!read) return base::fail(std::move(read.error()));
    *aliases = std::move(*read);
    return {};
  };
  if (Status done = co_await read_records(context, std::move(work)); !done)
    co_return base::fail(std::move(done.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("aliases").raw(json::write_list(*aliases)).end_object();
  Reply reply = private_json_reply(std::move(body));
  if (aliases->size() == kAliasesMax)
    http::add_field(reply.fields, "x-turnpike-truncated", std::to_string(kAliasesMax));
  co_return reply;
}

Task<Result<Reply>> key_info(const Context& context) {
  const std::string reference = context.request().query_value("key");
  const std::string hash = hash_of_reference(reference.empty() ? context.caller->key_hash_hex : reference);
  if (hash.empty()) {
    co_return refuse_field("key", "Say which key: /key/info?key=... with a key (\"sk-...\") or its hash.");
  }
  const auto found = std::make_shared<ShownKey>();
  std::function<Status(account::Records&)> work = [&context, &hash, found](account::Records& records) -> Status {
    return find_info(records, context, hash, *found);
  };
  if (Status done = co_await read_records(context, std::move(work)); !done)
    co_return base::fail(std::move(done.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("key").string(reference.empty() ? found->row.hash : reference).key("info").begin_object();
  write_key(writer, *found, live_spend(*context.gateway.ledger, found->row), false);
  writer.end_object().end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> key_infos(const Context& context) {
  std::vector<std::string> as_sent, hashes;
  {
    json::Document document;
    if (Status parsed = document.parse(context.request().body); !parsed)
      co_return base::fail(std::move(parsed.error()));
    const json::Value keys = document.root().find("keys");
    if (!keys || !keys.is(json::Kind::Array) || keys.elements().empty())
      co_return refuse_field("keys", "keys must be a list of keys or hashes with at least one element.");
    for (const json::Value element : keys.elements()) {
      std::string text = element.is(json::Kind::String) ? element.text().value_or("") : std::string();
      Result<std::string> hash = named_key(text);
      if (!hash) co_return refuse_field("keys", hash.error().message);
      if (hashes.size() == kInfosAtOnceMax) co_return refuse_field("keys", "keys may hold at most 500 elements.");
      as_sent.push_back(std::move(text));
      hashes.push_back(std::move(*hash));
    }
  }
  const auto found = std::make_shared<std::vector<ShownKey>>();
  std::function<Status(account::Records&)> work = [&context, &hashes, found](account::Records& records) -> Status {
    found->clear();
    for (const std::string& hash : hashes) {
      ShownKey key;
      Status read = find_info(records, context, hash, key);
      if (read) found->push_back(std::move(key));
      // Those that do not exist are left out, as in LiteLLM.
      if (!read && read.error().kind != ErrorKind::NotFound) return read;
    }
    return {};
  };
  if (Status done = co_await read_records(context, std::move(work)); !done)
    co_return base::fail(std::move(done.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("key").raw(json::write_list(as_sent)).key("info").begin_array();
  for (const ShownKey& key : *found) {
    writer.begin_object();
    write_key(writer, key, live_spend(*context.gateway.ledger, key.row), true);
    writer.end_object();
  }
  writer.end_array().end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
