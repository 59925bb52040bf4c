#include "drill/fault.h"

#include <algorithm>

namespace turnpike::drill {
namespace {

// How a provider says each of these in its own dialect, and how the gateway is to take it: docs/routing.md.
constexpr Fault kCatalogue[] = {
    {.name = "none", .title = "(none)", .reach = Reach::StillAnswers},
    {.name = "429-retry-after",
     .title = "429 with Retry-After",
     .script = "fault=rate_limit,retry_after=7",
     .statuses = {429},
     .retry_after = 7},
    {.name = "429", .title = "429", .script = "fault=rate_limit", .statuses = {429}},
    {.name = "500", .title = "500", .script = "fault=server_error", .statuses = {500}},
    {.name = "503", .title = "overloaded", .script = "fault=overloaded", .statuses = {503, 500}},
    {.name = "connect-timeout", .title = "no connection in time", .place = Place::Connect, .statuses = {408}},
    {.name = "silent", .title = "silence", .script = "fault=silent", .statuses = {408}},
    {.name = "silent-body", .title = "head, then silence", .script = "fault=stalled_start", .statuses = {408}},
    {.name = "stalled",
     .title = "silence half-way",
     .script = "fault=stalled",
     .streamed = false,
     .statuses = {408},
     .once_per_group = true},
    {.name = "stalled-mid-stream",
     .title = "silence in mid-stream",
     .reach = Reach::MidStream,
     .script = "stall_after=6",
     .whole = false,
     .statuses = {408}},
    {.name = "slow-first-token",
     .title = "slow first token",
     .reach = Reach::StillAnswers,
     .script = "slow_first_ms=1000",
     .whole = false,
     .statuses = {408}},
    {.name = "cut",
     .title = "answer cut half-way",
     .script = "fault=cut",
     .streamed = false,
     .statuses = {502},
     .once_per_group = true},
    {.name = "cut-at-once",
     .title = "stream cut at once",
     .script = "cut_after=0",
     .whole = false,
     .statuses = {502, 500}},
    {.name = "cut-mid-stream",
     .title = "cut in mid-stream",
     .reach = Reach::MidStream,
     .script = "cut_after=6,token_ms=2",
     .whole = false,
     .statuses = {502}},
    {.name = "error-in-200", .title = "error in a 200", .script = "fault=error_in_200", .statuses = {429, 500, 503}},
    {.name = "error-mid-stream",
     .title = "error in mid-stream",
     .reach = Reach::MidStream,
     .script = "error_after=6,token_ms=2",
     .whole = false,
     .statuses = {500, 503, 429, 502}},
    {.name = "malformed",
     .title = "unreadable answer",
     .script = "fault=malformed",
     .streamed = false,
     .statuses = {502},
     .once_per_group = true},
    {.name = "malformed-sse",
     .title = "unreadable event",
     .reach = Reach::MidStream,
     .script = "fault=malformed,token_ms=2",
     .whole = false,
     .statuses = {502}},
    {.name = "missing-usage",
     .title = "no usage",
     .reach = Reach::StillAnswers,
     .script = "fault=no_usage",
     .no_usage = true},
    {.name = "reset", .title = "connection reset", .script = "fault=reset", .statuses = {500}},
    {.name = "dns", .title = "name not found", .place = Place::Name, .statuses = {500}},
    {.name = "tls", .title = "TLS fails", .place = Place::Handshake, .statuses = {500}},
    {.name = "wrong-key", .title = "wrong key", .script = "fault=wrong_key", .statuses = {401, 403}},
    {.name = "no-credit", .title = "no credit left", .script = "fault=no_credit", .statuses = {429, 402, 403, 400}},
    {.name = "no-model",
     .title = "model not found",
     .script = "fault=no_model",
     .statuses = {404},
     .once_per_group = true},
    {.name = "context-too-long",
     .title = "prompt too long",
     .reach = Reach::Request,
     .script = "fault=context_window",
     .statuses = {400}},
    {.name = "content-refused",
     .title = "content refused",
     .reach = Reach::Request,
     .script = "fault=content_policy",
     .statuses = {400}},
};

}  // namespace

bool Fault::tells(int status) const {
  return status != 0 && std::ranges::find(statuses, status) != statuses.end();
}

std::span<const Fault> catalogue() {
  return kCatalogue;
}

const Fault& no_fault() {
  return kCatalogue[0];
}

const Fault* find_fault(std::string_view name) {
  const auto* const found = std::ranges::find(kCatalogue, name, &Fault::name);
  return found == std::end(kCatalogue) ? nullptr : found;
}

}  // namespace turnpike::drill
