#include "proof/reconcile_rows.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

#include "domain/call_record.h"
#include "json/document.h"

namespace turnpike::proof {
namespace {

using db::as_int;
using db::as_text;

constexpr std::int64_t kRowsAtOnce = 2000;
constexpr std::uint64_t kNotAnswered = domain::kMocked | domain::kReplayed;

// Day, model, deployment.
using Key = std::tuple<std::int64_t, std::string, std::string>;

std::uint64_t count(const db::Value& value) {
  return static_cast<std::uint64_t>(as_int(value));
}

Figures figures_of(const domain::Usage& usage) {
  using domain::Unit;
  Figures figures;
  figures.requests = 1;
  figures.input_tokens = usage.prompt_tokens();
  figures.cache_read_tokens = usage.of(Unit::CachedInputTokens);
  figures.cache_write_tokens = usage.of(Unit::CacheWriteTokens) + usage.of(Unit::CacheWrite1hTokens);
  figures.output_tokens = usage.completion_tokens();
  return figures;
}

class Reader {
 public:
  Reader(db::Transaction& transaction, const std::string& provider) : transaction_(transaction), provider_(provider) {}

  Status read_day(std::int64_t day) {
    if (Status plain = read_plain(day); !plain) return plain;
    return read_attempts(day);
  }

  /// What is left of a day whose rows are gone.
  Status read_sums(std::int64_t day) {
    const auto rows = transaction_.run(
        "SELECT model, deployment_id, sum(calls), sum(prompt_tokens), sum(completion_tokens), sum(cost_nano)"
        " FROM deployment_day WHERE day = $1 AND ($2 = '' OR provider = $2) AND provider <> ''"
        " GROUP BY model, deployment_id",
        {day, provider_});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      Figures& figures = line(day, as_text(row[0]), as_text(row[1])).figures;
      figures.requests += count(row[2]);
      figures.input_tokens += count(row[3]);
      figures.output_tokens += count(row[4]);
      figures.cost += Money::from_nano(as_int(row[5]));
    }
    return {};
  }

  std::vector<BookedLine> lines() {
    std::vector<BookedLine> all;
    for (auto& [key, one] : lines_) all.push_back(std::move(one));
    return all;
  }

 private:
  BookedLine& line(std::int64_t day, const std::string& model, const std::string& deployment) {
    const auto [at, fresh] = lines_.try_emplace(Key{day, model, deployment});
    if (fresh) {
      at->second.day = day;
      at->second.model = model;
      at->second.deployment_id = deployment;
    }
    return at->second;
  }

  /// Calls of one attempt: the database sums them up.
  Status read_plain(std::int64_t day) {
    const auto rows = transaction_.run(
        fmt::format("SELECT provider, model, deployment_id, model_group, count(*), sum(prompt_tokens),"
                    " sum(cache_read_tokens), sum(cache_write_tokens), sum(completion_tokens), sum(cost_nano),"
                    " sum(exposure_nano), sum(CASE WHEN exposure_nano <> 0 THEN 1 ELSE 0 END),"
                    " sum(CASE WHEN (marks & {}) <> 0 THEN 1 ELSE 0 END),"
                    " sum(CASE WHEN (marks & {}) <> 0 THEN 1 ELSE 0 END)"
                    " FROM entry WHERE day = $1 AND kind = 0 AND attempts IS NULL AND (marks & {}) = 0"
                    " AND deployment_id IS NOT NULL GROUP BY provider, model, deployment_id, model_group",
                    std::uint64_t{domain::kEstimated}, std::uint64_t{domain::kCostUnknown}, kNotAnswered),
        {day});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      auto target = target_of(row);
      if (!target) return base::fail(target.error());
      const auto& [provider, model] = *target;
      if (!provider_.empty() && provider != provider_) continue;
      BookedLine& booked = line(day, model, as_text(row[2]));
      booked.figures.add({count(row[4]), count(row[5]), count(row[6]), count(row[7]), count(row[8]),
                          Money::from_nano(as_int(row[9]))});
      booked.exposure += Money::from_nano(as_int(row[10]));
      booked.exposed_calls += count(row[11]);
      booked.estimated_calls += count(row[12]);
      booked.unpriced_calls += count(row[13]);
    }
    return {};
  }

