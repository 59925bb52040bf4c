#include "proof/verify_bills.h"

#include <fmt/format.h>

#include "domain/call_record.h"
#include "json/document.h"
#include "price/bill.h"
#include "proof/reconcile_rows.h"

namespace turnpike::proof {
namespace {

using db::as_int;
using db::as_text;
using domain::Unit;

constexpr std::int64_t kBillsAtOnce = 5000;
constexpr std::size_t kBillsShownMax = 3;

/// The token columns, where they say it all (journal::row_of).
domain::Usage usage_of_columns(std::int64_t prompt, std::int64_t completion, std::int64_t cache_read,
                               std::int64_t cache_write, std::int64_t reasoning) {
  domain::Usage usage;
  const auto set = [&usage](Unit unit, std::int64_t count) {
    if (count > 0) usage.set(unit, static_cast<std::uint64_t>(count));
  };
  set(Unit::InputTokens, prompt - cache_read - cache_write);
  set(Unit::CachedInputTokens, cache_read);
  set(Unit::CacheWriteTokens, cache_write);
  set(Unit::OutputTokens, completion - reasoning);
  set(Unit::ReasoningTokens, reasoning);
  return usage;
}

/// What was used, and what else decided its prices.
struct Used {
  domain::Usage usage;
  std::string service_tier = {}, search_size = {}, image_quality = {};
  std::uint32_t image_width = 0, image_height = 0;
  bool image = false;
};

Used read_used(const json::Value& usage) {
  Used used;
  used.usage = usage_of(usage);
  used.service_tier = usage.find("service_tier").text().value_or("");
  used.search_size = usage.find("search_size").text().value_or("");
  const auto width = usage.find("image_width").whole();
  used.image = width.has_value();
  used.image_width = static_cast<std::uint32_t>(width.value_or(0));
  used.image_height = static_cast<std::uint32_t>(usage.find("image_height").whole().value_or(0));
  used.image_quality = usage.find("image_quality").text().value_or("");
  return used;
}

price::BillTerms terms_of(const Used& used, const price::Prices& prices) {
  price::BillTerms terms;
  terms.service = price::parse_service_tier(used.service_tier);
  if (!used.search_size.empty()) terms.search = price::parse_search_size(used.search_size);
  if (used.image) terms.image = prices.image(used.image_quality, used.image_width, used.image_height);
  return terms;
}

bool is_bill(const price::Bill& bill, std::int64_t cost_nano) {
  return !bill.unknown && bill.cost.nano() == cost_nano;
}

/// Entries of versions that did not write down the tier look like those of the standard one.
bool is_bill_of_another_tier(const price::Prices& prices, const Used& used, std::int64_t cost_nano) {
  if (!used.service_tier.empty()) return false;
  price::BillTerms terms = terms_of(used, prices);
  for (const price::ServiceTier tier : {price::ServiceTier::Flex, price::ServiceTier::Priority}) {
    terms.service = tier;
    if (is_bill(price::bill(prices, used.usage, terms), cost_nano)) return true;
  }
  return false;
}

class Bills {
 public:
  explicit Bills(const KnownPrices& known) : known_(&known) {}

  enum Column : std::size_t {
    kDay,
    kReplica,
    kEntry,
    kCost,
    kDeployment,
    kModel,
    kPrompt,
    kCompletion,
    kCacheRead,
    kCacheWrite,
    kReasoning,
    kUsage,
    kAttempts,
  };
  static constexpr std::string_view kColumns =
      "day, replica_no, entry_no, cost_nano, deployment_id, model, prompt_tokens, completion_tokens, "
      "cache_read_tokens, cache_write_tokens, reasoning_tokens, usage, attempts";

