#include "router/stored_fallbacks.h"

#include <algorithm>
#include <array>

#include "db/change_rows.h"
#include "json/lists.h"

namespace turnpike::router {
namespace {

constexpr std::array<std::string_view, kFallbackLists> kNames = {"general", "context_window", "content_policy"};

std::int64_t number_of(FallbackList list) {
  return static_cast<std::int64_t>(list);
}

}  // namespace

std::string_view name_of(FallbackList list) {
  return kNames[static_cast<std::size_t>(list)];
}

std::optional<FallbackList> fallback_list_named(std::string_view name) {
  const auto at = std::ranges::find(kNames, name);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<FallbackList>(at - kNames.begin());
}

Task<Status> store_fallbacks(db::Database& database, StoredFallbacks fallbacks, std::string by, std::int64_t now_us) {
  std::function<Status(db::Transaction&)> work = [fallbacks = std::move(fallbacks), by = std::move(by),
                                                  now_us](db::Transaction& transaction) -> Status {
    const Result<db::Rows> done = transaction.run(
        "INSERT INTO fallback (model_group, list, targets, updated_by, updated_us) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (model_group, list) DO UPDATE SET targets = excluded.targets, updated_by = excluded.updated_by, "
        "updated_us = excluded.updated_us",
        {fallbacks.model, number_of(fallbacks.list), json::write_list(fallbacks.targets), by, now_us});
    if (!done) return base::fail(done.error());
    return db::note_change(transaction, "fallback", fallbacks.model, now_us);
  };
  co_return co_await database.transact(std::move(work));
}

Task<Status> forget_fallbacks(db::Database& database, std::string model, FallbackList list, std::int64_t now_us) {
  std::function<Status(db::Transaction&)> work = [model = std::move(model), list,
                                                  now_us](db::Transaction& transaction) -> Status {
    const Result<db::Rows> done =
        transaction.run("DELETE FROM fallback WHERE model_group = $1 AND list = $2", {model, number_of(list)});
    if (!done) return base::fail(done.error());
    return db::note_change(transaction, "fallback", model, now_us);
  };
  co_return co_await database.transact(std::move(work));
}

Result<std::vector<StoredFallbacks>> read_stored_fallbacks(db::Database& database) {
  std::vector<StoredFallbacks> stored;
  const Status read = database.read_now([&stored](db::Transaction& transaction) -> Status {
    stored.clear();
    const Result<db::Rows> rows =
        transaction.run("SELECT model_group, list, targets FROM fallback ORDER BY model_group, list", {});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      const std::int64_t list = db::as_int(row.at(1));
      if (list < 0 || list >= static_cast<std::int64_t>(kFallbackLists)) continue;  // A later version's.
      stored.push_back(
          {db::as_text(row.at(0)), static_cast<FallbackList>(list), json::read_list(db::as_text(row.at(2)))});
    }
    return {};
  });
  if (!read) return base::fail(read.error());
  return stored;
}

}  // namespace turnpike::router
