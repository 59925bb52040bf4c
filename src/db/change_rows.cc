#include "db/change_rows.h"

namespace turnpike::db {
namespace {

constexpr std::int64_t kKeptUs = std::chrono::duration_cast<std::chrono::microseconds>(kChangesKept).count();
constexpr std::int64_t kPruneEvery = 256;  // Changes between two prunings.

}  // namespace

Status note_change(Transaction& transaction, std::string_view kind, std::string_view entity, std::int64_t now_us) {
  const auto counted = transaction.run("UPDATE change_counter SET change_no = change_no + 1 RETURNING change_no", {});
  if (!counted) return base::fail(counted.error());
  const std::int64_t number = as_int(counted->rows.at(0).at(0));
  const auto logged = transaction.run("INSERT INTO change_log (change_no, kind, entity, at_us) VALUES ($1, $2, $3, $4)",
                                      {number, std::string(kind), std::string(entity), now_us});
  if (!logged) return base::fail(logged.error());
  if (Status told = transaction.notify(kChangeChannel); !told) return told;
  if (number % kPruneEvery != 0) return {};
  const auto pruned = transaction.run("DELETE FROM change_log WHERE at_us < $1", {now_us - kKeptUs});
  if (!pruned) return base::fail(pruned.error());
  return {};
}

}  // namespace turnpike::db
