#include "proof/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "base/id.h"
#include "journal/replay.h"
#include "ledger/ship_batch.h"
#include "proof/verify_equations.h"

namespace turnpike::proof {
namespace {

using db::as_int;
using db::as_text;

constexpr std::size_t kShownMax = 3;

Result<Check> check(db::Transaction& transaction, const Equation& equation) {
  Check result{equation.name, equation.what, true, {}};
  const auto counted = transaction.run(equation.count_sql, {});
  if (!counted) return base::fail(counted.error());
  const auto differing = transaction.run(equation.sql, {});
  if (!differing) return base::fail(differing.error());
  result.agrees = differing->rows.empty();
  result.warns = equation.warns && !result.agrees;
  if (result.agrees) {
    result.detail = fmt::format("{} compared", as_int(counted->rows.at(0).at(0)));
    return result;
  }
  result.detail = fmt::format("{} differ", differing->rows.size());
  for (std::size_t i = 0; i < std::min(differing->rows.size(), kShownMax); ++i) {
    const db::Row& row = differing->rows[i];
    result.detail +=
        fmt::format("; {}: {} on one side, {} on the other", as_text(row[0]), as_int(row[1]), as_int(row[2]));
  }
  return result;
}

/// V3: what the journal says of itself.
Check check_holds(const journal::Replay& replay) {
  Check whole{"V3", "every hold of the journal has one entry or belongs to a running call, and nothing is missing",
              true, fmt::format("{} open", replay.open_holds.size())};
  for (const auto& [from, to] : replay.gaps) {
    whole.agrees = false;
    whole.detail += fmt::format("; records {} to {} are missing", from, to);
  }
  for (const std::string& file : replay.damaged_files) {
    whole.agrees = false;
    whole.detail += fmt::format("; {} is damaged", file);
  }
  for (std::size_t i = 0; i < std::min(replay.doubled_holds.size(), kShownMax); ++i) {
    whole.detail += fmt::format("; hold {} has several entries", replay.doubled_holds[i]);
  }
  whole.agrees = whole.agrees && replay.doubled_holds.empty();
  return whole;
}

/// V10: no call takes this long, whatever its time limits are.
Check check_old_holds(const journal::Replay& replay, std::int64_t now_us) {
  constexpr std::int64_t kLongUs = 6 * 3600 * std::int64_t{1'000'000};
  Check young{"V10", "no hold has been open for six hours", true, {}};
  std::size_t old = 0;
  for (const journal::OpenHold& hold : replay.open_holds) {
    if (hold.facts.started_us >= now_us - kLongUs || ++old > kShownMax) continue;
    young.detail +=
        fmt::format("; call {} holds {}", hold.facts.call_id, (hold.facts.amount + hold.extended).to_string());
  }
  young.agrees = old == 0;
  young.warns = old > 0;
  young.detail = fmt::format("{} of {} open", old, replay.open_holds.size()) + young.detail;
  return young;
}

/// V2: the entries of kept segments against their rows, column by column.
class RowCheck {
 public:
  RowCheck(db::Transaction& transaction, std::int64_t replica_no)
      : transaction_(transaction), replica_no_(replica_no) {}

  /// Days whose rows may be gone.
  Status read_dropped() {
    const auto days = transaction_.run("SELECT day FROM dropped_day WHERE replica_no = $1", {replica_no_});
    if (!days) return base::fail(days.error());
    for (const db::Row& row : days->rows) dropped_.insert(as_int(row[0]));
    return {};
  }

  Status compare(std::uint64_t number, std::string_view payload) {
    const auto row = journal::decode_row(payload);
    if (!row) return {};  // A newer version's.
    ledger::entry_values(*row, replica_no_, values_);
    const auto stored = transaction_.run(
        "SELECT " + ledger::entry_columns() + " FROM entry WHERE day = $1 AND replica_no = $2 AND entry_no = $3",
        {row->day(), replica_no_, static_cast<std::int64_t>(number)});
    if (!stored) return base::fail(stored.error());
    ++compared_;
    if (stored->rows.empty() && dropped_.contains(row->day())) return {};
    if (stored->rows.empty()) {
      const auto set_aside = transaction_.run("SELECT 1 FROM entry_rejected WHERE replica_no = $1 AND entry_no = $2",
                                              {replica_no_, static_cast<std::int64_t>(number)});
      if (!set_aside) return base::fail(set_aside.error());
      if (set_aside->rows.empty()) differs(number, "no row");
      return {};
    }
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (stored->rows[0][i] == values_[i]) continue;
      differs(number, stored->columns[i] + " differs");
      return {};
    }
    return {};
  }

