#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "proof/reconcile_export.h"
#include "proof/reconcile_rows.h"

/// A provider's export beside the ledger, joined by UTC day, model and account (spec money 9).
namespace turnpike::proof {

struct ReconcileTerms {
  std::int64_t first_day = 0, last_day = 0;  // Both included.
  /// Which account of the provider a deployment is billed to, by deployment id. Empty: all of it is one.
  std::map<std::string, std::string> billed_to;
  bool named_models_only = false;      // Models of the ledger that the export does not name are somebody else's.
  std::uint64_t tolerance_ppm = 5000;  // Differences up to it are no news.
};

enum class Verdict : std::uint8_t {
  Agrees,        // To the token; to the nanodollar but for the rounding of each call.
  Close,         // Within the tolerance.
  DayBoundary,   // Together they are close, but some calls stand on the day before or after.
  CacheDiffers,  // As many tokens, but others of them read from or written to a cache.
  WrongPrice,    // As many tokens, another cost.
  ProviderMore,
  LedgerMore,
};
std::string_view verdict_text(Verdict verdict);
constexpr bool is_drift(Verdict verdict) {
  return verdict > Verdict::DayBoundary;
}

struct Sides {
  Figures provider;
  BookedLine ledger;
  /// What the provider asks for each kind of token, where it says so.
  std::array<Money, kCostKinds> cost_by_kind{};
};

struct ModelComparison {
  std::string account;  // Empty: it is not told apart by account.
  std::string model;    // Several names for it are joined with " / ".
  Verdict verdict = Verdict::Agrees;
  Sides total;
  Figures batch;  // The provider's, apart: jobs do not pass here as calls.
  struct Day {
    std::int64_t day = 0;
    Verdict verdict = Verdict::Agrees;
    Sides sides;
  };
  std::vector<Day> days;
};

struct Comparison {
  std::vector<ModelComparison> models;
  Sides total;
  Figures batch;
  ExportColumns columns;
  std::uint64_t covered_tokens = 0;    // Of the provider's: what the ledger has of the same day and model, at most.
  std::uint64_t other_days_lines = 0;  // Lines of the export outside of the days asked for.
  std::vector<std::int64_t> summed;    // BookedDays::summed
  std::uint64_t tolerance_ppm = 0;     // ReconcileTerms::tolerance_ppm

  bool drifts() const;
};

/// Takes both sides in any order and compares them.
///
/// Limits: `kKeysMax` different days, models and accounts in an export.
class Reconciliation {
 public:
  static constexpr std::size_t kKeysMax = 1'000'000;
  explicit Reconciliation(ReconcileTerms terms);

  /// Errors: InvalidRequest when there are too many different keys.
  Status add(const ExportLine& line);
  /// What the file of the lines above was about.
  void add(const ExportColumns& columns) { columns_.add(columns); }
  void add(const BookedDays& booked);
  Comparison compare() const;

 private:
  using Key = std::tuple<std::string, std::string, std::int64_t>;  // Account, model, day.
  struct Provided {
    Figures figures;
    Figures batch;
    std::array<Money, kCostKinds> cost_by_kind{};
  };

  std::string account_of(const ExportLine& line) const;
  std::string account_of(const BookedLine& line) const;
  Verdict judge(const Sides& sides) const;
  Verdict judge_model(const ModelComparison& model) const;
  bool close(std::uint64_t provider, std::uint64_t ledger) const;
  bool close(Money provider, Money ledger) const;

  ReconcileTerms terms_;
  std::set<std::string> accounts_;  // Those that deployments are billed to.
  bool by_account_ = false;         // Some line of the export names one.
  ExportColumns columns_;
  std::uint64_t other_days_lines_ = 0;
  std::map<Key, Provided> provided_;
  BookedDays booked_;
};

/// Whole pages of text for people.
std::string format_comparison(const Comparison& comparison);

/// "claude-sonnet-4-20250514", "gpt-4o-2024-08-06", "gemini-x@20250101", "x-latest" without their end.
std::string bare_model(std::string_view model);
/// "Claude Sonnet 4.6", as a console shows it, as the API calls it.
std::string api_model(std::string_view model);

}  // namespace turnpike::proof
