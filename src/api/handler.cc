#include <array>

#include "api/api.h"
#include "api/permission.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "pipeline/chat.h"

namespace turnpike::api {
namespace {

/// Every reply has an id that its caller can name; calls to models bring theirs, which is in the ledger and the log.
std::string new_id(http::Exchange& exchange) {
  base::Random& random = exchange.thread().random();
  const auto now_ms = static_cast<std::uint64_t>(base::unix_now_us() / 1000);
  return base::make_id(now_ms, random.next(), random.next()).to_string();
}

Task<void> send(http::Exchange& exchange, Reply reply, std::string id) {
  http::add_field(reply.fields, "x-request-id", id);
  http::add_field(reply.fields, "x-litellm-version", TURNPIKE_VERSION);
  http::ReplyHead head;
  head.status = reply.status;
  head.content_type = reply.content_type;
  head.fields = std::move(reply.fields);
  const std::array<std::string_view, 1> pieces{reply.body};
  // A caller who has gone does not read the answer; there is nobody to tell.
  (void)co_await exchange.reply(head, pieces);
}

Task<Result<domain::CallerRef>> recognise(pipeline::Worker& worker, const http::Request& request, std::int64_t now_us) {
  if (std::optional<Result<domain::CallerRef>> known = worker.authenticator->authenticate_known(request, now_us)) {
    co_return std::move(*known);
  }
  co_return co_await worker.authenticator->authenticate(request, now_us);
}

bool needs_key(const Route& route, const config::Settings& settings) {
  if (route.who == Who::PublicUnlessSet) return settings.litellm.require_auth_for_metrics_endpoint;
  return route.who != Who::Public;
}

Task<Result<Reply>> answer(Context& context, pipeline::Worker& worker, const Route& route) {
  if (needs_key(route, context.settings())) {
    Result<domain::CallerRef> caller = co_await recognise(worker, context.request(), context.now_us);
    if (!caller) co_return base::fail(std::move(caller.error()));
    context.caller = std::move(*caller);
    if (Status allowed = may_call(route, *context.caller); !allowed) co_return base::fail(std::move(allowed.error()));
  }
  if (context.request().body.size() > kManagementBodyBytesMax) {
    co_return base::fail(ErrorKind::PayloadTooLarge, "The body of " + std::string(route.path) + " may hold at most " +
                                                         std::to_string(kManagementBodyBytesMax) + " bytes.");
  }
  co_return co_await route.answer(context);
}

Task<void> dispatch(pipeline::Gateway& gateway, std::shared_ptr<const Hooks> hooks, http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  pipeline::Worker& worker = gateway.worker_of(exchange.thread());
  const std::string_view path = without_root_path(request.path, hooks->root_path);
  const Match match = find_route(routes(), request.method, path);
  std::optional<std::string> captured;
  if (match.route != nullptr) captured = base::percent_decode(match.captured);
  if (!captured) {
    const bool other_method = match.route == nullptr && !match.allowed.empty();
    const Error error = other_method ? wrong_method(request.method_text, path, match.allowed)
                                     : unknown_route(routes(), request.method_text, path);
    Reply reply = error_reply(error, worker.snapshot->compat);
    if (other_method) {
      std::string allow;
      for (const std::string_view name : match.allowed) allow.append(allow.empty() ? "" : ", ").append(name);
      http::add_field(reply.fields, "Allow", allow);
    }
    co_await send(exchange, std::move(reply), new_id(exchange));
    co_return;
  }
  const Route& route = *match.route;
  if (route.who == Who::Pipeline) {
    co_await pipeline::serve_call(gateway, exchange, route.operation, route.path, std::move(*captured));
    co_return;
  }
  Context context{
      gateway, *hooks, exchange, worker.snapshot, nullptr, std::move(*captured), base::unix_now_us(), new_id(exchange)};
  Result<Reply> reply = co_await answer(context, worker, route);
  co_await send(exchange, reply ? std::move(*reply) : management_error_reply(reply.error(), context.snapshot->compat),
                context.request_id);
}

ErrorKind kind_of(int status) {
  switch (status) {
    case 404:
      return ErrorKind::NotFound;
    case 405:
      return ErrorKind::MethodNotAllowed;
    case 408:
      return ErrorKind::Timeout;
    case 413:
      return ErrorKind::PayloadTooLarge;
    case 417:
      return ErrorKind::ExpectationFailed;
    case 431:
      return ErrorKind::HeadersTooLarge;
    case 503:
      return ErrorKind::Unavailable;
    default:
      return status >= 500 ? ErrorKind::Internal : ErrorKind::InvalidRequest;
  }
}

}  // namespace

http::Handler make_handler(pipeline::Gateway& gateway, Hooks hooks) {
  auto shared = std::make_shared<const Hooks>(std::move(hooks));
  return [&gateway, shared](http::Exchange& exchange) { return dispatch(gateway, shared, exchange); };
}

std::string error_body(int status, std::string_view message) {
  Error error;
  error.kind = kind_of(status);
  error.message = message;
  error.code = std::to_string(status);
  return protocol::openai_error_body(error);
}

}  // namespace turnpike::api
