#include "drill/fault.h"

#include <algorithm>

namespace turnpike::drill {
namespace {

// How a provider says each of these in its own dialect, and how the gateway is to take it: docs/routing.md.
constexpr Fault kCatalogue[] = {
    {.name = "none", .title = "(none)", .reach = Reach::StillAnswers},
    {.name = "429-retry-after",
     .title = "429 with Retry-After",
     .script = "status=429,retry_after=7",
     .statuses = {429},
     .retry_after = 7},
    {.name = "429", .title = "429", .script = "status=429", .statuses = {429}},
    {.name = "500", .title = "500", .script = "status=500", .statuses = {500}},
    {.name = "503", .title = "503, overloaded", .script = "status=503", .statuses = {503, 500}},
    {.name = "connect-timeout", .title = "no connection", .place = Place::Connect, .statuses = {408}},
    {.name = "silent", .title = "silence", .script = "silent=true", .statuses = {408}},
    {.name = "slow-first-token",
     .title = "slow first token",
     .reach = Reach::StillAnswers,
     .script = "slow_first_ms=1000",
     .whole = false,
     .statuses = {408}},
    {.name = "error-in-200", .title = "error in a 200", .script = "error_in_200=true", .statuses = {429, 500, 503}},
    {.name = "malformed",
     .title = "unreadable answer",
     .script = "malformed_json=true",
     .streamed = false,
     .statuses = {502, 500},
     .billed = true},
    {.name = "cut", .title = "answer cut", .script = "cut_after=0", .statuses = {502, 500}, .billed = true},
    {.name = "cut-mid-stream",
     .title = "cut in mid-stream",
     .reach = Reach::MidStream,
     .script = "cut_after=5",
     .whole = false,
     .statuses = {502},
     .billed = true},
    {.name = "malformed-mid-stream",
     .title = "malformed in mid-stream",
     .reach = Reach::MidStream,
     .script = "malformed_sse=true",
     .whole = false,
     .statuses = {502},
     .billed = true},
    {.name = "missing-usage",
     .title = "no usage",
     .reach = Reach::StillAnswers,
     .script = "no_usage=true",
     .no_usage = true},
    {.name = "reset", .title = "connection reset", .script = "reset=true", .statuses = {500}},
    {.name = "dns", .title = "name not found", .place = Place::Name, .statuses = {500}},
    {.name = "tls", .title = "TLS fails", .place = Place::Handshake, .statuses = {500}},
    {.name = "wrong-key",
     .title = "wrong key",
     .script = "status=401,error_code=invalid_api_key",
     .statuses = {401, 403}},
    {.name = "no-credit",
     .title = "no credit left",
     .script = "status=429,error_code=insufficient_quota",
     .statuses = {429, 402, 403, 400}},
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
