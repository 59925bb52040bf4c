#include "pipeline/limits.h"

#include <algorithm>

#include "base/hash.h"

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

/// Whom limits are spread over shards by: the widest that a call belongs to.
struct Root {
  enum class Of : std::uint8_t { Organization, Team, User, Key } of;
  std::string_view id;
};
Root root_of(const domain::Caller& caller) {
  if (!caller.organization_id.empty()) return {Root::Of::Organization, caller.organization_id};
  if (!caller.team_id.empty()) return {Root::Of::Team, caller.team_id};
  if (!caller.user_id.empty()) return {Root::Of::User, caller.user_id};
  return {Root::Of::Key, caller.key_hash_hex};
}

/// Whether calls of other roots count for it as well.
bool is_above(const Call& call, limit::Kind kind) {
  switch (kind) {
    case limit::Kind::Proxy:
    case limit::Kind::EndUser:
    case limit::Kind::Tag:
    case limit::Kind::Deployment:
    case limit::Kind::ModelGroup:
    case limit::Kind::Priority:
      return true;
    case limit::Kind::User:
    case limit::Kind::UserModel:
      return root_of(*call.caller).of != Root::Of::User;
    default:
      return false;
  }
}

/// Whether this replica's calls of the minute leave less than the saturation threshold says of what the deployments
/// can take, or of this replica's share in it.
bool is_in_much_use(const Call& call, const router::ModelGroup& group, std::int64_t now_us) {
  const router::Capacity capacity =
      router::capacity_of(group.name, group.deployments, call.settings().litellm.priorities);
  const limit::Share share = call.gateway.replicas.get();
  const auto is_crowded = [&](const std::optional<std::int64_t>& most, router::MinuteCount router::Load::* count) {
    std::int64_t used = 0;
    for (const router::DeploymentRef& deployment : group.deployments)
      used += (deployment->health->load.*count).get(now_us);
    return most && used >= share.of(capacity.crowded_at(*most));
  };
  return is_crowded(capacity.requests, &router::Load::requests) || is_crowded(capacity.tokens, &router::Load::tokens);
}

/// "dynamic" limits are not held to while the model has neither trouble nor too many calls.
limit::Held held_by(const Call& call, const router::ModelGroup& group) {
  const std::int64_t now_us = base::unix_now_us();
  const bool is_well = !router::has_trouble(group, now_us) && !is_in_much_use(call, group, now_us);
  return is_well ? limit::Held::Never : limit::Held::Always;
}

void add(Call& call, const router::ModelGroup& group, const domain::CallerLimits& limits, std::int64_t now_us,
         limit::Limits& into) {
  const auto kind = static_cast<limit::Kind>(limits.kind);
  const bool above = is_above(call, kind);
  limit::NearMeters::OfSubject& meters = call.worker.meters->of({kind, limits.entity, limits.model});
  struct OfUnit {
    Unit unit;
    bool gives;
    const std::optional<std::int64_t>& most;
  };
  for (const OfUnit& one :
       {OfUnit{Unit::Requests, limits.requests_give, limits.most.requests},
        OfUnit{Unit::Tokens, limits.tokens_give, limits.most.tokens}, OfUnit{Unit::Calls, false, limits.most.calls}}) {
    if (!one.most) continue;
    limit::Limit& added = into.emplace_back();
    added.meter = meters.find(one.unit, now_us);
    added.most = *one.most;
    added.above = above;
    if (one.gives) added.held = held_by(call, group);
  }
}

