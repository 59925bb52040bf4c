#include "telemetry/series.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"

namespace turnpike::telemetry {
namespace {

constexpr std::size_t kValueBytes = 24;  // What a line has beside its name and labels, about.

std::size_t page_bytes(const MetricRow& row, std::size_t label_bytes) {
  const std::size_t line = row.name.size() + label_bytes + kValueBytes;
  return row.shape == Shape::Seconds ? line * (kBucketCount + 3) : line * 2;
}

void append_integer(std::string& out, std::uint64_t value) {
  char buffer[24];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  static_cast<void>(error);
  out.append(buffer, end);
}

void append_head(std::string& out, std::string_view name, std::string_view suffix, std::string_view help,
                 std::string_view type) {
  out.append("# HELP ").append(name).append(suffix).append(" ").append(help);
  out.append("\n# TYPE ").append(name).append(suffix).append(" ").append(type).append("\n");
}

void append_name(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels) {
  out.append(name).append(suffix).append("{").append(labels).append("} ");
}

std::array<std::uint64_t, kBucketCount> buckets_of(const Series& series, std::size_t threads) {
  std::array<std::uint64_t, kBucketCount> sums{};
  for (std::size_t thread = 0; thread < threads; ++thread) {
    const Cell* cell = series.cells[thread].load(std::memory_order_acquire);
    if (cell == nullptr) continue;
    for (std::size_t i = 0; i < kBucketCount; ++i) sums[i] += cell->buckets[i].load(std::memory_order_relaxed);
  }
  return sums;
}

void append_histogram(std::string& out, const MetricRow& row, const Series& series, std::size_t threads) {
  const std::array<std::uint64_t, kBucketCount> buckets = buckets_of(series, threads);
  // `le` stands in its alphabetical place, before litellm_model_name or model. A bare quote followed by a comma cannot
  // be part of a value: quotes in values are escaped on both sides of such text.
  const std::size_t next = std::min(series.labels.find("\",litellm_model_name=\""), series.labels.find("\",model=\""));
  const std::size_t le_at = std::min(next, series.labels.size() - 1) + 1;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    count += buckets[i];
    out.append(row.name).append("_bucket{").append(series.labels, 0, le_at);
    out.append(",le=\"").append(bucket_names()[i]).append("\"").append(series.labels, le_at).append("} ");
    append_integer(out, count);
    out.append(".0\n");
  }
  append_name(out, row.name, "_count", series.labels);
  append_integer(out, count);
  out.append(".0\n");
  append_name(out, row.name, "_sum", series.labels);
  append_decimal(out, total_of(series, threads), 6);
  out.push_back('\n');
}

}  // namespace

void Cell::observe_us(std::int64_t us) {
  us = std::max<std::int64_t>(us, 0);
  const auto& bounds = bucket_bounds_us();
  const auto at = static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), us) - bounds.begin());
  buckets[at].store(buckets[at].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  add(us);
}

Series* SeriesStore::find_or_add(Metric metric, std::string labels, bool is_other) {
  Family& family = families_[static_cast<std::size_t>(metric)];
  const auto it = family.by_labels.find(labels);
  if (it != family.by_labels.end()) return it->second;
  const MetricRow& row = metric_row(metric);
  const bool histogram = row.shape == Shape::Seconds;
  std::size_t& used = histogram ? histogram_bytes_ : counter_bytes_;
  const std::size_t bytes = page_bytes(row, labels.size());
  const std::size_t share = histogram ? limits_.page_bytes_max / 4 * 3 : limits_.page_bytes_max / 4;
  if (!is_other && (family.series.size() >= limits_.series_max || used + bytes > share)) return nullptr;
  used += bytes;
  auto series = std::make_unique<Series>();
  series->labels = std::move(labels);
  series->created_us = base::unix_now_us();
  series->cells = std::make_unique<std::atomic<Cell*>[]>(limits_.threads);
  Series* const raw = series.get();
  family.series.push_back(std::move(series));
  family.by_labels.emplace(raw->labels, raw);
  return raw;
}

Cell& SeriesStore::cell(std::size_t thread, Metric metric, const LabelValues& values) {
  const MetricRow& row = metric_row(metric);
  std::string labels = label_text(row, values, false);
  const std::lock_guard lock(mutex_);
  Series* series = find_or_add(metric, std::move(labels), false);
  if (series == nullptr) {
    folded_.fetch_add(1, std::memory_order_relaxed);
    series = find_or_add(metric, label_text(row, values, true), true);
  }
  std::atomic<Cell*>& slot = series->cells[thread];
  Cell* cell = slot.load(std::memory_order_relaxed);
  if (cell != nullptr) return *cell;
  auto made = std::make_unique<Cell>();
  if (row.shape == Shape::Seconds) made->buckets = std::make_unique<std::atomic<std::uint64_t>[]>(kBucketCount);
  cell = made.get();
  cells_.push_back(std::move(made));
  slot.store(cell, std::memory_order_release);
  return *cell;
}

std::vector<const Series*> SeriesStore::series_of(Metric metric) const {
  const std::lock_guard lock(mutex_);
  const Family& family = families_[static_cast<std::size_t>(metric)];
  std::vector<const Series*> series;
  series.reserve(family.series.size());
  for (const std::unique_ptr<Series>& one : family.series) series.push_back(one.get());
  return series;
}

std::int64_t total_of(const Series& series, std::size_t threads) {
  std::int64_t total = 0;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    const Cell* cell = series.cells[thread].load(std::memory_order_acquire);
    if (cell != nullptr) total += cell->value.load(std::memory_order_relaxed);
  }
  return total;
}

void append_decimal(std::string& out, std::int64_t value, int decimals) {
  if (value < 0) out.push_back('-');
  const std::uint64_t magnitude =
      value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  std::uint64_t unit = 1;
  for (int i = 0; i < decimals; ++i) unit *= 10;
  append_integer(out, magnitude / unit);
  out.push_back('.');
  std::uint64_t rest = magnitude % unit;
  if (rest == 0) {
    out.push_back('0');
    return;
  }
  for (unit /= 10; rest > 0; unit /= 10) {
    out.push_back(static_cast<char>('0' + rest / unit));
    rest %= unit;
  }
}

void append_metric(std::string& out, Metric metric, const SeriesStore& store) {
  const std::vector<const Series*> all = store.series_of(metric);
  if (all.empty()) return;
  const MetricRow& row = metric_row(metric);
  const bool histogram = row.shape == Shape::Seconds;
  append_head(out, row.name, histogram ? "" : "_total", row.help, histogram ? "histogram" : "counter");
  for (const Series* series : all) {
    if (histogram) {
      append_histogram(out, row, *series, store.threads());
    } else {
      append_name(out, row.name, "_total", series->labels);
      append_decimal(out, total_of(*series, store.threads()), row.shape == Shape::Money ? 9 : 0);
      out.push_back('\n');
    }
  }
  append_head(out, row.name, "_created", row.help, "gauge");
  for (const Series* series : all) {
    append_name(out, row.name, "_created", series->labels);
    append_decimal(out, series->created_us, 6);
    out.push_back('\n');
  }
}

}  // namespace turnpike::telemetry
