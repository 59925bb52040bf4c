#include "pipeline/chat.h"

#include <algorithm>
#include <cmath>
#include <exception>

#include "account/route_access.h"
#include "base/log.h"
#include "base/text.h"
#include "json/document.h"
#include "pipeline/call.h"
#include "pipeline/keepalive.h"
#include "pipeline/mirror.h"
#include "pipeline/own_call.h"
#include "pipeline/texts.h"

namespace turnpike::pipeline {
namespace {

using domain::EntryStatus;

/// Who is calling: at once for a key this thread knows, else after one read of the database.
Task<Status> identify(Call& call) {
  const std::int64_t now_us = call.record.started_us;
  std::optional<Result<domain::CallerRef>> known =
      call.worker.authenticator->authenticate_known(call.exchange.request(), now_us);
  if (!known) {
    Result<domain::CallerRef> asked = co_await call.worker.authenticator->authenticate(call.exchange.request(), now_us);
    known.emplace(std::move(asked));
  }
  if (!*known) co_return base::fail(std::move(known->error()));
  call.caller = **known;
  call.record.caller = call.caller;
  if (Status role = account::check_calls_models(*call.caller, call.record.route); !role) co_return role;
  co_return account::check_route_allowed(*call.caller, {call.record.route, true});
}

/// Limits of time, tags and ids that stand in headers as well as in the body; the header is read where the body is
/// silent.
Status read_headers(Call& call) {
  const http::Request& request = call.exchange.request();
  if (const std::string_view tags = request.find("x-litellm-tags"); !tags.empty()) {
    for (const std::string_view tag : base::split(tags, ',')) {
      if (!base::trim(tag).empty()) call.request.tags.emplace_back(base::trim(tag));
    }
  }
  const auto read_seconds = [&](std::string_view name, std::optional<double>& into) -> Status {
    const std::string_view text = request.find(name);
    if (text.empty() || into) return {};
    char* end = nullptr;
    const std::string copy(text);
    const double seconds = std::strtod(copy.c_str(), &end);
    if (end != copy.c_str() + copy.size() || !(seconds > 0) || std::isinf(seconds)) {
      Error error;
      error.kind = ErrorKind::InvalidRequest;
      error.param = std::string(name);
      error.message = "Header " + std::string(name) + " must be a number of seconds above 0.";
      return base::fail(std::move(error));
    }
    into = seconds;
    return {};
  };
  if (Status read = read_seconds("x-litellm-timeout", call.request.timeout_seconds); !read) return read;
  if (Status read = read_seconds("x-litellm-stream-timeout", call.request.stream_timeout_seconds); !read) return read;
  if (const std::string_view text = request.find("x-litellm-num-retries"); !text.empty() && !call.request.num_retries) {
    call.request.num_retries = base::parse_unsigned(text);
    if (!call.request.num_retries) {
      Error error;
      error.kind = ErrorKind::InvalidRequest;
      error.param = "x-litellm-num-retries";
      error.message = "Header x-litellm-num-retries must be a whole number.";
      return base::fail(std::move(error));
    }
  }
  return {};
}

/// End user, first found (spec http-api 4.2).
std::string end_user_of(const Call& call) {
  if (!call.caller->end_user.empty()) return call.caller->end_user;
  const http::Request& request = call.exchange.request();
  for (const char* name : {"x-litellm-customer-id", "x-litellm-end-user-id"}) {
    if (const std::string_view value = request.find(name); !value.empty()) return std::string(value);
  }
  const std::string& configured = call.settings().general.user_header_name;
  if (!configured.empty()) {
    if (const std::string_view value = request.find(configured); !value.empty()) return std::string(value);
  }
  return call.request.user;
}

/// An operator's override for operations of this kind.
const std::string* fixed_model(const config::GeneralSettings& general, domain::Operation operation) {
  using domain::Operation;
  if (domain::writes_text(operation)) return &general.completion_model;
  if (operation == Operation::Embedding) return &general.embedding_model;
  if (operation == Operation::Moderation) return &general.moderation_model;
  if (operation == Operation::ImageGeneration) return &general.image_generation_model;
  return nullptr;
}

/// Only operations that carry files take forms; of the others a body is JSON whatever its head says.
std::string_view form_type(const http::Request& request, domain::Operation operation) {
  const bool takes_files = domain::reads_audio(operation) || operation == domain::Operation::ImageEdit;
  return takes_files ? request.find("content-type") : std::string_view();
}

/// The name that is routed: an operator's override, then the key's alias, then what was asked for.
std::string routed_model(const Call& call) {
  const config::GeneralSettings& general = call.settings().general;
  if (const std::string* fixed = fixed_model(general, call.request.operation); fixed != nullptr && !fixed->empty()) {
    return *fixed;
  }
  const auto alias = call.caller->aliases.find(call.request.model);
  return alias == call.caller->aliases.end() ? call.request.model : alias->second;
}

Status check_allowed(const Call& call, const std::string& model) {
  if (call.own != nullptr) return {};  // The operator's configuration has named it.
  Status asked = account::check_model_allowed(*call.caller, call.request.model, call.snapshot->access_groups);
  if (asked || model == call.request.model) return asked;
  return account::model_allowed(*call.caller, model, call.snapshot->access_groups) ? Status{} : asked;
}

/// Whether the body says something under `name`; "metadata.project" is a member of a member.
bool carries(const protocol::CallRequest& request, std::string_view name) {
  const std::size_t dot = name.find('.');
  const json::Member* member = request.scan.find(name.substr(0, dot));
  if (member == nullptr || member->kind == json::Kind::Null) return false;
  if (dot == std::string_view::npos) return true;
  json::Document document;
  if (!document.parse(member->value.in(request.body))) return false;
  json::Value value = document.root();
  for (const std::string_view part : base::split(name.substr(dot + 1), '.')) value = value.find(part);
  return value && !value.is(json::Kind::Null);
}

Status require(const Call& call, const std::string& name) {
  if (carries(call.request, name) || (name == "user" && !call.record.end_user.empty())) return {};
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = name;
  error.message = "BadRequest please pass param=" + name + " in request body. This is a required param";
  return base::fail(std::move(error));
}

/// What key, team and configuration demand of a body, and what they forbid in it.
Status check_demands(const Call& call) {
  const config::GeneralSettings& general = call.settings().general;
  static const std::vector<std::string> kNone;
  const std::vector<std::string>& of_services =
      call.caller->is_service_account ? general.service_account_params : kNone;
  for (const std::vector<std::string>* names :
       {&call.caller->enforced_params, &general.enforced_params, &of_services}) {
    for (const std::string& name : *names) {
      if (Status carried = require(call, name); !carried) return carried;
    }
  }
  if (general.enforce_user_param) {
    if (Status carried = require(call, "user"); !carried) return carried;
  }
  if (!general.reject_clientside_metadata_tags || call.request.tags.empty()) return {};
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.type = "bad_request_error";
  error.param = "metadata.tags";
  error.message = "Callers may not set tags here (reject_clientside_metadata_tags): tags come from keys and teams.";
  return base::fail(std::move(error));
}

/// The accounts of the end user and the tags that the call names, where they have rows; whoever is blocked is refused.
Task<Status> add_spenders(Call& call) {
  account::Spenders& spenders = call.worker.authenticator->spenders();
  const auto add = [&call](const account::Spenders::SpenderRef& spender) -> Status {
    if (!spender) return {};
    if (spender->blocked) {
      return base::fail(ErrorKind::InvalidRequest,
                        "User blocked from making LLM API Calls. User=" + spender->account.entity);
    }
    const auto same = [&](const domain::CallerAccount& account) {
      return account.account_id == spender->account.account_id;
    };
    if (std::ranges::none_of(call.named_accounts, same)) {
      call.named_accounts.push_back(spender->account);
      if (spender->tokens) call.named_accounts.push_back(*spender->tokens);
      if (spender->limits.most.any()) call.named_limits.push_back(spender->limits);
    }
    return {};
  };
  // What other replicas have made of its account since this one met it.
  const auto learn = [&call](const account::Spenders::SpenderRef& spender) {
    if (spender) call.gateway.ledger->account_read(spender->account);
    if (spender && spender->tokens) call.gateway.ledger->account_read(*spender->tokens);
  };
  const std::string& end_user = call.record.end_user;
  if (!end_user.empty()) {
    std::optional<account::Spenders::SpenderRef> known = spenders.find_known(account::kEndUserKind, end_user);
    if (!known) {
      known = co_await spenders.find(account::kEndUserKind, end_user);
      learn(*known);
    }
    if (Status added = add(*known); !added) co_return added;
  }
  for (const std::string& tag : call.record.tags) {
    std::optional<account::Spenders::SpenderRef> known = spenders.find_known(account::kTagKind, tag);
    if (!known) {
      known = co_await spenders.find(account::kTagKind, tag);
      learn(*known);
    }
    if (Status added = add(*known); !added) co_return added;
  }
  co_return Status{};
}

/// A deployment's own timeout comes before the router's: the call may last as long as the most patient one.
std::chrono::milliseconds longest_timeout(const router::RoutePlan& plan, std::chrono::milliseconds timeout) {
  for (const router::RoutePlan::Stop& stop : plan.stops) {
    for (const router::DeploymentRef& deployment : stop.group->deployments)
      timeout = std::max(timeout, deployment->timeout.value_or(timeout));
  }
  return timeout;
}

/// A call of our own: what its body says of retries, fallbacks and mocks was meant for the call it was copied from.
void own_terms(Call& call) {
  protocol::CallRequest& request = call.request;
  request.num_retries.reset();
  request.fallbacks.reset();
  request.context_window_fallbacks.reset();
  request.content_policy_fallbacks.reset();
  request.max_fallbacks.reset();
  request.mock_response_json.clear();
  request.mock_timeout = false;
  request.mock_delay_seconds.reset();
  request.mock_testing_fallbacks = request.mock_testing_context_fallbacks = false;
  request.mock_testing_content_policy_fallbacks = request.mock_testing_rate_limit_error = false;
  if (call.own->timeout > std::chrono::milliseconds(0))
    request.timeout_seconds = std::chrono::duration<double>(call.own->timeout).count();
  request.disable_fallbacks = call.own->probe;
  call.record.tags = call.own->tags;
}

/// What the request says, and where it may go. Nothing is taken yet.
Result<router::RoutePlan> read_call(Call& call, std::string_view path_model) {
  const http::Request& http_request = call.exchange.request();
  Result<protocol::CallRequest> parsed = protocol::parse_call(call.record.operation, http_request.body, path_model,
                                                              form_type(http_request, call.record.operation));
  if (!parsed) return base::fail(std::move(parsed.error()));
  call.request = std::move(*parsed);
  call.record.stream = call.request.stream;
  call.record.requested_model = call.request.model;
  if (Status read = read_headers(call); !read) return base::fail(std::move(read.error()));
  if (call.caller->routing) call.request.complete(*call.caller->routing);
  if (call.settings().general.always_include_stream_usage) call.request.include_usage = true;
  call.record.end_user = end_user_of(call);
  call.record.tags = call.request.tags;
  call.record.tags.insert(call.record.tags.end(), call.caller->tags.begin(), call.caller->tags.end());

  if (call.own != nullptr) own_terms(call);
  if (call.own == nullptr) {
    if (Status carried = check_demands(call); !carried) return base::fail(std::move(carried.error()));
  }
  const std::string model = call.own != nullptr ? call.request.model : routed_model(call);
  if (Status allowed = check_allowed(call, model); !allowed) return base::fail(std::move(allowed.error()));
  Result<router::RoutePlan> plan = router::plan(planning_of(call), model);
  if (!plan) return plan;
  if (call.own != nullptr && call.own->probe) plan->policy.attempts_max = 1;
  call.shown_model = call.request.model;
  call.record.model_group = plan->stops.front().group->name;
  call.record.max_retries = plan->policy.num_retries;

  const config::RouterSettings& router_settings = call.settings().router;
  call.total = call.request.timeout_seconds ? to_milliseconds(*call.request.timeout_seconds)
                                            : longest_timeout(*plan, router_settings.timeout);
  call.limit = call.total;
  call.deadline = call.started + call.total;
  return plan;
}

/// The story of one call. An error that comes back has not been answered yet.
/// AC-BUDGET-7: the master key has no budget. Its calls are counted and warned of, or refused.
Status check_master_key(Call& call) {
  constexpr std::int64_t kWarnEveryUs = 60'000'000;
  if (!call.caller->is_admin() || !call.caller->accounts.empty()) return {};
  if (call.settings().general.forbid_master_key_inference) {
    Error error;
    error.kind = ErrorKind::PermissionDenied;
    error.code = "master_key_inference";
    error.message =
        "The master key may not be used for calls to models here (forbid_master_key_inference): make a key with "
        "POST /key/generate and call with that.";
    return base::fail(std::move(error));
  }
  call.gateway.master_key_calls.fetch_add(1, std::memory_order_relaxed);
  std::int64_t warned_us = call.gateway.master_key_warned_us.load(std::memory_order_relaxed);
  if (call.record.started_us - warned_us >= kWarnEveryUs &&
      call.gateway.master_key_warned_us.compare_exchange_strong(warned_us, call.record.started_us)) {
    base::log(base::LogLevel::Warning,
              "The master key is used for calls to models ({} so far): no budget holds for them. Make keys with POST "
              "/key/generate; general_settings.forbid_master_key_inference refuses such calls.",
              call.gateway.master_key_calls.load(std::memory_order_relaxed));
  }
  return {};
}

Task<Status> tell(Call& call, std::string_view path_model) {
  if (call.own == nullptr) {
    if (Status known = co_await identify(call); !known) co_return known;
    if (Status allowed = check_master_key(call); !allowed) co_return allowed;
  }
  Result<router::RoutePlan> plan = read_call(call, path_model);
  if (!plan) co_return base::fail(std::move(plan.error()));

  if (call.own == nullptr && (!call.record.end_user.empty() || !call.record.tags.empty())) {
    if (Status added = co_await add_spenders(call); !added) co_return added;
  }

  call.exchange.on_gone([&call] { call.drain.caller_went(call); });
  if (!call.exchange.request().find("idempotency-key").empty()) {
    const Result<bool> replayed = co_await replay_or_begin(call, path_model);
    if (!replayed) co_return base::fail(replayed.error());
    if (*replayed) co_return Status{};
  }
  Result<AdmittedCall> admitted = co_await admit(call, *plan);
  if (!admitted) co_return base::fail(std::move(admitted.error()));

  call.texts = texts_to_keep(call);
  const Keepalive keepalive(call);
  Result<AnswerRef> answer = co_await run_plan(*admitted, *plan);
  if (!answer) {
    Error& error = answer.error();
    const bool gone = error.kind == ErrorKind::CallerGone;
    call.record.error = error.kind;
    call.record.error_text = error.message;
    if (gone) call.record.marks |= domain::kClientDisconnected;
    if (call.exchange.interrupted()) call.record.marks |= domain::kShutdown;
    if (error.kind == ErrorKind::Timeout) call.record.marks |= domain::kTimeout;
    if (base::is_upstream(error.kind)) call.record.marks |= domain::kUpstreamError;
    call.record.http_status = status_for(call, error);
    settle(*admitted, gone ? EntryStatus::Aborted : EntryStatus::Failure);
    co_return base::fail(std::move(error));
  }
  if ((*answer)->stream) {
    co_await send_stream(*admitted, std::move(*answer));
  } else {
    co_await send_whole(*admitted, std::move(*answer));
  }
  mirror(call, *plan);
  co_return Status{};
}

/// The record goes out, once, whatever happened.
void close(Call& call) {
  domain::CallRecord& record = call.record;
  if (record.ended_us == 0) record.ended_us = base::unix_now_us();
  if (record.end_reason.empty() && record.error) record.end_reason = domain::kind_name(*record.error);
  call.gateway.metrics->call_ended(call.worker.index, record);
  call.gateway.access_log->call_ended(call.worker.index, record);
  call.gateway.calls_open.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace

router::Planning planning_of(Call& call) {
  return {*call.snapshot->routing,
          call.settings(),
          call.request,
          call.worker.groups,
          [&call](std::string_view group) {
            return call.own != nullptr || account::model_allowed(*call.caller, group, call.snapshot->access_groups);
          },
          call.caller->disable_fallbacks,
          call.caller->routing.get()};
}

Task<void> carry_out(Call& call, std::string_view path_model) {
  const CallsUnderWay::Place place(call.worker.calls, call);
  call.gateway.calls_open.fetch_add(1, std::memory_order_relaxed);
  Status told;
  try {
    told = co_await tell(call, path_model);
  } catch (const std::exception& bug) {
    base::log(base::LogLevel::Error, "call {}: {}", call.record.call_id, bug.what());
    told = base::fail(ErrorKind::Internal,
                      "Internal error; the gateway's log has the call id " + call.record.call_id + ".", bug.what());
  }
  if (!told) {
    call.record.error = told.error().kind;
    if (call.record.error_text.empty()) call.record.error_text = told.error().message;
    co_await send_error(call, told.error());
  }
  call.exchange.on_gone({});
  hand_over_texts(call);
  close(call);
}

Task<void> serve_call(Gateway& gateway, http::Exchange& exchange, domain::Operation operation, std::string_view route,
                      std::string path_model) {
  Call call(gateway, exchange, operation, route);
  co_await carry_out(call, path_model);
}

}  // namespace turnpike::pipeline
