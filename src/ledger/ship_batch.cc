#include "ledger/ship_batch.h"

#include <fmt/format.h>

#include <iterator>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/text.h"
#include "db/replica_state.h"
#include "db/write_off.h"
#include "ledger/ship_sums.h"

namespace turnpike::ledger {
namespace {

using db::Value;

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

/// One try at the whole batch.
class Shipping {
 public:
  /// `refused`: why the database does not take the only row, which is set aside; empty: it may take it.
  Shipping(const ShipBatch& batch, std::string_view refused) : batch_(batch), refused_(refused) {}

  Status run(db::Transaction& transaction) {
    outcome = {};
    fault::kill_at("ship.before_begin");
    const auto moved = transaction.run(
        "UPDATE replica SET shipped_no = $1, heartbeat_us = $2 WHERE replica_no = $3 AND epoch = $4 AND shipped_no "
        "BETWEEN $5 AND $1 AND journal_id = $6 RETURNING state",
        {as_signed(batch_.last_no), base::unix_now_us(), batch_.replica.replica_no, as_signed(batch_.replica.epoch),
         as_signed(batch_.first_no) - 1, batch_.replica.journal_id});
    if (!moved) return base::fail(moved.error());
    if (moved->rows.empty()) return look(transaction);
    if (db::is_given_up(db::as_int(moved->rows[0][0]))) {
      const Status back = db::take_replica_back(transaction, batch_.replica.replica_no, base::unix_now_us());
      if (!back) return back;
    }
    outcome.stored_no = batch_.last_no;

    ShipSums sums;
    if (const Status stored = store(transaction, sums); !stored) return stored;
    if (const Status written = sums.write(transaction, batch_.replica.replica_no); !written) return written;
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

 private:
  static std::int64_t as_signed(std::uint64_t number) { return static_cast<std::int64_t>(number); }

  /// Why nothing was moved: shipped before, superseded, or a database that lost commits.
  Status look(db::Transaction& transaction) {
    const auto rows = transaction.run("SELECT epoch, shipped_no FROM replica WHERE replica_no = $1 AND journal_id = $2",
                                      {batch_.replica.replica_no, batch_.replica.journal_id});
    if (!rows) return base::fail(rows.error());
    if (rows->rows.empty()) {
      outcome.kind = ShipOutcome::Kind::Forgotten;
      return {};
    }
    const std::int64_t epoch = as_signed(batch_.replica.epoch);
    const std::int64_t known_epoch = db::as_int(rows->rows[0][0]);
    if (known_epoch > epoch) {
      outcome.kind = ShipOutcome::Kind::Superseded;
      return {};
    }
    outcome.stored_no = static_cast<std::uint64_t>(db::as_int(rows->rows[0][1]));
    if (outcome.stored_no < batch_.last_no) outcome.kind = ShipOutcome::Kind::Behind;
    if (known_epoch == epoch) return {};
    // The commit of this very start is lost too.
    const auto again = transaction.run("UPDATE replica SET epoch = $2 WHERE replica_no = $1 AND epoch < $2",
                                       {batch_.replica.replica_no, epoch});
    return again ? Status() : base::fail(again.error());
  }

  /// Rows that nobody can store are set aside at once; of the others whatever is wrong with one is found by halves.
  Status store(db::Transaction& transaction, ShipSums& sums) {
    const bool together =
        transaction.prefers_many();  // Else a row is stored as it is read: a batch of them is megabytes.
    std::vector<journal::EntryRow> rows;
    if (together) rows.reserve(batch_.payloads.size());
    std::vector<Value> values;
    for (std::size_t i = 0; i < batch_.payloads.size(); ++i) {
      const auto row = journal::decode_row(batch_.payloads[i]);
      const std::string_view why = batch_.payloads[i].empty()  ? "neither the database nor the journal has it any more"
                                   : !row                      ? "not a row of this version"
                                   : fault::at("ship.bad_row") ? "armed fault"
                                                               : refused_;
      if (why.empty() && together) {
        rows.push_back(*row);
        continue;
      }
      const Status done =
          why.empty() ? store_one(transaction, *row, values, sums) : reject(transaction, i, row, why, sums);
      if (!done) return done;
    }
    return together ? store_together(transaction, rows, sums) : Status();
  }

  /// `values` is room that is used again.
  Status store_one(db::Transaction& transaction, const journal::EntryRow& row, std::vector<Value>& values,
                   ShipSums& sums) {
    entry_values(row, batch_.replica.replica_no, values);
    const auto inserted = transaction.run(insert_entry(), values);
    if (!inserted) return base::fail(inserted.error());
    if (inserted->changed == 1) sums.add(row);
    return {};
  }

  Status store_together(db::Transaction& transaction, const std::vector<journal::EntryRow>& rows, ShipSums& sums) {
    db::NewRows fresh;
    fresh.table = "entry";
    fresh.columns = base::split(entry_columns(), ',');
    for (std::string_view& column : fresh.columns) column = base::trim(column);
    fresh.keys = 3;
    for (const journal::EntryRow& row : rows) entry_values(row, batch_.replica.replica_no, fresh.rows.emplace_back());
    const auto inserted = transaction.insert_new(fresh);
    if (!inserted) return base::fail(inserted.error());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if ((*inserted)[i]) sums.add(rows[i]);
    }
    return {};
  }

