#include "protocol/retry_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>

#include "base/text.h"

namespace turnpike::protocol {
namespace {

using std::chrono::milliseconds;

constexpr double kDayMs = 86'400'000;

/// "6m0s", "1h2m3.5s", "20ms"; a plain number is seconds.
std::optional<milliseconds> read_length(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ms;
  };
  constexpr std::array<Unit, 6> kUnits = {
      {{"ms", 1}, {"us", 0.001}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", kDayMs}}};
  text = base::trim(text);
  if (text.empty()) return std::nullopt;
  double total_ms = 0;
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || !(number >= 0)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto* unit = std::find_if(kUnits.begin(), kUnits.end(),
                                    [&](const Unit& candidate) { return text.starts_with(candidate.name); });
    if (unit == kUnits.end() && !text.empty()) return std::nullopt;
    total_ms += number * (text.empty() ? 1'000 : unit->ms);
    if (!text.empty()) text.remove_prefix(unit->name.size());
  }
  return milliseconds(static_cast<std::int64_t>(std::min(total_ms, kDayMs)));
}

/// "2026-05-01T12:00:00Z", also with a fraction (left out) and an offset, as Unix seconds.
std::optional<std::int64_t> read_date(std::string_view text) {
  constexpr std::size_t kSecondsEnd = 19;
  text = base::trim(text);
  if (text.size() <= kSecondsEnd || text[10] != 'T') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t digits) { return base::parse_unsigned(text.substr(at, digits)); };
  const auto year = number(0, 4), month = number(5, 2), day = number(8, 2);
  const auto hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(static_cast<int>(*year)),
                            std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  auto time = sys_seconds(sys_days(date)) + hours(*hour) + minutes(*minute) + seconds(*second);
  const std::size_t zone = text.find_first_of("Z+-", kSecondsEnd);
  if (zone == std::string_view::npos) return std::nullopt;
  if (text[zone] != 'Z') {
    if (text.size() != zone + 6) return std::nullopt;
    const auto ahead_hours = number(zone + 1, 2), ahead_minutes = number(zone + 4, 2);
    if (!ahead_hours || !ahead_minutes) return std::nullopt;
    const auto ahead = hours(*ahead_hours) + minutes(*ahead_minutes);
    time += text[zone] == '+' ? -ahead : ahead;
  }
  return time.time_since_epoch().count();
}

std::optional<milliseconds> until(std::string_view date, std::int64_t now_s) {
  const std::optional<std::int64_t> at_s = read_date(date);
  if (!at_s || *at_s <= now_s) return std::nullopt;
  return milliseconds(std::min((*at_s - now_s) * 1000, static_cast<std::int64_t>(kDayMs)));
}

bool is_used_up(std::string_view remaining) {
  remaining = base::trim(remaining);
  return !remaining.empty() && remaining.find_first_not_of("0.") == std::string_view::npos;
}

std::optional<milliseconds> longest_wait(const FindField& find, std::int64_t now_s) {
  std::optional<milliseconds> longest;
  const auto take = [&](std::optional<milliseconds> wait) {
    if (wait && *wait > milliseconds{0}) longest = std::max(longest.value_or(*wait), *wait);
  };
  for (const std::string limit : {"requests", "tokens", "input-tokens", "output-tokens"}) {
    if (is_used_up(find("x-ratelimit-remaining-" + limit))) take(read_length(find("x-ratelimit-reset-" + limit)));
    const std::string own = "anthropic-ratelimit-" + limit;
    if (is_used_up(find(own + "-remaining"))) take(until(find(own + "-reset"), now_s));
  }
  return longest;
}

}  // namespace

void heed_retry_fields(Error& error, const FindField& find, std::int64_t now_s) {
  const std::string_view word = base::trim(find("x-should-retry"));
  if (base::equals_ignoring_case(word, "true")) error.should_retry = true;
  if (base::equals_ignoring_case(word, "false")) error.should_retry = false;
  if (error.kind == ErrorKind::UpstreamRateLimited && !error.retry_after) error.retry_after = longest_wait(find, now_s);
}

}  // namespace turnpike::protocol
