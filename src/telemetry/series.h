#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "telemetry/metric_table.h"

namespace turnpike::telemetry {

/// What one thread has counted of one series. Written by that thread alone, read by whoever renders.
struct Cell {
  std::atomic<std::int64_t> value{0};                     // Count, nanodollars, or the sum of microseconds.
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets;  // Of histograms, not cumulative.

  void add(std::int64_t amount) {
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void observe_us(std::int64_t us);
};

/// One label set of one metric: never moves, never goes away.
struct Series {
  std::string labels;
  std::int64_t created_us = 0;
  std::unique_ptr<std::atomic<Cell*>[]> cells;  // By thread; null until that thread counts here.
};

/// All series of all metrics. The mutex guards growth only: counting goes to cells already found.
class SeriesStore {
 public:
  struct Limits {
    std::size_t threads = 1;
    std::size_t series_max = 10'000;         // Label sets per metric.
    std::size_t page_bytes_max = 4'100'000;  // Of the rendered text, three quarters of it for histograms.
  };
  explicit SeriesStore(Limits limits) : limits_(limits) {}

  /// The cell of a thread, made if need be. Beyond a limit it is that of the series whose labels all say "other".
  Cell& cell(std::size_t thread, Metric metric, const LabelValues& values);

  /// The series of a metric, oldest first; safe to read while others count.
  std::vector<const Series*> series_of(Metric metric) const;
  std::uint64_t folded() const { return folded_.load(std::memory_order_relaxed); }
  std::size_t threads() const { return limits_.threads; }

 private:
  struct Family {
    std::unordered_map<std::string_view, Series*> by_labels;
    std::vector<std::unique_ptr<Series>> series;
  };
  Series* find_or_add(Metric metric, std::string labels, bool is_other);

  Limits limits_;
  mutable std::mutex mutex_;
  std::array<Family, kMetricCount> families_;
  std::vector<std::unique_ptr<Cell>> cells_;
  std::size_t histogram_bytes_ = 0;
  std::size_t counter_bytes_ = 0;
  std::atomic<std::uint64_t> folded_{0};
};

/// The sum over all threads.
std::int64_t total_of(const Series& series, std::size_t threads);

/// Appends one metric with HELP and TYPE, in Prometheus text format 0.0.4 as the Python client writes it: counters end
/// in
/// `_total`, and a `_created` gauge follows. Nothing for a metric without series.
void append_metric(std::string& out, Metric metric, const SeriesStore& store);

/// "0.054399", "12.0": decimal text of a value counted in 1e-`decimals`.
void append_decimal(std::string& out, std::int64_t value, int decimals);

}  // namespace turnpike::telemetry
