#include "proof/verify_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "domain/call_record.h"
#include "journal/replay.h"

namespace turnpike::proof {
namespace {

using db::as_int;

constexpr std::string_view kSpend = "litellm_spend_metric_total";
constexpr std::string_view kStart = "process_start_time_seconds ";

/// "name{label="a b"} 0.5": the value behind the labels.
std::string_view value_of(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  return space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
}

/// Which entries of the journal the database has, and what those cost that began since then.
struct Stored {
  std::uint64_t shipped_no = 0;
  Money cost;
};

Result<Stored> read_stored_cost(db::Transaction& transaction, const std::string& journal_id, std::int64_t since_us) {
  const auto replica =
      transaction.run("SELECT replica_no, shipped_no FROM replica WHERE journal_id = $1", {journal_id});
  if (!replica) return base::fail(replica.error());
  if (replica->rows.empty()) return base::fail(ErrorKind::NotFound, "the database does not know the journal");
  const std::int64_t replica_no = as_int(replica->rows[0][0]);
  const std::int64_t first_day = since_us / base::kDayUs;
  const auto dropped =
      transaction.run("SELECT 1 FROM dropped_day WHERE replica_no = $1 AND day >= $2 LIMIT 1", {replica_no, first_day});
  if (!dropped) return base::fail(dropped.error());
  if (!dropped->rows.empty()) {
    return base::fail(ErrorKind::NotFound, "entries of this process have been dropped by retention");
  }
  const auto cost = transaction.run(
      "SELECT coalesce(sum(cost_nano), 0) FROM entry WHERE replica_no = $1 AND kind = 0 AND day >= $2 AND started_us "
      ">= "
      "$3 AND status <> $4",
      {replica_no, first_day, since_us, std::int64_t{static_cast<std::uint8_t>(domain::EntryStatus::Interrupted)}});
  if (!cost) return base::fail(cost.error());
  return Stored{static_cast<std::uint64_t>(as_int(replica->rows[0][1])), Money::from_nano(as_int(cost->rows[0][0]))};
}

}  // namespace

std::optional<SpendMetrics> read_spend_metrics(std::string_view page) {
  SpendMetrics metrics;
  bool begun = false;
  for (const std::string_view line : base::split(page, '\n')) {
    if (line.starts_with(kStart)) {
      const double seconds = std::strtod(std::string(value_of(line)).c_str(), nullptr);
      metrics.started_us = std::llround(seconds * 1e6);
      begun = true;
    }
    if (!line.starts_with(kSpend) || line.size() == kSpend.size()) continue;
    if (const char next = line[kSpend.size()]; next != '{' && next != ' ') continue;
    const auto spent = Money::parse(value_of(line));
    if (!spent) return std::nullopt;
    metrics.spent += *spent;
  }
  return begun ? std::optional(metrics) : std::nullopt;
}

Result<Money> cost_since(db::Database& database, const std::string& journal_dir, std::int64_t since_us) {
  const auto before = journal::list_segments(journal_dir);
  if (!before) return base::fail(before.error());
  const auto sound =
      std::ranges::find_if(*before, [](const journal::KeptSegment& segment) { return !segment.header_damaged; });
  if (sound == before->end()) return base::fail(ErrorKind::NotFound, "the journal holds nothing");
  Result<Stored> stored = base::fail(ErrorKind::Internal, "");
  const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
    stored = read_stored_cost(transaction, base::Id128{sound->header.journal_id}.to_string(), since_us);
    return stored ? Status() : base::fail(stored.error());
  });
  if (!read) return base::fail(read.error());
  // The journal may have gone on in another file meanwhile.
  const auto segments = journal::list_segments(journal_dir);
  if (!segments) return base::fail(segments.error());
  Money cost = stored->cost;
  const auto add = [&](std::uint64_t, std::string_view payload) {
    const auto row = journal::decode_row(payload);
    if (!row || row->numbers.started_us < since_us) return true;
    const bool interrupted = row->numbers.status == static_cast<std::uint8_t>(domain::EntryStatus::Interrupted);
    if (!interrupted) cost += Money::from_nano(row->numbers.cost_nano);
    return true;
  };
  const auto moved = journal::read_moved(*segments);
  if (!moved) return base::fail(moved.error());
  if (Status rest = journal::read_entries(*segments, stored->shipped_no + 1, UINT64_MAX, *moved, add); !rest) {
    return base::fail(rest.error());
  }
  return cost;
}

Check check_spend(const SpendMetrics& before, Money booked, const SpendMetrics& after) {
  Check result{"V9", "what the running gateway has counted since its start = its entries since then", true, {}};
  if (before.started_us != after.started_us) {
    result.agrees = false;
    result.warns = true;
    result.detail = "it was started anew meanwhile";
    return result;
  }
  result.agrees = before.spent <= booked && booked <= after.spent;
  const std::string counted = before.spent == after.spent
                                  ? before.spent.to_string()
                                  : fmt::format("{} to {}", before.spent.to_string(), after.spent.to_string());
  result.detail = fmt::format("{} counted, {} booked", counted, booked.to_string());
  return result;
}

}  // namespace turnpike::proof
