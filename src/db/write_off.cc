#include "db/write_off.h"

#include <fmt/format.h>

#include <algorithm>

#include "db/account_rows.h"
#include "db/escrow_rows.h"
#include "db/replica_state.h"

namespace turnpike::db {
namespace {

struct LeasedLine {
  std::int64_t account_id = 0, window_id = 0, granted_nano = 0, used_nano = 0, committed_nano = 0;
  bool in_tokens = false;
};

/// In the order in which everybody locks them: totals, escrows, leases.
Result<std::vector<LeasedLine>> lock_leases(Transaction& transaction, std::int64_t replica_no) {
  for (const std::string_view table : {"account_window", "escrow"}) {
    const auto locked = transaction.run(
        fmt::format("SELECT 1 FROM {} t JOIN lease l ON l.account_id = t.account_id AND l.window_id = t.window_id"
                    " WHERE l.replica_no = $1 ORDER BY t.account_id, t.window_id{}",
                    table, transaction.is_shared() ? " FOR UPDATE OF t" : ""),
        {replica_no});
    if (!locked) return base::fail(locked.error());
  }
  const auto rows = transaction.run(
      "SELECT l.account_id, l.window_id, l.granted_nano, l.used_nano, l.committed_nano, coalesce(a.kind, 0) FROM lease "
      "l"
      " JOIN escrow e ON e.account_id = l.account_id AND e.window_id = l.window_id LEFT JOIN account a ON a.account_id "
      "="
      " l.account_id WHERE l.replica_no = $1 ORDER BY 1, 2",
      {replica_no});
  if (!rows) return base::fail(rows.error());
  std::vector<LeasedLine> lines;
  for (const Row& row : rows->rows)
    lines.push_back({as_int(row[0]), as_int(row[1]), as_int(row[2]), as_int(row[3]), as_int(row[4]),
                     domain::counts_tokens(static_cast<std::int16_t>(as_int(row[5])))});
  return lines;
}

Status note_write_off(Transaction& transaction, std::int64_t replica_no, const LeasedLine& line, std::int64_t off_nano,
                      const std::string& by, std::int64_t now_us) {
  const auto noted = transaction.run(
      "INSERT INTO write_off (replica_no, account_id, window_id, nano) VALUES ($1, $2, $3, $4) ON CONFLICT"
      " (replica_no, account_id, window_id) DO UPDATE SET nano = write_off.nano + excluded.nano",
      {replica_no, line.account_id, line.window_id, off_nano});
  if (!noted) return base::fail(noted.error());
  DatabaseEntry entry;
  entry.account_id = line.account_id;
  entry.window_id = line.window_id;
  entry.nano = off_nano;
  entry.kind = EntryKind::WriteOff;
  entry.by = by;
  entry.reason = "written_off";
  return book_entry(transaction, entry, now_us);
}

/// What stays granted is used from now on, as far as anybody can know.
Status give_up(Transaction& transaction, std::int64_t replica_no, const LeasedLine& line, std::int64_t kept_nano) {
  const auto moved =
      transaction.run("UPDATE escrow SET granted_nano = granted_nano + $3 WHERE account_id = $1 AND window_id = $2",
                      {line.account_id, line.window_id, kept_nano - line.granted_nano});
  if (!moved) return base::fail(moved.error());
  const auto kept = transaction.run(
      "UPDATE lease SET granted_nano = $4, used_nano = $4, committed_nano = $4 WHERE account_id = $1 AND window_id = $2"
      " AND replica_no = $3",
      {line.account_id, line.window_id, replica_no, kept_nano});
  if (!kept) return base::fail(kept.error());
  return transaction.notify(kMoneyChannel, fmt::format("r {} {}", line.account_id, line.window_id));
}

}  // namespace

Result<std::optional<Forgotten>> forget_replica(Transaction& transaction, std::int64_t replica_no, bool release,
                                                const std::string& by, std::int64_t now_us) {
  Forgotten forgotten;
  const auto marked = transaction.run("UPDATE replica SET state = $2 WHERE replica_no = $1 AND state <> $2",
                                      {replica_no, kReplicaForgotten});
  if (!marked) return base::fail(marked.error());
  if (marked->changed == 0) {
    const auto known = transaction.run("SELECT 1 FROM replica WHERE replica_no = $1", {replica_no});
    if (!known) return base::fail(known.error());
    if (known->rows.empty()) return std::nullopt;
    forgotten.before = true;
    return forgotten;
  }
  const auto lines = lock_leases(transaction, replica_no);
  if (!lines) return base::fail(lines.error());
  for (const LeasedLine& line : *lines) {
    const std::int64_t kept_nano = release ? line.used_nano : std::max(line.used_nano, line.committed_nano);
    const std::int64_t off_nano = kept_nano - line.used_nano;
    if (line.granted_nano == kept_nano && off_nano == 0) continue;
    ++forgotten.budgets;
    const std::int64_t freed_nano = line.granted_nano - kept_nano;
    forgotten.written_off += Money::from_nano(line.in_tokens ? 0 : off_nano);
    forgotten.freed += Money::from_nano(line.in_tokens ? 0 : freed_nano);
    forgotten.tokens_written_off += line.in_tokens ? off_nano : 0;
    forgotten.tokens_freed += line.in_tokens ? freed_nano : 0;
    if (Status done = give_up(transaction, replica_no, line, kept_nano); !done) return base::fail(done.error());
    if (off_nano == 0) continue;
    if (Status noted = note_write_off(transaction, replica_no, line, off_nano, by, now_us); !noted)
      return base::fail(noted.error());
  }
  return forgotten;
}

Status take_replica_back(Transaction& transaction, std::int64_t replica_no, std::int64_t now_us) {
  const auto marked = transaction.run("UPDATE replica SET state = $2 WHERE replica_no = $1 AND state IN ($3, $4)",
                                      {replica_no, kReplicaLive, kReplicaReclaimed, kReplicaForgotten});
  if (!marked) return base::fail(marked.error());
  const auto rows = transaction.run("DELETE FROM write_off WHERE replica_no = $1 RETURNING account_id, window_id, nano",
                                    {replica_no});
  if (!rows) return base::fail(rows.error());
  for (const Row& row : rows->rows) {
    DatabaseEntry entry;
    entry.account_id = as_int(row[0]);
    entry.window_id = as_int(row[1]);
    entry.nano = -as_int(row[2]);
    entry.kind = EntryKind::WriteOff;
    entry.reason = "came_back";
    if (Status booked = book_entry(transaction, entry, now_us); !booked) return booked;
    const auto given_back = transaction.run(
        "UPDATE lease SET used_nano = used_nano + $4 WHERE account_id = $1 AND window_id = $2 AND replica_no = $3",
        {entry.account_id, entry.window_id, replica_no, entry.nano});
    if (!given_back) return base::fail(given_back.error());
  }
  return {};
}

}  // namespace turnpike::db
