#include "pipeline/probe.h"

#include <algorithm>

#include "base/clock.h"
#include "codec/codec.h"
#include "codec/model_list.h"
#include "json/write.h"
#include "pipeline/attempt.h"
#include "pipeline/own_call.h"
#include "pipeline/shared_rests.h"
#include "pipeline/sightings.h"
#include "price/bill.h"
#include "protocol/call_request.h"
#include "provider/target.h"
#include "router/decide.h"

namespace turnpike::pipeline {
namespace {

using domain::Operation;
using std::chrono::milliseconds;
using State = ProbeResult::State;
using Way = ProbeResult::Way;

constexpr milliseconds kTimeout{60'000};        // LiteLLM's.
constexpr std::int64_t kTokensMax = 5;          // Likewise, of the answer.
constexpr std::uint64_t kPromptTokens = 16;     // More than the question and its frame have.
constexpr std::size_t kListBytesMax = 8 << 20;  // Some list thousands of models.
constexpr std::size_t kErrorTextMax = 500;
constexpr std::string_view kRoute = "/health";

milliseconds timeout_of(const router::Deployment& deployment) {
  return deployment.entry ? deployment.entry->health_check_timeout.value_or(kTimeout) : kTimeout;
}

domain::ModelTraits traits_of(const router::Deployment& deployment) {
  // A wildcard has no prices before a name is known.
  return deployment.prices ? prices_of(deployment).traits : domain::ModelTraits{};
}

/// The request for the provider's list of models, made from a chat call: its address and credential are the same.
std::optional<codec::Encoded> list_request(const router::Deployment& deployment,
                                           const credential::Credential& credential) {
  std::string body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";
  const std::size_t length = body.size();
  body.append(http::kBodyPadding, '\0');
  const Result<protocol::CallRequest> call =
      protocol::parse_call(Operation::Chat, std::string_view(body).substr(0, length), {});
  if (!call) return std::nullopt;
  codec::EncodeInput input(*call, deployment.target, credential, traits_of(deployment));
  input.now_s = base::unix_now_us() / 1'000'000;
  Result<codec::Encoded> encoded = codec::codec_of(deployment.target).encode(input);
  if (!encoded) return std::nullopt;
  std::optional<std::string> path = codec::model_list_path(deployment.target.shape, encoded->path);
  if (!path) return std::nullopt;
  codec::Encoded list;
  list.method = "GET";
  list.path = std::move(*path);
  list.fields = std::move(encoded->fields);
  list.origin = std::move(encoded->origin);
  return list;
}

/// What came of asking for a list.
struct Listed {
  bool served = true;  // False: there is no such list.
  int status = 0;
  Status answer;
};

Task<Listed> ask_list(const Worker& worker, const router::Deployment& deployment, const codec::Encoded& request,
                      http::Cancel& cancel) {
  http::Outgoing outgoing;
  outgoing.origin = request.origin ? &*request.origin : &deployment.target.base.origin;
  outgoing.method = request.method;
  outgoing.path = request.path;
  outgoing.fields = request.fields;
  outgoing.timeouts.connect = worker.snapshot->settings->turnpike.connect_timeout;
  outgoing.timeouts.total = timeout_of(deployment);
  outgoing.timeouts.deadline = base::monotonic_now() + outgoing.timeouts.total;
  Listed listed;
  Result<std::unique_ptr<http::Incoming>> incoming = co_await worker.client->send(outgoing, cancel);
  if (!incoming) {
    listed.answer = base::fail(std::move(incoming.error()));
    co_return listed;
  }
  listed.status = (*incoming)->status();
  Result<std::string_view> body = co_await (*incoming)->read_all(kListBytesMax);
  if (listed.status == 404 || listed.status == 405 || listed.status == 501) {
    listed.served = false;
  } else if (listed.status < 200 || listed.status >= 300) {
    const codec::Refusal refusal = refusal_of(**incoming, body ? *body : std::string_view(), deployment);
    listed.answer = base::fail(codec::codec_of(deployment.target).read_error(refusal));
  } else if (!body && body.error().kind != ErrorKind::UpstreamMalformed) {
    listed.answer = base::fail(std::move(body.error()));  // A list that is only too long has been begun well.
  } else if (body && body->find_first_of("{[") == std::string_view::npos) {
    listed.answer = base::fail(ErrorKind::UpstreamMalformed, "what came is no list of models");
  }
  co_return listed;
}

std::string_view mode_of(const router::Deployment& deployment) {
  if (!deployment.mode.empty() || !deployment.prices) return deployment.mode;
  return prices_of(deployment).mode;
}

/// The operation of the smallest call that shows whether the deployment works; nothing where none is cheap.
std::optional<Operation> cheap_operation(std::string_view mode) {
  if (mode.empty() || mode == "chat" || mode == "responses") return Operation::Chat;
  if (mode == "completion") return Operation::Completion;
  if (mode == "embedding") return Operation::Embedding;
  return std::nullopt;
}

std::int64_t tokens_max(const router::Deployment& deployment) {
  if (!deployment.entry) return kTokensMax;
  const config::ModelEntry& entry = *deployment.entry;
  const bool reasons = traits_of(deployment).has(domain::Trait::Reasoning);
  const std::optional<std::int64_t>& special =
      reasons ? entry.health_check_max_tokens_reasoning : entry.health_check_max_tokens_non_reasoning;
  return special.value_or(entry.health_check_max_tokens.value_or(kTokensMax));
}

std::string call_body(Operation operation, std::string_view model, std::int64_t tokens) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(model);
  if (operation == Operation::Embedding) {
    writer.key("input").begin_array().string("test").end_array();
  } else if (operation == Operation::Completion) {
    writer.key("prompt").string("test");
  } else {
    writer.key("messages").begin_array().begin_object();
    writer.key("role").string("user").key("content").string("test");
    writer.end_object().end_array();
  }
  if (operation != Operation::Embedding) writer.key("max_tokens").number(tokens);
  writer.end_object();
  return body;
}

/// What the call will cost; nothing where nobody knows.
std::optional<Money> expected_cost(const router::Deployment& deployment, Operation operation, std::int64_t tokens) {
  if (deployment.target.self_hosted && (!deployment.prices || !prices_of(deployment).known())) return Money();
  if (!deployment.prices) return std::nullopt;
  domain::Usage usage;
  usage.set(domain::Unit::InputTokens, kPromptTokens);
  if (operation != Operation::Embedding)
    usage.set(domain::Unit::OutputTokens, static_cast<std::uint64_t>(std::max<std::int64_t>(tokens, 1)));
  const price::Prices& prices = prices_of(deployment);
  price::add_own_units(usage, prices, 1);
  const price::Bill bill = price::bill_rounded_up(prices, usage);
  if (bill.unknown && !bill.free) return std::nullopt;
  return bill.cost;
}

/// One probe under way.
struct Probing {
  Gateway& gateway;
  Worker& worker;
  const router::Deployment& deployment;
  ProbeResult& result;

