#include "db/escrow_rows.h"

#include <fmt/format.h>

namespace turnpike::db {
namespace {

constexpr std::int64_t kTightUs = 5'000'000;

/// Replicas write it with every heartbeat: nobody's own clock is asked.
Result<std::int64_t> database_time_us(Transaction& transaction, std::optional<std::int64_t> now_us) {
  if (now_us) return *now_us;
  const auto newest = transaction.run("SELECT coalesce(max(alive_us), 0) FROM replica_lease", {});
  if (!newest) return base::fail(newest.error());
  return as_int(newest->rows.at(0).at(0));
}

/// Tells of recalls: rows of (window, number).
Status tell_recalls(Transaction& transaction, std::int64_t account_id, const Rows& recalled) {
  for (const Row& row : recalled.rows) {
    const std::string text = fmt::format("c {} {} {}", account_id, as_int(row.at(0)), as_int(row.at(1)));
    if (Status told = transaction.notify(kMoneyChannel, text); !told) return told;
  }
  return {};
}

Status tell_edit(Transaction& transaction, std::int64_t account_id, std::int64_t window_id) {
  return transaction.notify(kMoneyChannel, fmt::format("v {} {}", account_id, window_id));
}

}  // namespace

Status set_escrow_limit(Transaction& transaction, std::int64_t account_id, std::optional<std::int64_t> limit_nano,
                        std::int64_t from_window, std::optional<std::int64_t> now_us) {
  const auto known = transaction.run("SELECT 1 FROM escrow WHERE account_id = $1 AND window_id >= $2 LIMIT 1",
                                     {account_id, from_window});
  if (!known) return base::fail(known.error());
  if (known->rows.empty()) return {};
  const Result<std::int64_t> time_us = database_time_us(transaction, now_us);
  if (!time_us) return base::fail(time_us.error());
  if (limit_nano) {
    const auto lowered = transaction.run(
        "UPDATE escrow SET limit_nano = $2, recall_no = recall_no + 1, tight_until_us = $4 WHERE account_id = $1 AND"
        " window_id >= $3 AND (limit_nano IS NULL OR limit_nano > $2) RETURNING window_id, recall_no",
        {account_id, *limit_nano, from_window, *time_us + kTightUs});
    if (!lowered) return base::fail(lowered.error());
    if (Status told = tell_recalls(transaction, account_id, *lowered); !told) return told;
  }
  const auto set = transaction.run("UPDATE escrow SET limit_nano = $2 WHERE account_id = $1 AND window_id >= $3",
                                   {account_id, limit_nano ? Value(*limit_nano) : Value(), from_window});
  return set ? tell_edit(transaction, account_id, from_window) : base::fail(set.error());
}

Status add_escrow_base(Transaction& transaction, std::int64_t account_id, std::int64_t window_id,
                       std::int64_t more_nano, std::optional<std::int64_t> now_us) {
  if (more_nano == 0) return {};
  const bool recalls = more_nano > 0;
  const Result<std::int64_t> time_us = database_time_us(transaction, now_us);
  if (!time_us) return base::fail(time_us.error());
  const auto moved = transaction.run(
      "UPDATE escrow SET base_nano = base_nano + $3, recall_no = recall_no + $4, tight_until_us = CASE WHEN $4 = 1 THEN"
      " $5 ELSE tight_until_us END WHERE account_id = $1 AND window_id = $2 RETURNING window_id, recall_no",
      {account_id, window_id, more_nano, std::int64_t{recalls}, *time_us + kTightUs});
  if (!moved) return base::fail(moved.error());
  if (moved->rows.empty()) return {};
  if (recalls) {
    if (Status told = tell_recalls(transaction, account_id, *moved); !told) return told;
  }
  return tell_edit(transaction, account_id, window_id);
}

}  // namespace turnpike::db