  Check result() const {
    return {"V2", "every shipped entry of a kept segment has its row, equal column by column", differing_ == 0,
            fmt::format("{} compared", compared_) + detail_};
  }

 private:
  void differs(std::uint64_t number, const std::string& how) {
    if (++differing_ <= kShownMax) detail_ += fmt::format("; entry {}: {}", number, how);
  }

  db::Transaction& transaction_;
  std::int64_t replica_no_;
  std::set<std::int64_t> dropped_;
  std::vector<db::Value> values_;
  std::uint64_t compared_ = 0, differing_ = 0;
  std::string detail_;
};

/// V2 and V3: the kept journal against the rows.
Status check_journal(db::Transaction& transaction, const std::string& journal_dir, std::vector<Check>& checks) {
  const auto replay = journal::replay_journal(journal_dir, true);
  if (!replay) return base::fail(replay.error());
  checks.push_back(check_holds(*replay));
  checks.push_back(check_old_holds(*replay, base::unix_now_us()));
  const auto sound = std::find_if(replay->segments.rbegin(), replay->segments.rend(),
                                  [](const journal::KeptSegment& segment) { return !segment.header_damaged; });
  if (sound == replay->segments.rend()) return {};
  const auto replica = transaction.run("SELECT replica_no, shipped_no FROM replica WHERE journal_id = $1",
                                       {base::Id128{sound->header.journal_id}.to_string()});
  if (!replica) return base::fail(replica.error());
  if (replica->rows.empty()) {
    checks.push_back({"V2", "the database knows the journal", false, "it does not"});
    return {};
  }
  const auto shipped_no = static_cast<std::uint64_t>(as_int(replica->rows[0][1]));
  RowCheck rows(transaction, as_int(replica->rows[0][0]));
  if (Status dropped = rows.read_dropped(); !dropped) return dropped;
  Status compared;
  const auto compare = [&](std::uint64_t number, std::string_view payload) {
    compared = rows.compare(number, payload);
    return compared.has_value();
  };
  const Status read = journal::read_entries(replay->segments, 1, shipped_no, replay->moved, compare);
  if (!compared) return compared;
  if (!read) return read;
  Check result = rows.result();
  if (replay->max_entry_no > shipped_no) {
    result.detail += fmt::format(", {} not shipped yet", replay->max_entry_no - shipped_no);
  }
  checks.push_back(std::move(result));
  return {};
}

}  // namespace

Result<std::vector<Check>> verify_ledger(db::Database& database, const std::string& journal_dir,
                                         std::optional<std::int64_t> since) {
  std::vector<Check> checks;
  const Dialect& dialect = dialect_of(database);
  const Status status = database.read_now([&](db::Transaction& transaction) -> Status {
    checks.clear();
    for (const Equation& equation : equations(dialect, since, base::unix_now_us())) {
      auto result = check(transaction, equation);
      if (!result) return base::fail(result.error());
      checks.push_back(std::move(*result));
    }
    if (journal_dir.empty()) return {};
    return check_journal(transaction, journal_dir, checks);
  });
  if (!status) return base::fail(status.error());
  return checks;
}

std::string format_checks(const std::vector<Check>& checks) {
  std::string text;
  std::size_t wrong = 0;
  for (const Check& item : checks) {
    const bool fails = !item.agrees && !item.warns;
    text += fmt::format("{} {:<4} {} ({})\n",
                        item.agrees ? "ok  "
                        : fails     ? "FAIL"
                                    : "warn",
                        item.name, item.what, item.detail);
    wrong += fails ? 1 : 0;
  }
  text += wrong == 0 ? "The ledger agrees with itself.\n" : fmt::format("{} equations do not hold.\n", wrong);
  return text;
}

}  // namespace turnpike::proof
