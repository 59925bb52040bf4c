#include "base/time_zone.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

namespace turnpike::base {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr std::size_t kNameCharactersMax = 64;

tl::unexpected<Error> broken(std::string_view what) {
  return fail(ErrorKind::InvalidRequest, "The time zone cannot be read: " + std::string(what) + ".");
}

/// Letters, digits and "_+-/" in names that stay below the folder of zones.
bool is_zone_name(std::string_view name) {
  const bool plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
           c == '-' || c == '/';
  });
  return plain && !name.empty() && name.size() <= kNameCharactersMax && name.front() != '/';
}

/// Numbers of a zone file, the highest byte first.
class Bytes {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  bool has(std::size_t count) const { return text_.size() - at_ >= count; }
  void skip(std::size_t count) { at_ += count; }
  std::string_view rest() const { return text_.substr(at_); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(text_[at_++]); }
  std::int64_t number(std::size_t bytes) {
    std::uint64_t value = (static_cast<std::uint8_t>(text_[at_]) & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | byte();
    return static_cast<std::int64_t>(value);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

struct FileHead {
  std::size_t utc_flags, standard_flags, leaps, changes, kinds, letters;
  std::size_t body_bytes(std::size_t time_bytes) const {
    return changes * (time_bytes + 1) + kinds * 6 + letters + leaps * (time_bytes + 4) + standard_flags + utc_flags;
  }
};

constexpr std::size_t kHeadBytes = 44;

std::optional<FileHead> read_head(Bytes& bytes) {
  if (!bytes.has(kHeadBytes) || !bytes.rest().starts_with("TZif")) return std::nullopt;
  bytes.skip(20);
  std::size_t counts[6];
  for (std::size_t& count : counts) {
    const std::int64_t read = bytes.number(4);
    if (read < 0 || read > static_cast<std::int64_t>(kFileBytesMax)) return std::nullopt;
    count = static_cast<std::size_t>(read);
  }
  return FileHead{counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
}

std::int64_t days_of(std::chrono::year_month_day date) {
  return std::chrono::sys_days(date).time_since_epoch().count();
}

}  // namespace

std::int64_t TimeZone::ChangeDay::local_s(int year) const {
  using namespace std::chrono;
  const std::int64_t new_year = days_of(std::chrono::year(year) / January / 1);
  if (form == Form::DayOfYear) return (new_year + day) * kDay + time_s;
  if (form == Form::Julian) {  // 29 February is not counted.
    const bool behind_leap_day = std::chrono::year(year).is_leap() && day > 59;
    return (new_year + day - 1 + (behind_leap_day ? 1 : 0)) * kDay + time_s;
  }
  const std::chrono::month in(static_cast<unsigned>(month));
  const weekday wanted(static_cast<unsigned>(day));
  const year_month_day date = week == 5 ? year_month_day(sys_days(std::chrono::year(year) / in / wanted[last]))
                                        : year_month_day(sys_days(std::chrono::year(year) / in / wanted[week]));
  return days_of(date) * kDay + time_s;
}

std::int64_t TimeZone::Rule::offset_s(std::int64_t utc_s) const {
  if (!has_summer) return standard_s;
  const std::chrono::sys_days day{std::chrono::floor<std::chrono::days>(std::chrono::seconds(utc_s + standard_s))};
  const int year = static_cast<int>(std::chrono::year_month_day(day).year());
  const std::int64_t begins = begin.local_s(year) - standard_s;
  const std::int64_t ends = end.local_s(year) - summer_s;
  const bool summer = begins < ends ? utc_s >= begins && utc_s < ends : utc_s >= begins || utc_s < ends;
  return summer ? summer_s : standard_s;
}

/// Reads the parts of a POSIX rule from the front; `ok` turns false at the first that is none.
class TimeZone::RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  bool ok = true;
  bool at_end() const { return text_.empty(); }
  char next() const { return text_.empty() ? '\0' : text_.front(); }
  bool take(char c) {
    if (next() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void name() {
    if (take('<')) {
      const std::size_t close = text_.find('>');
      if (close == std::string_view::npos) return fail_here();
      text_.remove_prefix(close + 1);
      return;
    }
    std::size_t letters = 0;
    while (letters < text_.size() && ((text_[letters] | 0x20) >= 'a' && (text_[letters] | 0x20) <= 'z')) ++letters;
    if (letters < 3) return fail_here();
    text_.remove_prefix(letters);
  }
  int number(int most) {
    int value = 0;
    bool any = false;
    while (next() >= '0' && next() <= '9' && value <= most) {
      value = value * 10 + (next() - '0');
      any = true;
      text_.remove_prefix(1);
    }
    if (!any || value > most) fail_here();
    return value;
  }
  /// "[+-]hh[:mm[:ss]]" in seconds.
  std::int64_t clock(int hours_max) {
    const bool negative = take('-');
    if (!negative) (void)take('+');
    std::int64_t seconds = std::int64_t{number(hours_max)} * 3600;
    if (take(':')) seconds += std::int64_t{number(59)} * 60;
    if (take(':')) seconds += number(59);
    return negative ? -seconds : seconds;
  }
  ChangeDay day() {
    ChangeDay day;
    if (take('M')) {
      day.month = number(12);
      if (!take('.')) fail_here();
      day.week = number(5);
      if (!take('.')) fail_here();
      day.day = number(6);
      if (day.month == 0 || day.week == 0) fail_here();
    } else {
      day.form = take('J') ? ChangeDay::Form::Julian : ChangeDay::Form::DayOfYear;
      day.day = number(365);
    }
    if (take('/')) day.time_s = clock(167);
    return day;
  }
  void fail_here() {
    ok = false;
    text_ = {};
  }

 private:
  std::string_view text_;
};

Result<TimeZone> TimeZone::read_rule(std::string_view text) {
  RuleReader reader(text);
  TimeZone zone;
  reader.name();
  zone.rule_.standard_s = -reader.clock(24);  // POSIX counts westwards.
  if (reader.ok && !reader.at_end()) {
    zone.rule_.has_summer = true;
    reader.name();
    zone.rule_.summer_s = reader.next() == ',' ? zone.rule_.standard_s + 3600 : -reader.clock(24);
    if (!reader.take(',')) reader.fail_here();
    zone.rule_.begin = reader.day();
    if (!reader.take(',')) reader.fail_here();
    zone.rule_.end = reader.day();
  }
  if (!reader.ok || !reader.at_end()) return broken("its rule is not in the form of POSIX");
  return zone;
}

Result<TimeZone> TimeZone::read_file(std::string_view text) {
  Bytes bytes(text);
  const std::optional<FileHead> old_head = read_head(bytes);
  if (!old_head || text[4] < '2' || !bytes.has(old_head->body_bytes(4))) return broken("no zone file of version 2");
  bytes.skip(old_head->body_bytes(4));
  const std::optional<FileHead> head = read_head(bytes);
  if (!head || head->kinds == 0 || !bytes.has(head->body_bytes(8))) return broken("the file is cut off");

  TimeZone zone;
  for (std::size_t i = 0; i < head->changes; ++i) zone.changes_.push_back({bytes.number(8), 0});
  std::vector<std::size_t> kinds;
  for (std::size_t i = 0; i < head->changes; ++i) kinds.push_back(bytes.byte());
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i < head->kinds; ++i) {
    offsets.push_back(bytes.number(4));
    bytes.skip(2);
  }
  for (std::size_t i = 0; i < head->changes; ++i) {
    if (kinds[i] >= offsets.size()) return broken("a change names a kind that is not there");
    zone.changes_[i].offset_s = offsets[kinds[i]];
  }
  zone.first_offset_s_ = offsets.front();
  bytes.skip(head->letters + head->leaps * 12 + head->standard_flags + head->utc_flags);

  std::string_view rule = bytes.rest();
  if (rule.size() < 2 || rule.front() != '\n') return broken("its last line is missing");
  rule = rule.substr(1, rule.find('\n', 1) - 1);
  zone.has_rule_ = !rule.empty();
  if (zone.has_rule_) {
    const Result<TimeZone> ruled = read_rule(rule);
    if (!ruled) return fail(ruled.error());
    zone.rule_ = ruled->rule_;
  }
  return zone;
}

Result<std::shared_ptr<const TimeZone>> TimeZone::find(std::string_view iana_name) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const TimeZone>, std::less<>> known;
  const std::lock_guard<std::mutex> lock(mutex);
  if (const auto found = known.find(iana_name); found != known.end()) return found->second;
  TimeZone zone;
  if (iana_name != "UTC") {
    const std::string name(iana_name);
    std::ifstream file;
    std::error_code ignored;
    const std::string path = "/usr/share/zoneinfo/" + name;
    if (is_zone_name(name) && std::filesystem::is_regular_file(path, ignored)) file.open(path, std::ios::binary);
    std::string text;
    if (file.is_open()) text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    Result<TimeZone> read =
        text.size() > kFileBytesMax ? Result<TimeZone>(broken("the file is too large")) : read_file(text);
    if (!read) {
      return fail(ErrorKind::InvalidRequest, "No time zone of this machine is called '" + name +
                                                 "': write an IANA name (Europe/Berlin); the zones are in the "
                                                 "package tzdata.");
    }
    zone = std::move(*read);
  }
  auto shared = std::make_shared<const TimeZone>(std::move(zone));
  known.emplace(std::string(iana_name), shared);
  return std::shared_ptr<const TimeZone>(std::move(shared));
}

std::int64_t TimeZone::offset_s(std::int64_t utc_s) const {
  if (changes_.empty()) return has_rule_ ? rule_.offset_s(utc_s) : first_offset_s_;
  if (utc_s < changes_.front().utc_s) return first_offset_s_;
  if (has_rule_ && utc_s >= changes_.back().utc_s) return rule_.offset_s(utc_s);
  const auto later = std::upper_bound(changes_.begin(), changes_.end(), utc_s,
                                      [](std::int64_t at, const Change& change) { return at < change.utc_s; });
  return std::prev(later)->offset_s;
}

std::int64_t TimeZone::to_utc_s(std::int64_t local_s) const {
  const std::int64_t before_s = offset_s(local_s - kDay);
  const std::int64_t after_s = offset_s(local_s + kDay);
  const std::int64_t candidates[] = {local_s - std::max(before_s, after_s), local_s - std::min(before_s, after_s)};
  for (const std::int64_t utc_s : candidates) {
    if (utc_s + offset_s(utc_s) == local_s) return utc_s;
  }
  // Skipped: the clocks jump over it somewhere between the two.
  std::int64_t low = candidates[0];
  std::int64_t high = candidates[1];
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (middle + offset_s(middle) >= local_s) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace turnpike::base
