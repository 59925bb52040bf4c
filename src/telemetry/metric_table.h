#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

/// The series LiteLLM's proxy exports, one row each: dashboards drawn for it keep drawing.
///
/// Source: LiteLLM's Prometheus callback: names, labels, buckets (docs/observability.md).
namespace turnpike::telemetry {

/// Every label, in the alphabetical order in which a series shows them.
enum class Label : std::uint8_t {
  ApiBase,
  ApiKeyAlias,
  ApiProvider,
  ClientIp,
  EndUser,
  ExceptionClass,
  ExceptionStatus,
  FallbackModel,
  HashedApiKey,
  LitellmModelName,
  Model,
  ModelGroup,
  ModelId,
  RequestedModel,
  Route,
  StatusCode,
  Team,
  TeamAlias,
  User,
  UserAgent,
  UserEmail,
};
constexpr std::size_t kLabelCount = static_cast<std::size_t>(Label::UserEmail) + 1;
std::string_view label_name(Label label);

/// A value for each label; empty stands for "None", which is what LiteLLM writes for one that is not known.
using LabelValues = std::array<std::string_view, kLabelCount>;

enum class Metric : std::uint8_t {
  TotalRequests,
  FailedRequests,
  RequestLatency,
  ApiLatency,
  TimeToFirstToken,
  OverheadLatency,
  Spend,
  TotalTokens,
  InputTokens,
  OutputTokens,
  Requests,
  ApiFailedRequests,
  DeploymentTotal,
  DeploymentSuccess,
  DeploymentFailure,
  SuccessfulFallbacks,
  FailedFallbacks,
};
constexpr std::size_t kMetricCount = static_cast<std::size_t>(Metric::FailedFallbacks) + 1;

enum class Shape : std::uint8_t { Count, Money, Seconds };  // Seconds: a histogram, counted in microseconds.

struct MetricRow {
  std::string_view name;  // Without "_total".
  std::string_view help;
  Shape shape;
  std::uint32_t labels;  // Bit 1 << Label.
};
const MetricRow& metric_row(Metric metric);

/// Upper bounds of the buckets in microseconds, the last one +Inf; and as the Python client writes them ("0.005",
/// "1.0").
constexpr std::size_t kBucketCount = 36;
const std::array<std::int64_t, kBucketCount>& bucket_bounds_us();
const std::array<std::string, kBucketCount>& bucket_names();

/// `a="x",b="y"` for the labels of a row, escaped, alphabetical. With `fold` every value is "other".
std::string label_text(const MetricRow& row, const LabelValues& values, bool fold);

/// The class LiteLLM raises for a kind of error ("RateLimitError") and the status it goes with.
struct ExceptionFace {
  std::string_view name;
  int status;
};
ExceptionFace exception_face(ErrorKind kind);
/// "Openai.RateLimitError"; without a provider the class alone.
std::string exception_class(std::string_view provider, ErrorKind kind);

}  // namespace turnpike::telemetry
