#include "ledger/ship_batch.h"

#include <fmt/format.h>

#include <map>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/text.h"
#include "ledger/ship_sums.h"

namespace turnpike::ledger {
namespace {

using db::Value;

constexpr std::int64_t kInstanceLive = 0, kInstanceStopped = 1;

constexpr std::string_view kNumberColumns =
    "day, replica_no, entry_no, kind, started_us, first_byte_us, ended_us, upstream_us, status, http_status, marks, "
    "cost_nano, saved_nano, exposure_nano, provider_cost_nano, held_nano, prompt_tokens, completion_tokens, "
    "cache_read_tokens, cache_write_tokens, reasoning_tokens, operation, stream, retries, fallbacks, request_bytes, "
    "reply_bytes, accounts";
constexpr std::size_t kNumberColumnCount = 28;

const std::string& insert_entry() {
  static const std::string sql = [] {
    std::string places;
    for (std::size_t i = 1; i <= kNumberColumnCount + journal::kTextCount; ++i) {
      places += fmt::format("{}${}", i == 1 ? "" : ", ", i);
    }
    return fmt::format("INSERT INTO entry ({}) VALUES ({}) ON CONFLICT (day, replica_no, entry_no) DO NOTHING",
                       entry_columns(), places);
  }();
  return sql;
}

void set_text(Value& value, std::string_view text) {
  if (text.empty()) {
    value = std::monostate{};
  } else if (auto* known = std::get_if<std::string>(&value)) {
    known->assign(text);  // Keeps its buffer from row to row.
  } else {
    value.emplace<std::string>(text);
  }
}

/// One try at the whole batch. A row that cannot be stored ends it and is named in `bad`.
class Shipping {
 public:
  Shipping(const ShipBatch& batch, const std::map<std::size_t, std::string>& rejected, bool one_by_one)
      : batch_(batch), rejected_(rejected), one_by_one_(one_by_one) {}

  Status run(db::Transaction& transaction) {
    outcome = {};
    bad.reset();
    fault::kill_at("ship.before_begin");
    const auto moved = transaction.run(
        "UPDATE replica SET shipped_no = $1, heartbeat_us = $2 WHERE replica_no = $3 AND epoch = $4 AND shipped_no "
        "BETWEEN $5 AND $1",
        {as_signed(batch_.last_no), base::unix_now_us(), batch_.replica_no, as_signed(batch_.epoch),
         as_signed(batch_.first_no) - 1});
    if (!moved) return base::fail(moved.error());
    if (moved->changed == 0) return look(transaction);
    outcome.stored_no = batch_.last_no;

    ShipSums sums;
    const bool together = transaction.prefers_many() && !one_by_one_;
    if (const Status stored = together ? store_together(transaction, sums) : store_each(transaction, sums); !stored) {
      return stored;
    }
    if (const Status written = sums.write(transaction, batch_.replica_no); !written) return written;
    Result<std::vector<BudgetAlert>> alerts = raise_alerts(transaction, sums.windows(), base::unix_now_us());
    if (!alerts) return base::fail(std::move(alerts.error()));
    outcome.alerts = std::move(*alerts);
    for (const char* point : {"ship.deadlock", "ship.serialization"}) {
      if (fault::at(point)) return base::fail(ErrorKind::Unavailable, std::string("armed fault ") + point);
    }
    fault::kill_at("ship.before_commit");
    return {};
  }

  ShipOutcome outcome;
  std::optional<std::size_t> bad;
  std::string bad_reason;

 private:
  static std::int64_t as_signed(std::uint64_t number) { return static_cast<std::int64_t>(number); }

  /// Why nothing was moved: shipped before, superseded, or a database that lost commits.
  Status look(db::Transaction& transaction) {
    const auto rows =
        transaction.run("SELECT epoch, shipped_no FROM replica WHERE replica_no = $1", {batch_.replica_no});
    if (!rows) return base::fail(rows.error());
    if (rows->rows.empty() || db::as_int(rows->rows[0][0]) > as_signed(batch_.epoch)) {
      outcome.kind = ShipOutcome::Kind::Superseded;
      return {};
    }
    outcome.stored_no = static_cast<std::uint64_t>(db::as_int(rows->rows[0][1]));
    if (outcome.stored_no < batch_.last_no) outcome.kind = ShipOutcome::Kind::Behind;
    if (db::as_int(rows->rows[0][0]) == as_signed(batch_.epoch)) return {};
    // The commit of this very start is lost too.
    const auto again = transaction.run("UPDATE replica SET epoch = $2 WHERE replica_no = $1 AND epoch < $2",
                                       {batch_.replica_no, as_signed(batch_.epoch)});
    return again ? Status() : base::fail(again.error());
  }

