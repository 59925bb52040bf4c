#include "pipeline/limits.h"

#include <algorithm>

#include "base/text.h"

namespace turnpike::pipeline {
namespace {

using limit::Unit;

std::int64_t monotonic_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(base::monotonic_now().time_since_epoch()).count();
}

/// Limits per model hold for the name that was asked for and for the group it leads to.
bool concerns(const domain::CallerLimits& limits, const Call& call) {
  return limits.model.empty() || limits.model == call.request.model || limits.model == call.record.model_group;
}

void add(Call& call, limit::SubjectView subject, const domain::RateLimits& most, std::int64_t now_us,
         std::vector<limit::Limit>& into) {
  const auto one = [&](Unit unit, const std::optional<std::int64_t>& limit) {
    if (limit) into.push_back({call.worker.meters->find(subject, unit, now_us), *limit});
  };
  one(Unit::Requests, most.requests);
  one(Unit::Tokens, most.tokens);
  one(Unit::Calls, most.calls);
}

void add(Call& call, const domain::CallerLimits& limits, std::int64_t now_us, std::vector<limit::Limit>& into) {
  add(call, {static_cast<limit::Kind>(limits.kind), limits.entity, limits.model}, limits.most, now_us, into);
}

domain::RateLimits limits_of_gateway(const config::GeneralSettings& general) {
  domain::RateLimits most;
  most.calls = general.global_max_parallel_requests;
  if (general.max_parallel_requests && (!most.calls || *general.max_parallel_requests < *most.calls))
    most.calls = general.max_parallel_requests;
  return most;
}

/// What people call whom the limit is of.
std::string_view label_of(const Call& call, const limit::Subject& subject) {
  for (const std::vector<domain::CallerLimits>* list : {&call.caller->limits, &std::as_const(call.named_limits)}) {
    for (const domain::CallerLimits& one : *list) {
      if (static_cast<limit::Kind>(one.kind) == subject.kind && one.entity == subject.entity) return one.label;
    }
  }
  return {};
}

Error refuse(const Call& call, CallLimits& limits, limit::Refusal refusal) {
  const std::string_view label = label_of(call, refusal.subject);
  Error error = limit::refusal_error(refusal, label, base::unix_now_us());
  limits.refusal = std::move(refusal);
  return error;
}

std::int64_t counted(config::TokenRateLimit kind, bool count_cached, const domain::Usage& usage) {
  const std::uint64_t cached = count_cached ? 0 : usage.of(domain::Unit::CachedInputTokens);
  const std::uint64_t input = usage.prompt_tokens() - std::min(cached, usage.prompt_tokens());
  switch (kind) {
    case config::TokenRateLimit::Input:
      return static_cast<std::int64_t>(input);
    case config::TokenRateLimit::Output:
      return static_cast<std::int64_t>(usage.completion_tokens());
    case config::TokenRateLimit::Total:
      break;
  }
  return static_cast<std::int64_t>(input + usage.completion_tokens());
}

/// What all attempts that did work have used.
std::int64_t used_tokens(const Call& call) {
  const config::TokenRateLimit kind = call.settings().general.token_rate_limit_type;
  const bool count_cached = call.settings().turnpike.tpm_count_cached;
  std::int64_t tokens = 0;
  bool billed = false;
  for (const domain::Attempt& attempt : call.record.attempts) {
    billed = billed || attempt.billed;
    if (attempt.billed) tokens += counted(kind, count_cached, attempt.usage);
  }
  return billed ? tokens : counted(kind, count_cached, call.record.usage);
}

void add_line(std::string& fields, std::string_view name, std::int64_t value) {
  fields.append(name).append(": ");
  base::append_number(fields, value);
  fields.append("\r\n");
}

/// A model's name as part of a header's.
std::string in_header(std::string_view model) {
  std::string name(model);
  for (char& c : name) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_';
    if (!plain) c = '-';
  }
  return name;
}

/// The whole header block stays below what an nginx in front takes: further limits are not told.
constexpr std::size_t kFieldsMax = 900;

std::string fields_of_rest(const limit::Admission& admission, const limit::Terms& terms) {
  std::string fields;
  for (std::size_t i = 0; i < admission.limits().size() && fields.size() < kFieldsMax; ++i) {
    const limit::Meter& meter = *admission.limits()[i].meter;
    const std::int64_t most = terms.most(admission.limits()[i].most);
    const std::int64_t here = most - meter.used(terms.now_us);
    const std::vector<std::int64_t>& over_all = admission.shared.left;
    const std::int64_t left = std::max<std::int64_t>(0, i < over_all.size() ? std::min(here, over_all[i]) : here);
    const std::string_view unit = name_of(meter.unit());
    const std::string of = "x-ratelimit-" + std::string(descriptor_of(meter.subject().kind));
    add_line(fields, of + "-limit-" + std::string(unit), most);
    add_line(fields, of + "-remaining-" + std::string(unit), left);
    if (meter.unit() == Unit::Calls) continue;
    if (meter.subject().kind == limit::Kind::Key)
      add_line(fields, meter.unit() == Unit::Tokens ? "x-litellm-key-tpm-limit" : "x-litellm-key-rpm-limit",
               admission.limits()[i].most);
    if (meter.subject().kind == limit::Kind::KeyModel)
      add_line(fields,
               "x-litellm-key-remaining-" + std::string(unit) + "-" + in_header(meter.subject().model.substr(0, 64)),
               left);
  }
  return fields;
}

