#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/block_pool.h"
#include "base/money.h"
#include "base/result.h"
#include "domain/caller.h"
#include "domain/usage.h"

namespace turnpike::domain {

/// What a caller asked for; decides the route name in logs and LiteLLM's `call_type`.
/// The numbers stand in the ledger: new ones go to the end.
enum class Operation : std::uint8_t {
  Chat,
  Completion,
  Embedding,
  Rerank,
  Moderation,
  ImageGeneration,
  ImageEdit,
  Speech,
  Transcription,
  Translation,
};
std::string_view operation_name(Operation operation);       // "chat", "completion", "embedding", ...
std::string_view operation_call_type(Operation operation);  // "acompletion", "atext_completion", "aembedding", ...
/// Whether the answer is text that a model writes token by token.
constexpr bool writes_text(Operation operation) {
  return operation == Operation::Chat || operation == Operation::Completion;
}
constexpr bool makes_images(Operation operation) {
  return operation == Operation::ImageGeneration || operation == Operation::ImageEdit;
}
constexpr bool reads_audio(Operation operation) {
  return operation == Operation::Transcription || operation == Operation::Translation;
}

/// How a call ended, as the ledger says it (spec: money, section 2).
enum class EntryStatus : std::uint8_t { Success = 0, Failure = 1, Aborted = 2, Interrupted = 3 };
std::string_view status_name(EntryStatus status);  // "success", "failure", "aborted", "interrupted"

/// Marks of an entry, combinable.
enum Mark : std::uint64_t {
  kEstimated = 1 << 0,
  kCostUnknown = 1 << 1,
  kFree = 1 << 2,
  kProviderCost = 1 << 3,
  kUpstreamError = 1 << 4,
  kRetried = 1 << 5,
  kFellBack = 1 << 6,
  kRetriedBilled = 1 << 7,
  kTruncated = 1 << 8,
  kTimeout = 1 << 9,
  kClientDisconnected = 1 << 10,
  kShutdown = 1 << 11,
  kInterrupted = 1 << 12,
  kHoldExceeded = 1 << 13,
  kCrossing = 1 << 14,
  kRetryUnaffordable = 1 << 15,
  kHoldDropped = 1 << 16,
  kMocked = 1 << 17,
  kSelfHosted = 1 << 18,
  kHedged = 1 << 19,
  kDrained = 1 << 20,    // The caller had gone; the answer was read to its end for its usage.
  kBudgetCut = 1 << 21,  // A stream ended because it had used up its budget.
  kReplayed = 1 << 22,   // The answer of an earlier call with the same Idempotency-Key.
};
/// "estimated,truncated": the names of all set marks, in bit order.
std::string mark_names(std::uint64_t marks);

/// What decided an attempt's prices beside its usage.
struct BilledAs {
  std::string_view service_tier;  // "flex", "priority", as the answer said; empty: standard. Lives for ever.
  std::string_view search_size;   // "low", "medium", "high"; empty: there was no search. Lives for ever.
  bool image = false;             // Images were made, of this quality and size, as asked; "" and 0: not said.
  std::uint32_t image_width = 0, image_height = 0;
  std::string image_quality;
};

/// One upstream try.
struct Attempt {
  std::string model_group;
  std::string deployment_id;
  std::string provider;
  std::string model;     // As sent upstream.
  std::string api_base;  // Without query and credentials.
  int status = 0;        // HTTP status of the answer; 0: none came.
  std::optional<ErrorKind> error;
  std::string error_text;       // First 500 characters, secrets removed.
  std::int64_t started_us = 0;  // Unix microseconds.
  std::int64_t ended_us = 0;
  bool billed = false;  // At least one byte of a 2xx body came.
  Usage usage;
  BilledAs billed_as;
  Money cost;
};

/// What is known of a call when it ended: one per call, whatever happened. The access log, the metrics and the ledger
/// entry are made of it.
struct CallRecord {
  std::string call_id;    // The caller's x-litellm-call-id or ours; searchable, never unique.
  std::string record_id;  // Ours alone, time-ordered; empty for a refused call (no entry).
  std::string trace_id;   // W3C trace id, 32 hex digits.
  std::string span_id;    // Ours, 16 hex digits.
  std::string parent_span_id;
  std::string provider_request_id;  // The `id` of the provider's answer.
  Operation operation = Operation::Chat;
  std::string route;  // The path as routed ("/v1/chat/completions").
  bool stream = false;
  CallerRef caller;  // Null when nobody was recognised.
  std::string end_user;
  std::vector<std::string> tags;
  std::string requested_model;  // As the caller wrote it.
  std::string model_group;      // That served, or was last tried.
  std::vector<Attempt, base::PooledAllocator<Attempt>> attempts;
  int retries = 0;    // Attempts after the first inside a group, of all groups.
  int fallbacks = 0;  // Groups entered after the first.
  int max_retries = 0;
  Usage usage;  // Of the answer that reached the caller (or of what was received).
  Money cost;   // All billed attempts.
  EntryStatus status = EntryStatus::Failure;
  std::uint64_t marks = 0;
  int http_status = 0;  // As sent to the caller; 499 when the caller had gone.
  std::optional<ErrorKind> error;
  std::string error_text;
  std::string end_reason;          // "stop", "length", "tool_calls", ..., or the error kind's name.
  std::int64_t started_us = 0;     // Unix microseconds.
  std::int64_t first_byte_us = 0;  // First content byte to the caller; 0: none.
  std::int64_t ended_us = 0;
  std::int64_t upstream_us = 0;  // Time spent waiting for providers, all attempts.
  std::uint64_t request_bytes = 0;
  std::uint64_t reply_bytes = 0;
  std::string client_ip;
  std::string user_agent;
};

std::string_view kind_name(ErrorKind kind);  // "invalid_request", "upstream_rate_limited", ...

}  // namespace turnpike::domain