/// Whether they are the same for all of a caller's calls, whatever is called and however that is.
bool stay_the_same(const std::vector<domain::CallerLimits>& limits) {
  return std::ranges::none_of(limits, [](const domain::CallerLimits& one) {
    return !one.model.empty() || one.requests_give || one.tokens_give;
  });
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

/// What all attempts that did work have used.
std::int64_t used_tokens(const Call& call) {
  std::int64_t tokens = 0;
  bool billed = false;
  for (const domain::Attempt& attempt : call.record.attempts) {
    billed = billed || attempt.billed;
    if (attempt.billed) tokens += counted_tokens(call, attempt.usage);
  }
  return billed ? tokens : counted_tokens(call, call.record.usage);
}

/// The limit for which somebody waits who came before this call.
const limit::Limit* others_first(const Call& call, const CallLimits& limits) {
  if (call.gateway.limit_waits.waiting.load(std::memory_order_acquire) == 0) return nullptr;
  const limit::Line::Ticket ticket = limits.queueing ? limits.queueing->waiter.ticket() : limit::Line::kNone;
  const auto queued = std::ranges::find_if(
      limits.all, [ticket](const limit::Limit& one) { return !one.meter->line().lets_pass(ticket); });
  return queued == limits.all.end() ? nullptr : &*queued;
}

/// What a call is told that may not pass those who wait: they will be served first, so it is full, room or not.
limit::Refusal behind(const CallLimits& limits, const limit::Limit& queued) {
  const limit::Terms& terms = limits.terms;
  const std::int64_t amount = terms.amount(queued.meter->unit());
  const std::int64_t most = terms.most(queued.most);
  return limit::refusal_of(queued, most, amount, queued.meter->used(terms.now_us),
                           queued.meter->wait_us(amount, most, terms.now_us));
}

limit::MeterRef refusing_meter(const CallLimits& limits) {
  const auto refusing = std::ranges::find_if(limits.all, [&](const limit::Limit& one) {
    return one.meter->unit() == limits.refusal->unit && one.meter->subject() == limits.refusal->subject;
  });
  return refusing->meter;
}

/// Sleeps until it is the call's turn, or for `length`; false when the caller has gone.
Task<bool> sleep_until_rung(Call& call, Queueing& queueing, std::chrono::milliseconds length) {
  if (call.cancel->requested()) co_return false;
  base::Signal over;
  const auto timer = call.worker.thread->after(length, [&over] { over.fire(); });
  call.cancel->set_action([&over] { over.fire(); });
  queueing.bell->signal = &over;
  co_await over;
  queueing.bell->signal = nullptr;
  call.cancel->set_action({});
  co_return !call.cancel->requested();
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

std::uint32_t shard_of(const Call& call) {
  const std::uint32_t shards = call.worker.limiter->shards();
  return shards == 1 ? 0 : base::crc32c(0, root_of(*call.caller).id) % shards;
}

CallLimits limits_of(Call& call, const router::ModelGroup& group) {
  CallLimits limits;
  if (call.own != nullptr || !call.worker.limiter) return limits;
  const domain::RateLimits whole = limits_of_gateway(call.settings().general);
  const std::vector<domain::CallerLimits>& own = call.caller->limits;
  const bool only_own = !whole.any() && call.named_limits.empty();
  if (only_own && own.empty()) return limits;
  if (const limit::LimitList* const known = only_own ? call.worker.known_limits.find(call.caller) : nullptr) {
    limits.all = *known;
    return limits;
  }
  const std::int64_t now_us = monotonic_us();
  constexpr std::size_t kUsual = 16;
  limit::Limits all;
  all.reserve(kUsual);
  if (whole.any()) {
    const auto kind = static_cast<std::int16_t>(limit::Kind::Proxy);
    add(call, group, {.kind = kind, .entity = "gateway", .label = {}, .model = {}, .most = whole}, now_us, all);
  }
  for (const std::vector<domain::CallerLimits>* list : {&own, &std::as_const(call.named_limits)}) {
    for (const domain::CallerLimits& one : *list) {
      if (concerns(one, call)) add(call, group, one, now_us, all);
    }
  }
  limits.all = std::move(all);
  if (only_own && stay_the_same(own)) call.worker.known_limits.keep(call.caller, limits.all);
  return limits;
}

std::int64_t tokens_to_reserve(const Call& call, const Expectation& expected) {
  const config::TokenRateLimit kind = call.settings().general.token_rate_limit_type;
  const bool both = call.settings().turnpike.tpm_reserve == config::TpmReserve::PromptAndOutput;
  const std::uint64_t prompt = kind == config::TokenRateLimit::Output ? 0 : expected.prompt_tokens;
  const std::uint64_t output = both && kind != config::TokenRateLimit::Input ? expected.output_tokens : 0;
  return static_cast<std::int64_t>(prompt + output);
}

std::int64_t counted_tokens(const Call& call, const domain::Usage& usage) {
  const bool count_cached = call.settings().turnpike.tpm_count_cached;
  const std::uint64_t cached = count_cached ? 0 : usage.of(domain::Unit::CachedInputTokens);
  const std::uint64_t prompt = usage.prompt_tokens();
  const std::uint64_t input = prompt - std::min(cached, prompt);
  switch (call.settings().general.token_rate_limit_type) {
    case config::TokenRateLimit::Input:
      return static_cast<std::int64_t>(input);
    case config::TokenRateLimit::Output:
      return static_cast<std::int64_t>(usage.completion_tokens());
    case config::TokenRateLimit::Total:
      break;
  }
  return static_cast<std::int64_t>(input + usage.completion_tokens());
}

bool reserve_tokens(const Call& call, const Expectation& expected, CallLimits& limits) {
  if (limits.all.empty()) return false;
  const bool output_only = call.settings().general.token_rate_limit_type == config::TokenRateLimit::Output;
  const limit::Terms& terms = limits.terms =
      call.worker.limiter->terms(tokens_to_reserve(call, expected), shard_of(call));
  return !output_only && std::ranges::any_of(limits.all, [&](const limit::Limit& one) {
    if (one.meter->unit() != Unit::Tokens || one.held == limit::Held::Never) return false;
    const std::int64_t most = terms.most(one.most);
    return one.meter->used(terms.now_us) + terms.tokens > most - most / 5;
  });
}

void Queueing::Bell::ring(const std::shared_ptr<Bell>& bell) {
  bell->thread.post([bell] {
    if (bell->signal != nullptr) bell->signal->fire();
  });
}

Queueing::Queueing(Call& call)
    : gateway(call.gateway),
      bell(std::make_shared<Bell>(*call.worker.thread)),
      waiter([bell = bell] { Bell::ring(bell); }) {
  gateway.limit_waits.waiting.fetch_add(1, std::memory_order_acq_rel);  // Before it stands in any line.
}

Queueing::~Queueing() {
  gateway.limit_waits.waiting.fetch_sub(1, std::memory_order_relaxed);
}

Result<limit::Admission> take_limits(Call& call, CallLimits& limits) {
  if (limits.all.empty()) return limit::Admission();
  if (const limit::Limit* queued = others_first(call, limits))
    return base::fail(refuse(call, limits, behind(limits, *queued)));
  tl::expected<limit::Admission, limit::Refusal> taken = call.worker.limiter->take(limits.all, limits.terms);
  if (taken) return std::move(*taken);
  return base::fail(refuse(call, limits, std::move(taken.error())));
}

Task<Status> confirm_limits(Call& call, CallLimits& limits, limit::Admission& admission) {
  const tl::expected<void, limit::Refusal> confirmed = co_await call.worker.limiter->confirm(admission);
  limits.terms = call.worker.limiter->terms(limits.terms.tokens, limits.terms.shard);  // The answer took its time.
  if (confirmed) co_return Status{};
  co_return base::fail(refuse(call, limits, confirmed.error()));
}

void undo_limits(limit::Admission& admission) {
  admission.undo(monotonic_us());
}

Task<bool> wait_for_room(Call& call, CallLimits& limits, base::Monotonic until) {
  using std::chrono::milliseconds;
  constexpr milliseconds kLookAgain{10}, kLookAgainAtMost{50};  // Room may come sooner: calls end, reservations shrink.
  if (!limits.refusal || limits.refusal->why != limit::Refusal::Why::Full) co_return false;
  const auto left = std::chrono::floor<milliseconds>(until - base::monotonic_now());
  const bool known = limits.refusal->unit != Unit::Calls;  // Nobody knows when calls end.
  if (left <= milliseconds(0) || (known && limits.refusal->wait > left)) co_return false;
  if (!limits.queueing) limits.queueing = std::make_unique<Queueing>(call);
  if (!limits.queueing->waiter.join(refusing_meter(limits))) {
    call.gateway.limit_waits.queue_full.fetch_add(1, std::memory_order_relaxed);
    co_return false;
  }
  // Whoever is first looks himself; the others are told when they are.
  if (!limits.queueing->waiter.first()) co_return co_await sleep_until_rung(call, *limits.queueing, left);
  const auto wait = std::chrono::ceil<milliseconds>(limits.refusal->wait);
  const milliseconds pause = known ? std::clamp(wait, milliseconds(1), kLookAgainAtMost) : kLookAgain;
  co_return co_await call.sleep(std::min(left, pause));
}

void tell_limits(Call& call, const CallLimits& limits, const limit::Admission* admission) {
  if (limits.all.empty()) return;
  if (admission != nullptr) {
    RestFields once;
    RestFields* const kept = call.worker.known_limits.fields(call.caller, admission->list());
    call.limit_fields =
        (kept != nullptr ? *kept : once).write(admission->limits(), admission->shared.left, limits.terms);
  } else if (limits.refusal) {
    call.gateway.limit_refusals.add(*limits.refusal);
    const limit::Terms now = call.worker.limiter->terms(limits.terms.tokens);  // It may have waited.
    call.limit_fields = fields_of_refusal(*limits.refusal, limits.all, now);
  }
}

std::string refusal_fields_of(const limit::Refusal& refusal) {
  return fields_of_refusal(refusal, {}, {});
}

void settle_limits(AdmittedCall& admitted) {
  if (!admitted.limits.limits().empty()) admitted.limits.settle(used_tokens(admitted.call), monotonic_us());
}

}  // namespace turnpike::pipeline