  Status reject(db::Transaction& transaction, std::size_t i, const std::optional<journal::EntryRow>& row,
                std::string_view reason, ShipSums& sums) {
    const std::string_view payload = batch_.payloads[i];
    const auto done = transaction.run(
        "INSERT INTO entry_rejected (replica_no, entry_no, cost_nano, accounts, body, reason, rejected_us, tokens)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (replica_no, entry_no) DO NOTHING",
        {batch_.replica.replica_no, as_signed(batch_.first_no + i), row ? row->numbers.cost_nano : std::int64_t{0},
         row ? journal::accounts_json(row->accounts) : std::string("[]"),
         base::to_hex({reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()}), std::string(reason),
         base::unix_now_us(), row ? journal::tokens_of(row->numbers) : std::int64_t{0}});
    if (!done) return base::fail(done.error());
    if (row && done->changed == 1) sums.add(*row);  // Else it was set aside before, and its money is booked.
    const std::uint64_t number = batch_.first_no + i;
    outcome.rejected.add({1, number, number, Money::from_nano(row ? row->numbers.cost_nano : 0)});
    return {};
  }

  const ShipBatch& batch_;
  const std::string_view refused_;
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

namespace {

/// Half of the batch.
ShipBatch part_of(const ShipBatch& batch, std::size_t from, std::size_t count) {
  ShipBatch part;
  part.replica = batch.replica;
  part.first_no = batch.first_no + from;
  part.last_no = part.first_no + count - 1;
  const auto begin = batch.payloads.begin() + static_cast<std::ptrdiff_t>(from);
  part.payloads.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
  return part;
}

Result<ShipOutcome> ship_whole(db::Database& database, const ShipBatch& batch, std::string_view refused) {
  Shipping shipping(batch, refused);
  const Status status = database.append_now([&](db::Transaction& transaction) { return shipping.run(transaction); });
  if (!status) return base::fail(status.error());
  if (fault::at("ship.commit_unknown")) return base::fail(ErrorKind::Unavailable, "armed fault");
  return std::move(shipping.outcome);
}

void add_to(ShipOutcome& all, ShipOutcome more) {
  all.kind = more.kind;
  all.stored_no = more.stored_no;
  all.rejected.add(more.rejected);
  all.alerts.insert(all.alerts.end(), std::make_move_iterator(more.alerts.begin()),
                    std::make_move_iterator(more.alerts.end()));
}

}  // namespace

Result<ShipOutcome> ship_batch(db::Database& database, const ShipBatch& batch) {
  Result<ShipOutcome> outcome = ship_whole(database, batch, {});
  if (outcome || outcome.error().kind == ErrorKind::Unavailable) return outcome;
  const std::size_t rows = batch.payloads.size();
  if (rows == 1) {
    const std::string reason = outcome.error().message + ": " + outcome.error().detail;
    base::log(base::LogLevel::Error, "ledger: entry {} of replica {} cannot be stored and goes to entry_rejected: {}",
              batch.first_no, batch.replica.replica_no, reason);
    return ship_whole(database, batch, reason);
  }
  // One of them, or several: halves find out which.
  Result<ShipOutcome> first = ship_batch(database, part_of(batch, 0, rows / 2));
  if (!first || first->kind != ShipOutcome::Kind::Stored) return first;
  Result<ShipOutcome> second = ship_batch(database, part_of(batch, rows / 2, rows - rows / 2));
  if (!second) return second;
  add_to(*first, std::move(*second));
  return first;
}

}  // namespace turnpike::ledger
