#include "ledger/ledger_metrics.h"

#include <fmt/format.h>

#include <atomic>
#include <iterator>
#include <string_view>

#include "base/clock.h"

namespace turnpike::ledger {
namespace {

class Page {
 public:
  explicit Page(std::string& out) : out_(out) {}

  void head(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <class Value>
  void line(std::string_view labels, Value value) {
    fmt::format_to(std::back_inserter(out_), "{}{} {}\n", name_, labels, value);
  }
  template <class Value>
  void part(std::string_view suffix, std::string_view labels, Value value) {
    fmt::format_to(std::back_inserter(out_), "{}{}{} {}\n", name_, suffix, labels, value);
  }
  template <class Value>
  void counter(std::string_view name, std::string_view help, const std::atomic<Value>& value) {
    head(name, "counter", help);
    line("", value.load(std::memory_order_relaxed));
  }
  template <class Value>
  void gauge(std::string_view name, std::string_view help, Value value) {
    head(name, "gauge", help);
    line("", value);
  }

 private:
  std::string& out_;
  std::string_view name_;
};

void budget_waits(Page& page, const LedgerCounters& counters) {
  page.head("turnpike_budget_wait_seconds", "histogram", "Calls that waited for leased money.");
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < std::size(kBudgetWaits); ++i) {
    count += counters.budget_waits[i].load(std::memory_order_relaxed);
    page.part("_bucket", fmt::format("{{le=\"{}\"}}", static_cast<double>(kBudgetWaits[i].count()) / 1e3), count);
  }
  count += counters.budget_waits[std::size(kBudgetWaits)].load(std::memory_order_relaxed);
  page.part("_bucket", "{le=\"+Inf\"}", count);
  page.part("_sum", "", static_cast<double>(counters.budget_wait_us.load(std::memory_order_relaxed)) / 1e6);
  page.part("_count", "", count);
}

double age_seconds(std::int64_t since_us) {
  return since_us == 0 ? 0.0 : static_cast<double>(base::unix_now_us() - since_us) / 1e6;
}

}  // namespace

void append_ledger_metrics(std::string& out, const LedgerCounters& counters, bool strict, bool journal_off) {
  Page page(out);
  page.counter("turnpike_entries_estimated_total", "Ledger entries whose usage we counted ourselves.",
               counters.entries_estimated);
  page.counter("turnpike_cost_unknown_total", "Ledger entries without a known price.", counters.cost_unknown);
  page.counter("turnpike_hold_dropped_total", "Holds destroyed without a settlement: a bug.", counters.hold_dropped);
  page.head("turnpike_hold_exceeded_total", "counter", "Calls that cost more than was held.");
  page.line(strict ? "{mode=\"strict\"}" : "{mode=\"default\"}", counters.hold_exceeded.load());
  page.counter("turnpike_budget_crossings_total", "Calls admitted with less budget left than their hold.",
               counters.crossings);
  page.head("turnpike_budget_refusals_total", "counter", "Calls refused for a budget, by whose and why.");
  page.line("{kind=\"key\",reason=\"spent\"}", counters.refused_spent.load());
  page.line("{kind=\"key\",reason=\"held\"}", counters.refused_held.load());
  page.line("{kind=\"key\",reason=\"unavailable\"}", counters.refused_unavailable.load());
  budget_waits(page, counters);
  page.head("turnpike_lease_operations_total", "counter", "What this replica said to the database about leased money.");
  page.line("{result=\"applied\"}", counters.lease_applied.load());
  page.line("{result=\"unknown\"}", counters.lease_unknown.load());
  page.line("{result=\"stale\"}", counters.lease_stale.load());
  page.counter("turnpike_lease_resyncs_total", "Times it was asked what is leased, since an answer was lost.",
               counters.lease_resyncs);
  page.counter("turnpike_lease_recalls_total", "Times others asked for what is free here.", counters.lease_recalls);
  page.gauge("turnpike_lease_free_nanodollars", "Leased to this replica and free.", counters.lease_free_nano.load());
  page.gauge("turnpike_lease_stuck_nanodollars", "Leased to replicas that have been silent for long.",
             counters.lease_stuck_nano.load());
  page.counter("turnpike_budget_alerts_total", "Budgets that have passed a threshold, each once per window.",
               counters.budget_alerts);
  page.head("turnpike_ship_batches_total", "counter", "Batches of entries on their way to the database.");
  page.line("{result=\"stored\"}", counters.ship_batches.load());
  page.line("{result=\"failed\"}", counters.ship_retries.load());
  page.head("turnpike_ship_retries_total", "counter", "Batches that had to be tried again.");
  for (std::size_t i = 0; i < db::kSqlClasses.size(); ++i) {
    const std::uint64_t count = counters.ship_retries_by[i].load();
    if (count > 0 || i == 0) page.line(fmt::format("{{sqlstate=\"{}\"}}", db::kSqlClasses[i]), count);
  }
  page.counter("turnpike_ledger_rejected_entries_total", "Entries the database refused: set aside, their money booked.",
               counters.rejected_rows);
  page.counter("turnpike_journal_full_total", "Calls refused and records kept in memory for want of journal.",
               counters.journal_full);
  page.gauge("turnpike_journal_bytes", "Bytes written to the journal.", counters.journal_bytes.load());
  page.gauge("turnpike_journal_unsafe", "1 while entries live in memory only.", journal_off || counters.unsafe ? 1 : 0);
  page.gauge("turnpike_ledger_unshipped_entries", "Entries not yet in the database.", counters.unshipped.load());
  page.gauge("turnpike_journal_oldest_unsynced_seconds", "Age of the oldest record a power cut would lose.",
             age_seconds(counters.oldest_unsynced_us.load()));
  page.gauge("turnpike_ledger_oldest_unshipped_seconds", "Age of the oldest entry not yet in the database.",
             age_seconds(counters.oldest_unshipped_us.load()));
}

}  // namespace turnpike::ledger
