#include "ledger/replica_rows.h"

#include "base/clock.h"
#include "db/replica_state.h"
#include "db/write_off.h"

namespace turnpike::ledger {
namespace {

Result<std::optional<ReplicaRow>> read_row(db::Transaction& transaction, const std::string& journal_id) {
  const auto known =
      transaction.run("SELECT replica_no, epoch, shipped_no FROM replica WHERE journal_id = $1", {journal_id});
  if (!known) return base::fail(known.error());
  if (known->rows.empty()) return std::nullopt;
  const db::Row& row = known->rows.front();
  return ReplicaRow{db::as_int(row[0]), static_cast<std::uint64_t>(db::as_int(row[1])),
                    static_cast<std::uint64_t>(db::as_int(row[2])), journal_id};
}

}  // namespace

Result<std::optional<ReplicaRow>> read_replica(db::Database& database, const std::string& journal_id) {
  Result<std::optional<ReplicaRow>> known;
  const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
    known = read_row(transaction, journal_id);
    return known ? Status() : base::fail(known.error());
  });
  if (!read) return base::fail(read.error());
  return known;
}

Result<ReplicaRow> find_replica(db::Database& database, const std::string& journal_id, const std::string& host,
                                const std::string& version) {
  ReplicaRow replica;
  const Status status = database.transact_now([&](db::Transaction& transaction) -> Status {
    const auto known = read_row(transaction, journal_id);
    if (!known) return base::fail(known.error());
    replica = known->value_or(ReplicaRow{0, 0, 0, journal_id});
    if (*known) return {};
    const auto made = transaction.run(
        "INSERT INTO replica (replica_no, journal_id, host, version) SELECT coalesce(max(replica_no), 0) + 1, $1, $2, "
        "$3"
        " FROM replica RETURNING replica_no",
        {journal_id, host, version});
    if (!made) return base::fail(made.error());
    replica.replica_no = db::as_int(made->rows.at(0).at(0));
    return {};
  });
  if (!status) return base::fail(status.error());
  return replica;
}

Status register_epoch(db::Database& database, const ReplicaRow& replica, const std::string& host,
                      const std::string& version, const std::string& instance) {
  return database.transact_now([&](db::Transaction& transaction) -> Status {
    const auto moved = transaction.run(
        "UPDATE replica SET epoch = $2, host = $3, version = $4, state = $5, heartbeat_us = $6, instance = $7 WHERE"
        " replica_no = $1 AND (epoch < $2 OR (epoch = $2 AND instance = $7 AND instance <> ''))",
        {replica.replica_no, static_cast<std::int64_t>(replica.epoch), host, version, db::kReplicaLive,
         base::unix_now_us(), instance});
    if (!moved) return base::fail(moved.error());
    if (moved->changed == 1) return db::take_replica_back(transaction, replica.replica_no, base::unix_now_us());
    Error error;
    error.kind = ErrorKind::Unavailable;
    error.code = kSuperseded;
    error.message = "another gateway has taken this journal over: give this one a journal directory of its own";
    return base::fail(std::move(error));
  });
}

Status hear_clock(db::Database& database, LedgerClock& clock) {
  constexpr int kTimes = 3;  // One may be slow.
  return database.read_now([&](db::Transaction& transaction) -> Status {
    for (int i = 0; i < kTimes; ++i) {
      const std::int64_t sent_us = clock.wall_us();
      const auto now = transaction.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", {});
      if (!now) return base::fail(now.error());
      clock.heard(db::as_int(now->rows.at(0).at(0)), sent_us, clock.wall_us());
    }
    return {};
  });
}

Status retire_replica(db::Database& database, const ReplicaRow& replica) {
  return database.append_now([&](db::Transaction& transaction) -> Status {
    const auto moved =
        transaction.run("UPDATE replica SET state = $3 WHERE replica_no = $1 AND epoch = $2",
                        {replica.replica_no, static_cast<std::int64_t>(replica.epoch), db::kReplicaStopped});
    if (!moved) return base::fail(moved.error());
    if (moved->changed == 0) return {};
    const auto silent =
        transaction.run("UPDATE replica_lease SET alive_us = 0 WHERE replica_no = $1", {replica.replica_no});
    return silent ? Status() : base::fail(silent.error());
  });
}

}  // namespace turnpike::ledger
