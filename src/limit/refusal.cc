#include "limit/refusal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/text.h"

namespace turnpike::limit {
namespace {

/// "2026-11-27 05:04:00 UTC", the whole second at which a call of then passes.
std::string reset_text(const Refusal& refusal, std::int64_t unix_us) {
  const std::int64_t at = (unix_us / base::kSecondUs + refusal.retry_seconds()) * base::kSecondUs;
  std::string text = base::iso_time(at).substr(0, 19);
  text[10] = ' ';
  return text + " UTC";
}

std::string value_of(const Refusal& refusal, std::string_view name) {
  std::string value(name.empty() ? std::string_view(refusal.subject.entity) : name);
  if (!refusal.subject.model.empty()) value += ":" + refusal.subject.model;
  return value;
}

void add_rate(HeaderLines& lines, std::string_view unit, const std::optional<Rate>& rate) {
  if (!rate) return;
  lines.emplace_back(fmt::format("x-ratelimit-limit-{}", unit), std::to_string(rate->limit));
  lines.emplace_back(fmt::format("x-ratelimit-remaining-{}", unit), std::to_string(rate->remaining));
  lines.emplace_back(fmt::format("x-ratelimit-reset-{}", unit), fmt::format("{}s", rate->reset_seconds));
}

}  // namespace

std::int64_t Refusal::retry_seconds() const {
  return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(wait).count());
}

std::int64_t Refusal::remaining() const {
  return std::max<std::int64_t>(0, limit - used);
}

void RefusalCounts::add(const Refusal& refusal) {
  if (refusal.why == Refusal::Why::StoreAway) {
    store_away_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const auto kind = static_cast<std::size_t>(refusal.subject.kind);
  full_.at(kind).at(static_cast<std::size_t>(refusal.unit)).fetch_add(1, std::memory_order_relaxed);
}

void RefusalCounts::append(std::string& page) const {
  constexpr std::string_view kName = "turnpike_limit_refusals_total";
  page += fmt::format("# HELP {0} Calls refused for a limit, by whose and of what.\n# TYPE {0} counter\n", kName);
  page += fmt::format("{}{{kind=\"any\",limit=\"store_away\"}} {}\n", kName, store_away_.load());
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    for (std::size_t unit = 0; unit < kUnits; ++unit) {
      const std::uint64_t count = full_[kind][unit].load(std::memory_order_relaxed);
      if (count == 0) continue;
      page += fmt::format("{}{{kind=\"{}\",limit=\"{}\"}} {}\n", kName, descriptor_of(static_cast<Kind>(kind)),
                          name_of(static_cast<Unit>(unit)), count);
    }
  }
}

Error refusal_error(const Refusal& refusal, std::string_view name, std::int64_t unix_us) {
  Error error;
  if (refusal.why == Refusal::Why::StoreAway) {
    error.kind = ErrorKind::Unavailable;
    error.message = "Rate limits cannot be checked at the moment, please retry shortly.";
    error.detail = "redis is away and rate_limit_on_store_failure is closed";
    error.retry_after = std::chrono::seconds(1);
    return error;
  }
  error.kind = ErrorKind::RateLimited;
  const std::string head =
      fmt::format("Rate limit exceeded for {}: {}. Limit type: {}. Current limit: {}, Remaining: {}.",
                  descriptor_of(refusal.subject.kind), value_of(refusal, name), name_of(refusal.unit), refusal.limit,
                  refusal.remaining());
  if (refusal.why == Refusal::Why::TooLarge) {
    error.message =
        fmt::format("{} This call asks for {} at once, more than the limit: it can never pass.", head, refusal.amount);
    error.should_retry = false;
  } else {
    error.message =
        fmt::format("{} Limit resets at: {}. Current usage: {}.", head, reset_text(refusal, unix_us), refusal.used);
  }
  if (refusal.share_of > 0) {
    error.message += fmt::format(" A share of {} in model {}, held to while that is in much use.", refusal.share_of,
                                 refusal.subject.model);
  }
  if (refusal.limit < refusal.whole) {
    error.message += fmt::format(" {} of a limit of {}.", refusal.of_shard ? "A shard's part" : "This replica's share",
                                 refusal.whole);
  }
  error.retry_after = std::chrono::seconds(refusal.retry_seconds());
  return error;
}

HeaderLines rate_lines(const Rates& rates) {
  HeaderLines lines;
  add_rate(lines, "requests", rates.requests);
  add_rate(lines, "tokens", rates.tokens);
  return lines;
}

HeaderLines refusal_lines(const Refusal& refusal, Rates rates, std::int64_t unix_us) {
  const Rate refused{refusal.limit, refusal.remaining(), refusal.retry_seconds()};
  if (refusal.unit == Unit::Requests) rates.requests = refused;
  if (refusal.unit == Unit::Tokens) rates.tokens = refused;
  HeaderLines lines = rate_lines(rates);
  lines.emplace_back("retry-after", std::to_string(refusal.retry_seconds()));
  lines.emplace_back("rate_limit_type", name_of(refusal.unit));
  lines.emplace_back("reset_at", reset_text(refusal, unix_us));
  return lines;
}

}  // namespace turnpike::limit
