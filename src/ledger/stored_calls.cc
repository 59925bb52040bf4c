#include "ledger/stored_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

#include "base/text.h"

namespace turnpike::ledger {
namespace {

/// 0: none has that record id.
Result<std::uint64_t> number_of_call(db::Transaction& transaction, std::int64_t replica_no, std::uint64_t above_no,
                                     const std::string& record_id) {
  // A record id that equals the call id is stored once. One look-up in each index.
  const auto rows = transaction.run(
      "SELECT entry_no FROM entry WHERE replica_no = $1 AND entry_no > $2 AND record_id = $3 UNION ALL SELECT entry_no"
      " FROM entry WHERE replica_no = $1 AND entry_no > $2 AND record_id IS NULL AND call_id = $3 LIMIT 1",
      {replica_no, static_cast<std::int64_t>(above_no), record_id});
  if (!rows) return base::fail(rows.error());
  return rows->rows.empty() ? 0 : static_cast<std::uint64_t>(db::as_int(rows->rows[0][0]));
}

/// Whether the row of the entry's own number is of its call.
Result<bool> is_stored_there(db::Transaction& transaction, std::int64_t replica_no, const journal::EntryRow& row,
                             std::string_view payload) {
  const auto entry_no = static_cast<std::int64_t>(row.numbers.entry_no);
  const auto there = transaction.run(
      "SELECT coalesce(record_id, call_id) FROM entry WHERE day = $1 AND replica_no = $2 AND entry_no = $3",
      {row.day(), replica_no, entry_no});
  if (!there) return base::fail(there.error());
  if (!there->rows.empty()) return db::as_text(there->rows[0][0]) == journal::record_id_of(row);
  const auto set_aside = transaction.run("SELECT body FROM entry_rejected WHERE replica_no = $1 AND entry_no = $2",
                                         {replica_no, entry_no});
  if (!set_aside) return base::fail(set_aside.error());
  return !set_aside->rows.empty() &&
         db::as_text(set_aside->rows[0][0]) ==
             base::to_hex({reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()});
}

Result<std::uint64_t> find_one(db::Transaction& transaction, std::int64_t replica_no, std::string_view payload) {
  const auto row = journal::decode_row(payload);
  if (!row) return 0;
  const Result<bool> there = is_stored_there(transaction, replica_no, *row, payload);
  if (!there) return base::fail(there.error());
  if (*there) return row->numbers.entry_no;
  const std::string record_id(journal::record_id_of(*row));
  return record_id.empty() ? Result<std::uint64_t>(0) : number_of_call(transaction, replica_no, 0, record_id);
}

}  // namespace

Result<std::vector<std::uint64_t>> find_stored(db::Database& database, std::int64_t replica_no,
                                               const std::vector<std::string_view>& payloads) {
  std::vector<std::uint64_t> numbers;
  const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
    numbers.clear();
    for (const std::string_view payload : payloads) {
      const Result<std::uint64_t> number = find_one(transaction, replica_no, payload);
      if (!number) return base::fail(number.error());
      numbers.push_back(*number);
    }
    return {};
  });
  if (!read) return base::fail(read.error());
  return numbers;
}

Status forget_stored(db::Database& database, std::int64_t replica_no, std::uint64_t entry_no,
                     std::vector<journal::OpenHold>& holds) {
  std::vector<bool> stored;
  const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
    stored.clear();
    for (const journal::OpenHold& hold : holds) {
      const Result<std::uint64_t> number =
          number_of_call(transaction, replica_no, entry_no, hold.facts.record_id.to_string());
      if (!number) return base::fail(number.error());
      stored.push_back(*number != 0);
    }
    return {};
  });
  if (!read) return read;
  std::size_t at = 0;
  std::erase_if(holds, [&](const journal::OpenHold&) { return stored[at++]; });
  return {};
}

Result<std::set<std::int64_t>> find_strict(db::Database& database, const std::vector<journal::OpenHold>& holds) {
  constexpr std::size_t kAtOnce = 1000;  // In one statement.
  std::set<std::int64_t> named, strict;
  for (const journal::OpenHold& hold : holds) {
    const journal::AccountPairs& accounts = hold.facts.accounts;
    for (std::size_t i = 0; i < accounts.count; ++i) named.insert(accounts.values[2 * i]);
  }
  const std::vector<std::int64_t> ids(named.begin(), named.end());
  const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
    strict.clear();
    for (std::size_t begin = 0; begin < ids.size(); begin += kAtOnce) {
      const std::span<const std::int64_t> part = std::span(ids).subspan(begin, std::min(kAtOnce, ids.size() - begin));
      const auto rows = transaction.run(
          fmt::format("SELECT account_id FROM account WHERE strict <> 0 AND account_id IN ({})", fmt::join(part, ", ")),
          {});
      if (!rows) return base::fail(rows.error());
      for (const db::Row& row : rows->rows) strict.insert(db::as_int(row[0]));
    }
    return {};
  });
  if (!read) return base::fail(read.error());
  return strict;
}

}  // namespace turnpike::ledger