std::string fields_of_refusal(const limit::Refusal& refusal, std::span<const limit::Limit> limits,
                              const limit::Terms& terms) {
  std::string fields;
  for (const auto& [name, value] : limit::refusal_lines(refusal, rates_of(limits, terms), base::unix_now_us())) {
    if (name != "retry-after") http::add_field(fields, name, value);  // Every error that knows when says that itself.
  }
  return fields;
}

}  // namespace

bool CallLimits::has(Unit unit) const {
  return std::ranges::any_of(all, [unit](const limit::Limit& one) { return one.meter->unit() == unit; });
}

CallLimits limits_of(Call& call) {
  CallLimits limits;
  if (call.own != nullptr || !call.worker.limiter) return limits;
  const std::int64_t now_us = monotonic_us();
  const domain::RateLimits whole = limits_of_gateway(call.settings().general);
  if (whole.any()) add(call, {limit::Kind::Proxy, "gateway"}, whole, now_us, limits.all);
  for (const std::vector<domain::CallerLimits>* list : {&call.caller->limits, &std::as_const(call.named_limits)}) {
    for (const domain::CallerLimits& one : *list) {
      if (concerns(one, call)) add(call, one, now_us, limits.all);
    }
  }
  return limits;
}

bool reserve_tokens(const Call& call, const Expectation& expected, CallLimits& limits) {
  if (!limits.has(Unit::Tokens)) return false;
  const bool output_only = call.settings().general.token_rate_limit_type == config::TokenRateLimit::Output;
  const bool input_only = call.settings().general.token_rate_limit_type == config::TokenRateLimit::Input;
  const bool output = !input_only && call.settings().turnpike.tpm_reserve == config::TpmReserve::PromptAndOutput;
  limits.tokens =
      static_cast<std::int64_t>((output_only ? 0 : expected.prompt_tokens) + (output ? expected.output_tokens : 0));
  const limit::Terms terms = call.worker.limiter->terms(limits.tokens);
  return !output_only && std::ranges::any_of(limits.all, [&](const limit::Limit& one) {
    const std::int64_t most = terms.most(one.most);
    return one.meter->unit() == Unit::Tokens && one.meter->used(terms.now_us) + limits.tokens > most - most / 5;
  });
}

Result<limit::Admission> take_limits(Call& call, CallLimits& limits) {
  if (limits.all.empty()) return limit::Admission();
  tl::expected<limit::Admission, limit::Refusal> taken = call.worker.limiter->take(limits.all, limits.tokens);
  if (taken) return std::move(*taken);
  return base::fail(refuse(call, limits, std::move(taken.error())));
}

Task<Status> confirm_limits(Call& call, CallLimits& limits, limit::Admission& admission) {
  if (admission.limits().empty()) co_return Status{};
  const tl::expected<void, limit::Refusal> confirmed = co_await call.worker.limiter->confirm(admission);
  if (confirmed) co_return Status{};
  co_return base::fail(refuse(call, limits, confirmed.error()));
}

void undo_limits(limit::Admission& admission) {
  admission.undo(monotonic_us());
}

Task<bool> wait_for_room(Call& call, const CallLimits& limits, base::Monotonic until) {
  constexpr std::chrono::milliseconds kLookAgain{50};
  if (!limits.refusal || limits.refusal->why != limit::Refusal::Why::Full) co_return false;
  const auto left = std::chrono::floor<std::chrono::milliseconds>(until - base::monotonic_now());
  const bool known = limits.refusal->unit != Unit::Calls;  // Nobody knows when calls end.
  if (left <= std::chrono::milliseconds(0) || (known && limits.refusal->wait > left)) co_return false;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(limits.refusal->wait);
  co_return co_await call.sleep(std::clamp(wait, std::chrono::milliseconds(1), kLookAgain));
}

void tell_limits(Call& call, const CallLimits& limits, const limit::Admission* admission) {
  if (limits.all.empty()) return;
  const limit::Terms terms = call.worker.limiter->terms(limits.tokens);
  if (admission != nullptr) {
    call.limit_fields = fields_of_rest(*admission, terms);
  } else if (limits.refusal) {
    call.gateway.limit_refusals.add(*limits.refusal);
    call.limit_fields = fields_of_refusal(*limits.refusal, limits.all, terms);
  }
}

void settle_limits(AdmittedCall& admitted) {
  if (!admitted.limits.limits().empty()) admitted.limits.settle(used_tokens(admitted.call), monotonic_us());
}

}  // namespace turnpike::pipeline