  /// Provider and model. A call that ended with its process names its deployment only: what that one serves otherwise
  /// is where it went.
  Result<std::pair<std::string, std::string>> target_of(const db::Row& row) {
    if (!db::is_null(row[0])) return std::pair(as_text(row[0]), as_text(row[1]));
    const auto known = transaction_.run(
        "SELECT provider, model FROM deployment_day WHERE deployment_id = $1 AND model_group = $2 AND provider <> ''"
        " ORDER BY day DESC, model LIMIT 1",
        {as_text(row[2]), as_text(row[3])});
    if (!known) return base::fail(known.error());
    if (known->rows.empty()) return std::pair(provider_, as_text(row[3]));
    return std::pair(as_text(known->rows[0][0]), as_text(known->rows[0][1]));
  }

  /// Calls that name their attempts, some at a time.
  Status read_attempts(std::int64_t day) {
    std::int64_t replica_no = -1;
    std::int64_t entry_no = -1;
    for (;;) {
      const auto rows = transaction_.run(
          fmt::format("SELECT replica_no, entry_no, attempts, marks, exposure_nano FROM entry WHERE day = $1 AND"
                      " kind = 0 AND attempts IS NOT NULL AND (marks & {}) = 0 AND"
                      " (replica_no > $2 OR (replica_no = $2 AND entry_no > $3)) ORDER BY replica_no, entry_no"
                      " LIMIT {}",
                      kNotAnswered, kRowsAtOnce),
          {day, replica_no, entry_no});
      if (!rows) return base::fail(rows.error());
      for (const db::Row& row : rows->rows) take_attempts(day, row);
      if (rows->rows.size() < static_cast<std::size_t>(kRowsAtOnce)) return {};
      replica_no = as_int(rows->rows.back()[0]);
      entry_no = as_int(rows->rows.back()[1]);
    }
  }

  void take_attempts(std::int64_t day, const db::Row& row) {
    const std::string text = as_text(row[2]);
    json::Document document;
    if (!document.parse(text)) return;  // `ledger verify` names such a row.
    BookedLine* last = nullptr;
    for (const json::Value attempt : document.root().elements()) {
      const std::string provider = attempt.find("provider").text().value_or("");
      last = nullptr;
      if (provider.empty() || (!provider_.empty() && provider != provider_)) continue;
      last = &line(day, attempt.find("model").text().value_or(""), attempt.find("deployment_id").text().value_or(""));
      // What was refused is on no invoice.
      const bool answered = attempt.find("billed").boolean().value_or(false) || !attempt.find("error");
      if (!answered) continue;
      Figures figures = figures_of(usage_of(attempt.find("usage")));
      figures.cost = Money::parse(std::string(attempt.find("cost_nano").raw()) + "e-9").value_or(Money());
      last->figures.add(figures);
    }
    if (last == nullptr) return;
    const auto marks = static_cast<std::uint64_t>(as_int(row[3]));
    last->exposure += Money::from_nano(as_int(row[4]));
    last->exposed_calls += as_int(row[4]) != 0 ? 1 : 0;
    last->estimated_calls += (marks & domain::kEstimated) != 0 ? 1 : 0;
    last->unpriced_calls += (marks & domain::kCostUnknown) != 0 ? 1 : 0;
  }

  db::Transaction& transaction_;
  const std::string& provider_;
  std::map<Key, BookedLine> lines_;
};

}  // namespace

domain::Usage usage_of(const json::Value& usage) {
  domain::Usage made;
  for (std::size_t i = 0; i < domain::kUnitCount; ++i) {
    const auto unit = static_cast<domain::Unit>(i);
    if (const auto found = usage.find(domain::unit_name(unit)).whole()) made.set(unit, *found);
  }
  return made;
}

Result<BookedDays> read_booked(db::Database& database, const std::string& provider, std::int64_t first_day,
                               std::int64_t last_day) {
  BookedDays booked;
  const Status status = database.read_now([&](db::Transaction& transaction) -> Status {
    booked = {};
    const auto dropped = transaction.run(
        "SELECT DISTINCT day FROM dropped_day WHERE day BETWEEN $1 AND $2 ORDER BY day", {first_day, last_day});
    if (!dropped) return base::fail(dropped.error());
    for (const db::Row& row : dropped->rows) booked.summed.push_back(as_int(row[0]));
    const std::set<std::int64_t> summed(booked.summed.begin(), booked.summed.end());
    Reader reader(transaction, provider);
    for (std::int64_t day = first_day; day <= last_day; ++day) {
      Status read = summed.contains(day) ? reader.read_sums(day) : reader.read_day(day);
      if (!read) return read;
    }
    booked.lines = reader.lines();
    return {};
  });
  if (!status) return base::fail(status.error());
  return booked;
}

}  // namespace turnpike::proof
