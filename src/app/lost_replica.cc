#include "app/lost_replica.h"

#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "app/host_name.h"
#include "app/open_ledger.h"
#include "app/version.h"
#include "base/clock.h"
#include "db/replica_state.h"
#include "db/write_off.h"
#include "journal/journal_dir.h"
#include "ledger/ledger.h"
#include "ledger/replica_rows.h"

namespace turnpike::app {
namespace {

constexpr std::chrono::seconds kPatience{30};

int refuse(std::string_view command, const std::string& why) {
  fmt::print(stderr, "turnpike ledger {}: {}\n", command, why);
  return 2;
}

std::string words_of(const Error& error) {
  return error.detail.empty() ? error.message : error.message + " (" + error.detail + ")";
}

struct Sign {
  std::string host;
  std::int64_t alive_us = 0;  // The database's clock.
  std::int64_t state = db::kReplicaLive;
};

/// Nothing: the database does not know the replica.
Result<std::optional<Sign>> read_sign(db::Database& database, std::int64_t replica_no) {
  std::optional<Sign> sign;
  const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
    const auto rows = transaction.run(
        "SELECT r.host, coalesce(p.alive_us, 0), r.state FROM replica r LEFT JOIN"
        " replica_lease p ON p.replica_no = r.replica_no WHERE r.replica_no = $1 AND r.replica_no > 0",
        {replica_no});
    if (!rows) return base::fail(rows.error());
    sign.reset();
    if (rows->rows.empty()) return {};
    const db::Row& row = rows->rows.front();
    sign = Sign{db::as_text(row[0]), db::as_int(row[1]), db::as_int(row[2])};
    return {};
  });
  if (!read) return base::fail(read.error());
  return sign;
}

/// What it says of itself twice a second, it says no more. Errors: it is alive, or not known.
Result<Sign> find_silent(db::Database& database, std::int64_t replica_no) {
  constexpr std::chrono::milliseconds kListen{1500};
  Result<std::optional<Sign>> before = read_sign(database, replica_no);
  if (!before) return base::fail(before.error());
  if (!*before) return base::fail(ErrorKind::NotFound, fmt::format("there is no replica {}", replica_no));
  std::this_thread::sleep_for(kListen);
  Result<std::optional<Sign>> after = read_sign(database, replica_no);
  if (!after) return base::fail(after.error());
  if (*after && (*after)->alive_us != (*before)->alive_us) {
    return base::fail(
        ErrorKind::Unavailable,
        fmt::format("replica {} is alive on {}: only one that is gone for good may be given up; stop it first",
                    replica_no, (*after)->host));
  }
  return std::move(**before);
}

/// DIR itself, or a data directory with the journal in it. Empty: neither.
std::string journal_of(const std::string& directory) {
  for (const std::string& path : {directory, directory + "/journal"}) {
    if (std::filesystem::exists(path + "/identity")) return path;
  }
  return {};
}

/// Who wrote the journal, as the database knows it; 0: it does not.
Result<std::int64_t> owner_of(db::Database& database, const std::string& journal) {
  const Result<journal::JournalDirectory> directory = journal::JournalDirectory::take(journal);
  if (!directory) return base::fail(directory.error());
  const auto row = ledger::read_replica(database, directory->journal_id_text());
  if (!row) return base::fail(row.error());
  return *row ? (*row)->replica_no : 0;
}