  Status store_each(db::Transaction& transaction, ShipSums& sums) {
    std::vector<Value> values;
    for (std::size_t i = 0; i < batch_.payloads.size(); ++i) {
      if (const Status stored = store(transaction, i, sums, values); !stored) return stored;
    }
    return {};
  }

  /// All rows in few statements. Whatever is wrong with one is found when they are stored one by one.
  Status store_together(db::Transaction& transaction, ShipSums& sums) {
    db::NewRows fresh;
    fresh.table = "entry";
    fresh.columns = base::split(entry_columns(), ',');
    for (std::string_view& column : fresh.columns) column = base::trim(column);
    fresh.keys = 3;
    std::vector<journal::EntryRow> rows;
    for (std::size_t i = 0; i < batch_.payloads.size(); ++i) {
      const auto row = journal::decode_row(batch_.payloads[i]);
      if (!row || rejected_.contains(i)) return base::fail(ErrorKind::Internal, "a row cannot be stored");
      if (fault::at("ship.bad_row")) return name_bad(i, "armed fault");
      rows.push_back(*row);
      entry_values(*row, batch_.replica_no, fresh.rows.emplace_back());
    }
    const auto inserted = transaction.insert_new(fresh);
    if (!inserted) return base::fail(inserted.error());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if ((*inserted)[i]) sums.add(rows[i]);
    }
    return {};
  }

  Status store(db::Transaction& transaction, std::size_t i, ShipSums& sums, std::vector<Value>& values) {
    const auto row = journal::decode_row(batch_.payloads[i]);
    const auto known_bad = rejected_.find(i);
    if (!row || known_bad != rejected_.end()) {
      return reject(transaction, i, row, row ? known_bad->second : "not a row of this version", sums);
    }
    if (fault::at("ship.bad_row")) return name_bad(i, "armed fault");
    entry_values(*row, batch_.replica_no, values);
    const auto inserted = transaction.run(insert_entry(), values);
    if (!inserted) {
      if (inserted.error().kind == ErrorKind::Unavailable) return base::fail(inserted.error());
      return name_bad(i, inserted.error().message + ": " + inserted.error().detail);
    }
    if (inserted->changed == 1) sums.add(*row);
    return {};
  }

  Status name_bad(std::size_t i, std::string reason) {
    bad = i;
    bad_reason = std::move(reason);
    return base::fail(ErrorKind::Internal, "a row cannot be stored");
  }

  Status reject(db::Transaction& transaction, std::size_t i, const std::optional<journal::EntryRow>& row,
                const std::string& reason, ShipSums& sums) {
    const std::string_view payload = batch_.payloads[i];
    const auto done = transaction.run(
        "INSERT INTO entry_rejected (replica_no, entry_no, cost_nano, accounts, body, reason, rejected_us)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (replica_no, entry_no) DO NOTHING",
        {batch_.replica_no, as_signed(batch_.first_no + i), row ? row->numbers.cost_nano : std::int64_t{0},
         row ? journal::accounts_json(row->accounts) : std::string("[]"),
         base::to_hex({reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()}), reason,
         base::unix_now_us()});
    if (!done) return base::fail(done.error());
    if (done->changed == 0) return {};  // Set aside before, its money is booked.
    if (row) sums.add(*row);
    ++outcome.rejected;
    return {};
  }

  const ShipBatch& batch_;
  const std::map<std::size_t, std::string>& rejected_;
  const bool one_by_one_;
};

}  // namespace

const std::string& entry_columns() {
  static const std::string columns = [] {
    std::string names(kNumberColumns);
    for (std::size_t i = 0; i < journal::kTextCount; ++i)
      names += fmt::format(", {}", journal::text_column(static_cast<journal::Text>(i)));
    return names;
  }();
  return columns;
}

void entry_values(const journal::EntryRow& row, std::int64_t replica_no, std::vector<Value>& values) {
  const journal::EntryNumbers& n = row.numbers;
  const auto number = [](auto value) { return Value(static_cast<std::int64_t>(value)); };
  values.resize(kNumberColumnCount + journal::kTextCount);
  std::size_t i = 0;
  values[i++] = row.day();
  values[i++] = replica_no;
  values[i++] = number(n.entry_no);
  values[i++] = number(n.kind);
  values[i++] = n.started_us;
  values[i++] = n.first_byte_us != 0 ? Value(n.first_byte_us) : Value();
  values[i++] = n.ended_us;
  values[i++] = n.upstream_us;
  values[i++] = number(n.status);
  values[i++] = number(n.http_status);
  values[i++] = number(n.marks);
  values[i++] = n.cost_nano;
  values[i++] = n.saved_nano;
  values[i++] = n.exposure_nano;
  values[i++] = n.provider_cost_nano != INT64_MIN ? Value(n.provider_cost_nano) : Value();
  values[i++] = n.held_nano;
  values[i++] = number(n.prompt_tokens);
  values[i++] = number(n.completion_tokens);
  values[i++] = number(n.cache_read_tokens);
  values[i++] = number(n.cache_write_tokens);
  values[i++] = number(n.reasoning_tokens);
  values[i++] = number(n.operation);
  values[i++] = number(n.stream);
  values[i++] = number(n.retries);
  values[i++] = number(n.fallbacks);
  values[i++] = number(n.request_bytes);
  values[i++] = number(n.reply_bytes);
  set_text(values[i++], journal::accounts_json(row.accounts));
  for (const std::string_view text : row.texts) set_text(values[i++], text);
}

