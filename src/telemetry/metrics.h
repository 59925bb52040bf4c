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
///         A model name is a label value once it is configured (`know_models`) or an answer came for it; until then it
///         is "other". `client_ip`, `user_agent`, `end_user` and `user_email` are always "None".
/// Threading: `call_ended` of one `thread` is called by one thread at a time; the rest by anyone.
class Metrics {
 public:
  struct Options {
    std::size_t threads = 1;
    std::size_t series_max = 10'000;
    std::size_t page_bytes_max = 4'100'000;  // Of the text, 3/4 for histograms; AC-OBS-1 allows 5 MB in all.
    std::size_t models_max = 256;            // Model names learned from answers, beside the configured ones.
  };
  static std::unique_ptr<Metrics> make(Options options);
  virtual ~Metrics() = default;

  /// Names that are label values from now on: groups, aliases and upstream models of the configuration.
  virtual void know_models(const std::vector<std::string>& names) = 0;

  /// Counts one call that has ended; for I/O thread `thread`. No lock once the label set has been seen on this thread.
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
