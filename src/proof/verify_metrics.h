#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.h"
#include "proof/verify.h"

/// V9 of spec money 9: what a running gateway has counted, against the entries of its journal.
namespace turnpike::proof {

/// Of its metrics, in Prometheus' text format.
struct SpendMetrics {
  Money spent;                  // All series of litellm_spend_metric_total, exact.
  std::int64_t started_us = 0;  // When the counting began.
};
/// Nothing when the page is none of a gateway's.
std::optional<SpendMetrics> read_spend_metrics(std::string_view page);

/// What the entries of the journal cost whose calls began at `since_us` or later, stored or not shipped yet; calls that
/// were closed for a process that had ended are not among them. Errors: Unavailable: database or journal cannot be
/// read; NotFound: the database does not know the journal, or retention has dropped entries of that time.
Result<Money> cost_since(db::Database& database, const std::string& journal_dir, std::int64_t since_us);

/// `booked` was read after `before` and before `after`: calls end meanwhile, and none costs less than nothing.
Check check_spend(const SpendMetrics& before, Money booked, const SpendMetrics& after);

}  // namespace turnpike::proof
