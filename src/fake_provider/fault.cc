#include "fake_provider/fault.h"

#include <string>

#include "fake_provider/script.h"

namespace turnpike::fake_provider {
namespace {

constexpr std::int64_t kMidway = 3;  // Events after which a stream that fails midway does so.
constexpr std::int64_t kSlowFirstMs = 3000;

template <Fault fault>
void say(Script& script) {
  script.fault = fault;
}

constexpr NamedFault kFaults[] = {
    {"rate_limit", "too many calls; retry_after=N says when to come back", say<Fault::RateLimit>},
    {"server_error", "the vendor's 500", say<Fault::ServerError>},
    {"overloaded", "the vendor's 503, or 529 at Anthropic", say<Fault::Overloaded>},
    {"wrong_key", "the key is refused", say<Fault::WrongKey>},
    {"no_credit", "the account has run dry", say<Fault::NoCredit>},
    {"content_policy", "the content is refused", say<Fault::ContentPolicy>},
    {"context_window", "the prompt is too long", say<Fault::ContextWindow>},
    {"no_model", "no such model", say<Fault::NoModel>},
    {"silent", "not a byte comes", [](Script& script) { script.silent = true; }},
    {"stalled_start", "the head comes, and then nothing", [](Script& script) { script.stall_after = 0; }},
    {"stalled", "the answer stands still midway", [](Script& script) { script.stall_after = kMidway; }},
    {"slow_first", "the first event takes long", [](Script& script) { script.slow_first_ms = kSlowFirstMs; }},
    {"cut", "the connection breaks midway", [](Script& script) { script.cut_after = kMidway; }},
    {"ended_early", "the stream ends in good form before the answer does",
     [](Script& script) { script.end_after = kMidway; }},
    {"reset", "the connection breaks before a byte", [](Script& script) { script.reset = true; }},
    {"error_in_200", "status 200, and the answer or the first event is an error",
     [](Script& script) { script.error_in_200 = true; }},
    {"error_in_stream", "an error midway", [](Script& script) { script.error_after = kMidway; }},
    {"malformed", "what comes cannot be read",
     [](Script& script) { script.malformed_sse = script.malformed_json = true; }},
    {"no_usage", "the answer does not say what it used", [](Script& script) { script.no_usage = true; }},
};

}  // namespace

std::span<const NamedFault> faults() {
  return kFaults;
}

Status apply_fault(Script& script, std::string_view name) {
  for (const NamedFault& fault : kFaults) {
    if (fault.name != name) continue;
    fault.apply(script);
    return {};
  }
  return base::fail(ErrorKind::InvalidRequest, "fake: fault does not know " + std::string(name));
}

}  // namespace turnpike::fake_provider