  void take(const db::Row& row) {
    const std::string name = fmt::format("replica {} entry {}", as_int(row[kReplica]), as_int(row[kEntry]));
    json::Document document;
    if (const std::string attempts = as_text(row[kAttempts]); !attempts.empty()) {
      if (document.parse(attempts)) take_attempts(name, document.root());
      return;
    }
    const std::string usage = as_text(row[kUsage]);
    const bool said = !usage.empty() && document.parse(usage);
    compare(name, as_text(row[kDeployment]), as_text(row[kModel]),
            said ? read_used(document.root())
                 : Used{usage_of_columns(as_int(row[kPrompt]), as_int(row[kCompletion]), as_int(row[kCacheRead]),
                                         as_int(row[kCacheWrite]), as_int(row[kReasoning]))},
            as_int(row[kCost]));
  }

  Check result() const {
    Check check{"V8", "each attempt cost what its usage does at the prices of the same table", wrong_ + doubtful_ == 0,
                fmt::format("{} of {} billed again", compared_, seen_) + detail_};
    check.warns = wrong_ == 0 && doubtful_ > 0;
    return check;
  }

 private:
  void take_attempts(const std::string& name, const json::Value& attempts) {
    for (const json::Value attempt : attempts.elements()) {
      if (!attempt.find("billed").boolean().value_or(false)) continue;
      compare(name, attempt.find("deployment_id").text().value_or(""), attempt.find("model").text().value_or(""),
              read_used(attempt.find("usage")),
              static_cast<std::int64_t>(attempt.find("cost_nano").whole().value_or(0)));
    }
  }

  void compare(const std::string& name, std::string_view deployment, std::string_view model, const Used& used,
               std::int64_t cost_nano) {
    ++seen_;
    const auto at = known_->deployments.find(deployment);
    if (at == known_->deployments.end() || at->second.model != model) return;
    if (used.usage.of(Unit::Images) > 0 && !used.image) return;
    if (used.usage.of(Unit::Queries) > 0 && used.search_size.empty()) return;
    ++compared_;
    const price::Prices& prices = at->second.prices;
    const price::Bill bill = price::bill(prices, used.usage, terms_of(used, prices));
    if (is_bill(bill, cost_nano)) return;
    const bool other_tier = is_bill_of_another_tier(prices, used, cost_nano);
    (at->second.own || other_tier ? doubtful_ : wrong_) += 1;
    if (wrong_ + doubtful_ > kBillsShownMax) return;
    detail_ +=
        fmt::format("; {}: booked {}, {} at {}", name, Money::from_nano(cost_nano).to_string(), bill.cost.to_string(),
                    other_tier       ? "these prices, and no service tier is noted"
                    : at->second.own ? "the prices that the configuration sets now"
                                     : "these prices");
  }

  const KnownPrices* known_;
  std::uint64_t seen_ = 0, compared_ = 0, wrong_ = 0, doubtful_ = 0;
  std::string detail_;
};

}  // namespace

Result<Check> check_bills(db::Database& database, const KnownPrices& known, std::optional<std::int64_t> since) {
  constexpr std::uint64_t kNotBilled =
      domain::kMocked | domain::kReplayed | domain::kProviderCost | domain::kCostUnknown | domain::kInterrupted;
  const std::string sql = fmt::format(
      "SELECT {} FROM entry WHERE kind = 0 AND (marks & {}) = 0 AND deployment_id IS NOT NULL AND price_version = $1 "
      "AND "
      "(day, replica_no, entry_no) > ($2, $3, $4) ORDER BY day, replica_no, entry_no LIMIT {}",
      Bills::kColumns, kNotBilled, kBillsAtOnce);
  Bills bills(known);
  const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
    bills = Bills(known);
    std::vector<db::Value> from = {known.table_version, since.value_or(0) - 1, std::int64_t{INT64_MAX},
                                   std::int64_t{INT64_MAX}};
    for (;;) {
      const auto rows = transaction.run(sql, from);
      if (!rows) return base::fail(rows.error());
      for (const db::Row& row : rows->rows) bills.take(row);
      if (rows->rows.size() < static_cast<std::size_t>(kBillsAtOnce)) return {};
      const db::Row& last = rows->rows.back();
      from = {known.table_version, last[Bills::kDay], last[Bills::kReplica], last[Bills::kEntry]};
    }
  });
  if (!read) return base::fail(read.error());
  return bills.result();
}

}  // namespace turnpike::proof
