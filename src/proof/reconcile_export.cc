#include "proof/reconcile_export.h"

#include <fmt/format.h>

#include <limits>

#include "base/clock.h"
#include "base/text.h"

namespace turnpike::proof {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  std::uint64_t total = 0;
  return __builtin_add_overflow(a, b, &total) ? std::numeric_limits<std::uint64_t>::max() : total;
}

/// White space, and the bytes of a byte order mark.
bool before_the_first(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\xEF' || c == '\xBB' || c == '\xBF';
}

}  // namespace

void Figures::add(const Figures& other) {
  requests = sum(requests, other.requests);
  input_tokens = sum(input_tokens, other.input_tokens);
  cache_read_tokens = sum(cache_read_tokens, other.cache_read_tokens);
  cache_write_tokens = sum(cache_write_tokens, other.cache_write_tokens);
  output_tokens = sum(output_tokens, other.output_tokens);
  cost += other.cost;
}

std::uint64_t Figures::tokens() const {
  return sum(input_tokens, output_tokens);
}

void ExportColumns::add(const ExportColumns& other) {
  tokens = tokens || other.tokens;
  cache_reads = cache_reads || other.cache_reads;
  cache_writes = cache_writes || other.cache_writes;
  requests = requests || other.requests;
  costs = costs || other.costs;
  more_to_come = more_to_come || other.more_to_come;
  lines += other.lines;
}

ExportReader::ExportReader(OnLine on_line) {
  on_line_ = [this, given = std::move(on_line)](const ExportLine& line) {
    ++columns_.lines;
    return given(line);
  };
}

ExportReader::~ExportReader() = default;

Status ExportReader::feed(std::string_view bytes) {
  if (!state_) return state_;
  if (!format_) {
    while (!bytes.empty() && before_the_first(bytes.front())) bytes.remove_prefix(1);
    if (bytes.empty()) return {};
    const bool json = bytes.front() == '{' || bytes.front() == '[';
    format_ = json ? make_json_format(on_line_, columns_) : make_csv_format(on_line_, columns_);
  }
  return state_ = format_->feed(bytes);
}

Status ExportReader::finish() {
  if (!state_) return state_;
  if (!format_) return state_ = base::fail(ErrorKind::InvalidRequest, "it is empty");
  return state_ = format_->finish();
}

CostKind cost_kind_of(std::string_view name) {
  const std::string lower = base::to_lower(name);
  const auto says = [&](std::string_view word) { return lower.find(word) != std::string::npos; };
  if (says("output")) return CostKind::Output;
  if (says("uncached") || says("no_cache")) return CostKind::Input;
  if (says("creation") || says("write")) return CostKind::CacheWrite;
  if (says("cache")) return CostKind::CacheRead;
  return says("input") ? CostKind::Input : CostKind::Other;
}

void take_line_item(std::string_view item, ExportLine& line) {
  const std::size_t comma = item.find(',');
  line.model = base::trim(item.substr(0, comma));
  if (comma == std::string_view::npos) return;
  const std::string_view rest = item.substr(comma + 1);
  line.cost_kind = cost_kind_of(rest);
  if (base::to_lower(rest).find("batch") != std::string::npos) line.batch = true;
}

Result<std::int64_t> day_of(std::string_view text) {
  if (const auto seconds = base::parse_unsigned(text); seconds && *seconds < (std::uint64_t{1} << 40)) {
    return static_cast<std::int64_t>(*seconds) / kSecondsPerDay;
  }
  const auto time_us = base::parse_iso_time(text);
  if (!time_us || *time_us < 0) {
    return base::fail(ErrorKind::InvalidRequest, fmt::format("\"{}\" is no day (2026-11-27)", text.substr(0, 64)));
  }
  return *time_us / base::kDayUs;
}

Result<std::uint64_t> count_of(std::string_view text) {
  // Programs that count in floats write 12.0.
  std::string_view whole = text;
  if (const std::size_t point = text.find('.'); point != std::string_view::npos) {
    if (text.find_first_not_of('0', point + 1) == std::string_view::npos) whole = text.substr(0, point);
  }
  const auto count = base::parse_unsigned(whole);
  if (!count || *count > ExportReader::kCountMax) {
    return base::fail(ErrorKind::InvalidRequest, fmt::format("\"{}\" is no count", text.substr(0, 64)));
  }
  return *count;
}

}  // namespace turnpike::proof