Result<std::string> adopt(const Options& options, const std::string& journal) {
  const Result<OpenLedger> opened = open_ledger(options, LedgerAccess::Write);
  if (!opened) return base::fail(opened.error());
  db::Database& database = *opened->database;
  const Result<std::int64_t> owner = owner_of(database, journal);
  if (!owner) return base::fail(owner.error());
  if (*owner != 0) {
    if (const Result<Sign> silent = find_silent(database, *owner); !silent) return base::fail(silent.error());
  }
  ledger::LedgerOptions made;
  made.journal_dir = journal;
  made.is_shared = database.is_shared();
  made.strict = opened->settings && opened->settings->turnpike.budget_mode == config::BudgetMode::Strict;
  made.host = host_name();
  made.version = TURNPIKE_VERSION;
  Result<std::unique_ptr<ledger::Ledger>> ledger = ledger::Ledger::open(std::move(made), database);
  if (!ledger) return base::fail(ledger.error());
  const std::uint64_t closed = (*ledger)->counters().interrupted_at_start.load();
  (*ledger)->close(kPatience);
  ledger->reset();
  const Result<std::int64_t> replica_no = owner_of(database, journal);
  if (!replica_no) return base::fail(replica_no.error());
  const Result<std::optional<Sign>> sign = read_sign(database, *replica_no);
  if (!sign) return base::fail(sign.error());
  if (!*sign || (*sign)->state != db::kReplicaStopped)
    return base::fail(ErrorKind::Unavailable, "the database did not take everything: run it again");
  std::string how = fmt::format(
      "The journal of replica {} is finished: {} calls that were open are booked, everything "
      "is in the database, and its leases are returned.\n",
      *replica_no, closed);
  // What the accounts say of themselves is in the database.
  if (closed > 0 && !opened->settings)
    how += "Without --config budget_mode was not known: only calls of strict budgets were booked with all they held.\n";
  if (Status marked = journal::JournalDirectory::mark_finished(journal, how); !marked)
    return base::fail(std::move(marked.error()));
  return how;
}

}  // namespace

int forget_replica(const Options& options) {
  const Result<OpenLedger> opened = open_ledger(options, LedgerAccess::Write);
  if (!opened) return refuse("forget", words_of(opened.error()));
  db::Database& database = *opened->database;
  if (!database.is_shared()) return refuse("forget", "on SQLite there is one process, and nothing is leased to others");
  const Result<Sign> silent = find_silent(database, options.lost.replica_no);
  if (!silent) return refuse("forget", words_of(silent.error()));
  std::optional<db::Forgotten> forgotten;
  const Status done = database.transact_now([&](db::Transaction& transaction) -> Status {
    auto tried = db::forget_replica(transaction, options.lost.replica_no, options.lost.release,
                                    "turnpike ledger forget", base::unix_now_us());
    if (!tried) return base::fail(std::move(tried.error()));
    forgotten = *tried;
    return {};
  });
  if (!done) return refuse("forget", words_of(done.error()));
  if (!forgotten) return refuse("forget", fmt::format("there is no replica {}", options.lost.replica_no));
  if (forgotten->before) {
    fmt::print("Replica {} on {} was forgotten before; nothing has changed.\n", options.lost.replica_no, silent->host);
    return 0;
  }
  const bool reclaimed = silent->state == db::kReplicaReclaimed;
  const auto shown = [](Money money, std::int64_t tokens) {
    return fmt::format("${}{}", money.to_string(), tokens == 0 ? "" : fmt::format(" and {} tokens", tokens));
  };
  fmt::print("Replica {} on {}{} is forgotten: {} written off, {} free again, on {} budgets.\n",
             options.lost.replica_no, silent->host, reclaimed ? ", from which was taken what it had free," : "",
             shown(forgotten->written_off, forgotten->tokens_written_off),
             shown(forgotten->freed, forgotten->tokens_freed), forgotten->budgets);
  return 0;
}

int adopt_journal(const Options& options) {
  const std::string journal = journal_of(options.lost.directory);
  if (journal.empty()) return refuse("adopt", "there is no journal in " + options.lost.directory);
  if (journal::JournalDirectory::is_finished(journal)) {
    fmt::print("The journal in {} was finished before; nothing has changed.\n", journal);
    return 0;
  }
  const Result<std::string> done = adopt(options, journal);
  if (!done) return refuse("adopt", words_of(done.error()));
  fmt::print("{}", *done);
  return 0;
}

}  // namespace turnpike::app