  void skip(std::string why) {
    result.state = State::Skipped;
    result.error = std::move(why);
  }
  /// `error` null: it has answered.
  void conclude(const Error* error) {
    const std::int64_t now_us = base::unix_now_us();
    // An answer that blames the request shows that the provider works.
    const bool unwell = error != nullptr && router::is_at_fault(*error);
    result.state = unwell ? State::Unwell : State::Well;
    if (error != nullptr) {
      if (error->status != 0) result.status = error->status;
      result.error = error->message.substr(0, kErrorTextMax);
    }
    router::note_check(deployment, unwell ? error : nullptr, now_us);
    if (!unwell) return;
    const config::Settings& settings = *worker.snapshot->settings;
    bool rests = false;
    if (settings.router.enable_health_check_routing && settings.router.allowed_fails_policy != config::ErrorCounts{}) {
      router::GroupCache cache;
      const router::ModelGroupRef group = worker.snapshot->routing->find_named(deployment.model_group, cache);
      rests = router::note_failure(deployment, *error, group ? group->deployments.size() : 1,
                                   router::cooldown_policy(settings.router, deployment), now_us, false);
    }
    if (rests && gateway.rests != nullptr) gateway.rests->tell(*worker.thread, deployment, now_us);
    tell_failed(worker, gateway, deployment, *error, rests);
  }
};

/// True when the list of models has said all there is to say.
Task<bool> probe_list(Probing& probing, http::Cancel& cancel) {
  const router::Deployment& deployment = probing.deployment;
  router::Health& health = *deployment.health;
  if (health.lists_no_models.load(std::memory_order_relaxed)) co_return false;
  const base::Monotonic deadline = base::monotonic_now() + timeout_of(deployment);
  Result<credential::CredentialRef> credential = co_await deployment.target.credential->get(
      {*probing.worker.thread, *probing.worker.client, cancel, deadline, base::unix_now_us() / 1'000'000});
  if (cancel.requested()) co_return true;
  if (!credential) {
    probing.conclude(&credential.error());
    co_return true;
  }
  const std::optional<codec::Encoded> request = list_request(deployment, **credential);
  if (!request) co_return false;
  probing.result.way = Way::List;
  Listed listed = co_await ask_list(probing.worker, deployment, *request, cancel);
  if (cancel.requested()) co_return true;
  probing.result.status = listed.status;
  if (!listed.served) {
    health.lists_no_models.store(true, std::memory_order_relaxed);
    probing.result.way = Way::None;
    co_return false;
  }
  if (!listed.answer) {
    provider::hide_secrets(listed.answer.error().message, deployment.target, credential->get());
    if (listed.status == 401) (void)deployment.target.credential->refused(*credential);
  }
  probing.conclude(listed.answer ? nullptr : &listed.answer.error());
  co_return true;
}

Task<void> probe_call(Probing& probing, ProbePurse& purse) {
  const router::Deployment& deployment = probing.deployment;
  const std::optional<Operation> operation = cheap_operation(mode_of(deployment));
  if (!operation) {
    probing.skip("its provider has no list of models, and no call of mode " + std::string(mode_of(deployment)) +
                 " is cheap");
    co_return;
  }
  OwnCall own;
  own.operation = *operation;
  own.route = kRoute;
  own.model = deployment.id;
  if (deployment.wildcard) own.model = deployment.entry ? deployment.entry->health_check_model : std::string();
  if (own.model.empty()) {
    probing.skip("a wildcard is probed with a call where model_info.health_check_model names a model");
    co_return;
  }
  const std::int64_t tokens = tokens_max(deployment);
  router::DeploymentRef asked;
  router::GroupCache cache;
  if (const router::ModelGroupRef group = probing.worker.snapshot->routing->find_named(own.model, cache)) {
    for (const router::DeploymentRef& member : group->deployments) {
      if (member->id == deployment.id && (group->deployments.size() == 1 || !deployment.wildcard)) asked = member;
    }
  }
  if (!asked) {
    probing.skip("a call to " + own.model + " would not surely reach it");
    co_return;
  }
  const std::optional<Money> expected = expected_cost(*asked, *operation, tokens);
  if (!expected) {
    probing.skip("nobody knows the price of a call");
    co_return;
  }
  const Money budget = probing.worker.snapshot->settings->turnpike.health_check_budget_per_day;
  if (!purse.take(*expected, budget, base::unix_now_us())) {
    probing.skip("health_check_budget_per_day (" + budget.to_string() + " USD) is used up for today");
    co_return;
  }
  own.body = call_body(*operation, own.model, tokens);
  own.tags = {std::string(kProbeTag)};
  own.timeout = timeout_of(deployment);
  own.probe = true;
  probing.result.way = Way::Call;
  const OwnAnswer answer = co_await make_own_call(probing.gateway, *probing.worker.thread, std::move(own));
  purse.correct(*expected, answer.record.cost);
  probing.result.cost = answer.record.cost;
  if (!answer.record.attempts.empty()) probing.result.status = answer.record.attempts.back().status;
  if (!answer.record.error) {
    probing.conclude(nullptr);
    co_return;
  }
  Error error;
  error.kind = *answer.record.error;
  error.message = answer.record.error_text;
  error.status = probing.result.status;
  error.detail = error.message;  // Where a 404 says what is missing.
  if (base::is_upstream(error.kind) || error.kind == ErrorKind::Timeout) {
    probing.conclude(&error);
  } else {
    probing.skip(std::move(error.message));
  }
}

}  // namespace

std::string_view state_name(State state) {
  return state == State::Well ? "healthy" : state == State::Unwell ? "unhealthy" : "skipped";
}

std::string_view way_name(Way way) {
  return way == Way::List ? "model_list" : way == Way::Call ? "call" : "";
}

void ProbePurse::begin_day(std::int64_t now_us) {
  if (now_us / base::kDayUs == day_) return;
  day_ = now_us / base::kDayUs;
  spent_ = Money();
}

bool ProbePurse::take(Money expected, Money budget, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  begin_day(now_us);
  if (spent_ + expected > budget) {
    ++refused_;
    return false;
  }
  spent_ += expected;
  return true;
}

void ProbePurse::correct(Money expected, Money actual) {
  const std::lock_guard lock(mutex_);
  spent_ = std::max(spent_ + actual - expected, Money());  // The day may have changed meanwhile.
}

Money ProbePurse::spent(std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  begin_day(now_us);
  return spent_;
}

std::uint64_t ProbePurse::refused() {
  const std::lock_guard lock(mutex_);
  return refused_;
}

Task<ProbeResult> probe(Gateway& gateway, Worker& worker, router::DeploymentRef deployment, http::Cancel& cancel,
                        ProbePurse& purse) {
  ProbeResult result;
  result.deployment = deployment;
  result.at_us = base::unix_now_us();
  Probing probing{gateway, worker, *deployment, result};
  if (deployment->target.provider == nullptr) {
    probing.skip("the name of a call decides its provider");
  } else if (!deployment->mock_response_json.empty()) {
    probing.skip("its answers are mocked: no provider is asked");
  } else if (!co_await probe_list(probing, cancel) && !cancel.requested()) {
    co_await probe_call(probing, purse);
  }
  if (cancel.requested()) probing.skip("the gateway is ending");
  result.took_us = base::unix_now_us() - result.at_us;
  co_return result;
}

}  // namespace turnpike::pipeline
