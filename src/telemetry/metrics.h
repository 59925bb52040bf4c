#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/call_record.h"

namespace turnpike::telemetry {

/// All series of the process. Counting happens in per-thread shards without locks; `render` sums them up.
///
/// Source: LiteLLM's metric names, labels and buckets (spec management-api 17); our own carry the prefix `turnpike_`.
/// Limits: `series_max` label sets per metric; what comes later is counted under the label value "other" (AC-OBS-1).
///         Requested models that no configured group serves are "other" as well.
class Metrics {
 public:
  struct Options {
    std::size_t threads = 1;
    std::size_t series_max = 10'000;
  };
  static std::unique_ptr<Metrics> make(Options options);
  virtual ~Metrics() = default;

  /// Counts one call that has ended; for I/O thread `thread`. No lock, no look-up by string on the common path.
  virtual void call_ended(std::size_t thread, const domain::CallRecord& record) = 0;

  /// A counter or gauge of our own that somebody else keeps; read when rendered.
  enum class Kind { Counter, Gauge };
  virtual void observe(std::string name, std::string help, Kind kind, std::function<double()> read) = 0;
  /// Lines of text already rendered (deployment states): called at render time.
  virtual void observe_text(std::function<void(std::string& out)> render) = 0;

  /// Prometheus text format 0.0.4.
  virtual std::string render() = 0;
  /// The sum of litellm_spend_metric over all series, exact: for `ledger verify`.
  virtual Money spend_total() = 0;
};

}  // namespace turnpike::telemetry
