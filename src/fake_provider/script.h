#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fake_provider/fault.h"

namespace turnpike::fake_provider {

/// How the scripted provider answers one call: what goes wrong, how fast, how much.
///
/// Source: ours. A script is given, later over earlier, by the command line, by `POST /script`, by the path
///         (`/fake/status=429,retry_after=2/v1/chat/completions`) and by a top-level object `fake` of the request body.
///         In a path the directives are separated by commas and the words of a list by '+'; in a body lists are
///         strings. `fault=NAME` is one of `faults()`: it stands for what the vendor says, or for directives below.
/// Errors: InvalidRequest for an unknown directive or a value that is no number where one is needed.
struct Script {
  std::int64_t latency_ms = 0;        // Before anything is answered.
  std::int64_t slow_first_ms = 0;     // Between the head and the first event of a stream.
  std::int64_t token_ms = 0;          // Between the events of a stream.
  std::int64_t burst = 1;             // Events of a stream that leave in one write.
  std::int64_t tokens = -1;           // Completion tokens; below 0: 16, capped by the request's max_tokens.
  std::int64_t prompt_tokens = -1;    // Below 0: a quarter of the prompt's bytes, rounded up.
  std::int64_t cached_tokens = 0;     // Of the prompt tokens.
  std::int64_t reasoning_tokens = 0;  // Of the completion tokens.
  std::int64_t tool_calls = 0;        // Answers with this many calls of a function instead of text.
  std::int64_t pad_bytes = 0;         // Makes the text of a plain answer longer (bench: large replies).

  Fault fault = Fault::None;  // An error in the vendor's own words instead of an answer.
  std::int64_t status = 0;    // An error with this status instead of an answer.
  std::int64_t retry_after = -1;
  std::string error_code;
  std::string error_message;
  std::int64_t fail_times = -1;  // What goes wrong does so for the first so many calls with these very bytes only.

  std::int64_t cut_after = -1;    // The connection breaks after so many events; a plain answer breaks half-way.
  std::int64_t end_after = -1;    // The stream ends in good form after so many events, without finish and [DONE].
  std::int64_t stall_after = -1;  // Nothing more comes after so many events; of a plain answer after a half, or 0.
  std::int64_t error_after = -1;  // An error event after so many events, then the end.
  bool no_usage = false;
  bool error_in_200 = false;
  bool malformed_sse = false;   // The third event is no JSON.
  bool malformed_json = false;  // A plain answer is no JSON.
  bool one_byte = false;        // One byte per write.
  bool silent = false;          // Never answers.
  bool reset = false;           // Closes without a byte.
  bool record = false;          // Keeps the request for `GET /requests`.
  std::string require_key;      // Any other is refused, as the vendor does it.
  std::string label;            // Whose script and account the call is of; in a path.
  std::string id;               // The answer's id; empty: by content and counter.
  std::vector<std::string> odd;

  bool is_odd(std::string_view word) const;
  /// Takes everything back that goes wrong; how fast and how much stays.
  void heal();
};

/// What `odd` may name.
constexpr std::string_view kOddWords[] = {
    "comments",               // Comment lines between the events.
    "crlf",                   // CRLF line ends.
    "data_without_space",     // "data:{...}".
    "done_without_finish",    // [DONE] though no chunk carried a finish_reason.
    "empty_choices",          // A first chunk with an empty list of choices, as Azure sends.
    "finish_without_done",    // finish_reason came, [DONE] does not.
    "no_content_type",        // text/plain instead of text/event-stream.
    "no_delta",               // A chunk whose choice has no delta.
    "no_finish_reason",       // Chunks leave finish_reason out until the last.
    "null_id",                // "id": null in every chunk.
    "reject_stream_options",  // 400 for a request with stream_options.
    "role_every",             // The role in every delta.
    "two_finishes",           // The finish chunk comes twice.
    "usage_always",           // The usage chunk though nobody asked.
    "usage_every",            // Running usage on every chunk.
    "usage_with_finish",      // Usage on the chunk that carries finish_reason.
};

Status apply(Script& script, std::string_view name, std::string_view value);
/// "status=429,retry_after=2".
Status apply_list(Script& script, std::string_view list);
/// The members of a JSON object; `object` must be followed by json::kJsonPadding readable bytes.
Status apply_object(Script& script, std::string_view object);

}  // namespace turnpike::fake_provider
