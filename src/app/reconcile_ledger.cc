#include "app/reconcile_ledger.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "app/open_ledger.h"
#include "json/document.h"
#include "proof/reconcile.h"

namespace turnpike::app {
namespace {

constexpr std::size_t kReadAtOnce = 1 << 20;
constexpr std::int64_t kDaysMax = 3'700;

/// model_info.billed_to of each deployment that has one.
std::map<std::string, std::string> billed_accounts(const config::Settings& settings) {
  std::map<std::string, std::string> accounts;
  for (const config::ModelEntry& entry : settings.models) {
    json::Document document;
    if (!document.parse(entry.model_info_json)) continue;
    if (auto account = document.root().find("billed_to").text(); account && !account->empty()) {
      accounts[entry.id] = std::move(*account);
    }
  }
  return accounts;
}

Result<proof::ReconcileTerms> terms_of(const ReconcileOptions& asked) {
  const auto first = proof::day_of(asked.from);
  if (!first) return base::fail(ErrorKind::InvalidRequest, "--from: " + first.error().message);
  const auto last = proof::day_of(asked.to);
  if (!last) return base::fail(ErrorKind::InvalidRequest, "--to: " + last.error().message);
  if (*last < *first || *last - *first > kDaysMax) {
    return base::fail(ErrorKind::InvalidRequest, "--to: must be a day of the ten years that begin with --from");
  }
  proof::ReconcileTerms terms;
  terms.first_day = *first;
  terms.last_day = *last;
  terms.named_models_only = asked.provider == "csv" && asked.booked_as.empty();
  constexpr double kPpmOfPercent = 10'000;
  terms.tolerance_ppm = static_cast<std::uint64_t>(std::llround(asked.tolerance_percent * kPpmOfPercent));
  return terms;
}

/// The provider's name in the ledger; empty: any.
std::string booked_as(const ReconcileOptions& asked) {
  if (!asked.booked_as.empty() || asked.provider == "csv") return asked.booked_as;
  return asked.provider;
}

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) (void)std::fclose(file);
  }
};

Status read_export(const std::string& path, proof::Reconciliation& reconciliation) {
  const std::unique_ptr<std::FILE, CloseFile> file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"));
  if (!file) return base::fail(ErrorKind::NotFound, path + ": the file cannot be opened");
  proof::ExportReader reader([&](const proof::ExportLine& line) { return reconciliation.add(line); });
  std::string bytes(kReadAtOnce, '\0');
  Status status;
  while (status) {
    const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), file.get());
    if (got == 0) break;
    status = reader.feed(std::string_view(bytes).substr(0, got));
  }
  if (status && std::ferror(file.get()) != 0) status = base::fail(ErrorKind::Unavailable, "it cannot be read");
  if (status) status = reader.finish();
  if (!status) return base::fail(status.error().kind, path + ": " + status.error().message);
  reconciliation.add(reader.columns());
  return {};
}

Result<proof::Comparison> compare(const Options& options) {
  const ReconcileOptions& asked = options.reconcile;
  Result<proof::ReconcileTerms> terms = terms_of(asked);
  if (!terms) return base::fail(terms.error());
  const Result<OpenLedger> opened = open_ledger(options);
  if (!opened) return base::fail(opened.error());
  if (opened->settings) terms->billed_to = billed_accounts(*opened->settings);
  const std::int64_t first_day = terms->first_day;
  const std::int64_t last_day = terms->last_day;
  proof::Reconciliation reconciliation(std::move(*terms));
  for (const std::string& file : asked.files) {
    if (Status read = read_export(file, reconciliation); !read) return base::fail(read.error());
  }
  const auto booked = proof::read_booked(*opened->database, booked_as(asked), first_day, last_day);
  if (!booked) return base::fail(booked.error());
  reconciliation.add(*booked);
  return reconciliation.compare();
}

}  // namespace

int reconcile_ledger(const Options& options) {
  const Result<proof::Comparison> comparison = compare(options);
  if (!comparison) {
    fmt::print(stderr, "turnpike ledger reconcile: {}\n", comparison.error().message);
    return 2;
  }
  fmt::print("{}", proof::format_comparison(*comparison));
  return comparison->drifts() ? 1 : 0;
}

}  // namespace turnpike::app