Result<ReplicaRow> find_replica(db::Database& database, const std::string& journal_id, const std::string& host,
                                const std::string& version) {
  ReplicaRow replica;
  const Status status = database.transact_now([&](db::Transaction& transaction) -> Status {
    const auto known =
        transaction.run("SELECT replica_no, epoch, shipped_no FROM replica WHERE journal_id = $1", {journal_id});
    if (!known) return base::fail(known.error());
    if (!known->rows.empty()) {
      replica.replica_no = db::as_int(known->rows[0][0]);
      replica.epoch = static_cast<std::uint64_t>(db::as_int(known->rows[0][1]));
      replica.shipped_no = static_cast<std::uint64_t>(db::as_int(known->rows[0][2]));
      return {};
    }
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
        {replica.replica_no, static_cast<std::int64_t>(replica.epoch), host, version, kInstanceLive,
         base::unix_now_us(), instance});
    if (!moved) return base::fail(moved.error());
    if (moved->changed == 1) return {};
    Error error;
    error.kind = ErrorKind::Unavailable;
    error.code = kSuperseded;
    error.message = "another gateway has taken this journal over: give this one a journal directory of its own";
    return base::fail(std::move(error));
  });
}

Status retire_replica(db::Database& database, const ReplicaRow& replica) {
  return database.append_now([&](db::Transaction& transaction) -> Status {
    const auto moved =
        transaction.run("UPDATE replica SET state = $3 WHERE replica_no = $1 AND epoch = $2",
                        {replica.replica_no, static_cast<std::int64_t>(replica.epoch), kInstanceStopped});
    if (!moved) return base::fail(moved.error());
    if (moved->changed == 0) return {};
    const auto silent =
        transaction.run("UPDATE replica_lease SET alive_us = 0 WHERE replica_no = $1", {replica.replica_no});
    return silent ? Status() : base::fail(silent.error());
  });
}

Result<ShipOutcome> ship_batch(db::Database& database, const ShipBatch& batch) {
  std::map<std::size_t, std::string> rejected;
  for (bool one_by_one = false;; one_by_one = true) {
    Shipping shipping(batch, rejected, one_by_one);
    const Status status = database.append_now([&](db::Transaction& transaction) { return shipping.run(transaction); });
    if (status && fault::at("ship.commit_unknown")) return base::fail(ErrorKind::Unavailable, "armed fault");
    if (status) return std::move(shipping.outcome);
    if (!shipping.bad && (one_by_one || status.error().kind == ErrorKind::Unavailable)) {
      return base::fail(status.error());
    }
    if (!shipping.bad) continue;
    base::log(base::LogLevel::Error, "ledger: entry {} of replica {} cannot be stored and goes to entry_rejected: {}",
              batch.first_no + *shipping.bad, batch.replica_no, shipping.bad_reason);
    rejected.emplace(*shipping.bad, shipping.bad_reason);
  }
}

Status forget_stored(db::Database& database, const ReplicaRow& replica, std::uint64_t entry_no,
                     std::vector<journal::OpenHold>& holds) {
  return database.read_now([&](db::Transaction& transaction) -> Status {
    std::vector<bool> stored;
    for (const journal::OpenHold& hold : holds) {
      // A record id that equals the call id is stored once.
      const auto row = transaction.run(
          "SELECT 1 FROM entry WHERE replica_no = $1 AND entry_no > $2 AND (record_id = $3 OR (record_id IS NULL AND "
          "call_id = $3))",
          {replica.replica_no, static_cast<std::int64_t>(entry_no), hold.facts.record_id.to_string()});
      if (!row) return base::fail(row.error());
      stored.push_back(!row->rows.empty());
    }
    std::size_t at = 0;
    std::erase_if(holds, [&](const journal::OpenHold&) { return stored[at++]; });
    return {};
  });
}

}  // namespace turnpike::ledger
