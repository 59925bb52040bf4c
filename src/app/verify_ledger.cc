#include "app/verify_ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "app/fetch.h"
#include "app/open_ledger.h"
#include "app/snapshot.h"
#include "pipeline/call.h"
#include "proof/reconcile_export.h"
#include "proof/verify.h"
#include "proof/verify_bills.h"
#include "proof/verify_metrics.h"
#include "proof/verify_repair.h"

namespace turnpike::app {
namespace {

using proof::Check;

/// The gateway's own page, as whoever may see it.
class MetricsPage {
 public:
  MetricsPage(const Options& options, const OpenLedger& opened) : url_(options.verify.metrics_url) {
    const std::optional<std::string> variable = config::process_environment()("LITELLM_MASTER_KEY");
    const std::string key =
        opened.settings ? opened.settings->general.master_key.reveal() : variable.value_or(std::string());
    if (!key.empty()) fields_ = "Authorization: Bearer " + key + "\r\n";
  }
  Result<proof::SpendMetrics> read() {
    const Result<std::string> text = fetch_text(*threads_->all().front(), url_, fields_);
    if (!text) return base::fail(text.error().kind, url_ + ": " + text.error().message);
    const auto metrics = proof::read_spend_metrics(*text);
    if (!metrics) return base::fail(ErrorKind::Unavailable, url_ + ": these are no metrics of a gateway");
    return *metrics;
  }

 private:
  std::unique_ptr<net::IoThreads> threads_ = net::IoThreads::start(1);
  std::string url_, fields_;
};

/// V9. A call is in the journal a moment before it is counted: the second reading waits for it.
Result<Check> check_metrics(const Options& options, const OpenLedger& opened, const std::string& journal) {
  constexpr int kReadings = 20;
  constexpr std::chrono::milliseconds kPause{50};
  MetricsPage page(options, opened);
  const Result<proof::SpendMetrics> before = page.read();
  if (!before) return base::fail(before.error());
  const Result<Money> booked = proof::cost_since(*opened.database, journal, before->started_us);
  if (!booked) return base::fail(booked.error());
  Result<proof::SpendMetrics> after = page.read();
  for (int i = 1; i < kReadings && after && after->spent < *booked; ++i) {
    std::this_thread::sleep_for(kPause);
    after = page.read();
  }
  if (!after) return base::fail(after.error());
  return proof::check_spend(*before, *booked, *after);
}

/// As a gateway of this configuration would ask for them.
Result<proof::KnownPrices> known_prices(const config::SettingsRef& settings) {
  const std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(1);
  const Result<std::shared_ptr<const price::Catalogue>> table = load_catalogue(*threads->all().front());
  if (!table) return base::fail(table.error());
  proof::KnownPrices known;
  known.table_version = (*table)->version();
  const pipeline::SnapshotRef snapshot = make_snapshot(settings, *table, nullptr);
  for (const router::ModelGroupRef& group : snapshot->routing->groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (deployment->wildcard || deployment->prices == nullptr) continue;
      const price::Prices& prices = pipeline::prices_of(*deployment);
      const bool own =
          !deployment->price_overrides.empty() || !deployment->base_model.empty() || prices.host_factor_ppb != 0;
      known.deployments.try_emplace(deployment->id,
                                    proof::KnownPrices::Deployment{deployment->target.model, prices, own});
    }
  }
  return known;
}

Result<std::vector<Check>> verify(const Options& options) {
  std::optional<std::int64_t> since;
  if (!options.verify.since.empty()) {
    const Result<std::int64_t> day = proof::day_of(options.verify.since);
    if (!day) return base::fail(ErrorKind::InvalidRequest, "--since: " + day.error().message);
    since = *day;
  }
  const Result<OpenLedger> opened =
      open_ledger(options, options.verify.repair ? LedgerAccess::Write : LedgerAccess::Read);
  if (!opened) return base::fail(opened.error());
  if (options.verify.repair) {
    const auto repaired = proof::repair_aggregates(*opened->database);
    if (!repaired) return base::fail(repaired.error());
    fmt::print("Made anew: the sums of {} days, {} totals of accounts that were wrong.\n", repaired->days,
               repaired->windows);
  }
  std::string journal = options.verify.journal.empty() ? opened->journal : options.verify.journal;
  if (!std::filesystem::exists(journal)) {
    if (!options.verify.journal.empty()) return base::fail(ErrorKind::NotFound, "there is no journal at " + journal);
    journal.clear();
  }
  Result<std::vector<Check>> checks = proof::verify_ledger(*opened->database, journal, since);
  if (checks && opened->settings) {
    const Result<proof::KnownPrices> known = known_prices(opened->settings);
    if (!known) return base::fail(known.error());
    Result<Check> bills = proof::check_bills(*opened->database, *known, since);
    if (!bills) return base::fail(bills.error());
    checks->push_back(std::move(*bills));
  }
  if (!checks || options.verify.metrics_url.empty()) return checks;
  if (journal.empty()) return base::fail(ErrorKind::NotFound, "--metrics_url needs the journal of that gateway");
  Result<Check> counted = check_metrics(options, *opened, journal);
  if (!counted) return base::fail(counted.error());
  checks->push_back(std::move(*counted));
  return checks;
}

}  // namespace

int verify_ledger(const Options& options) {
  const Result<std::vector<Check>> checks = verify(options);
  if (!checks) {
    fmt::print(stderr, "turnpike ledger verify: {}\n", checks.error().message);
    return 2;
  }
  fmt::print("{}", proof::format_checks(*checks));
  return std::ranges::any_of(*checks, &Check::fails) ? 1 : 0;
}

}  // namespace turnpike::app
