#include "api/reply.h"

namespace turnpike::api {

namespace {

/// LiteLLM raises errors of its management routes now in the envelope, now as {"detail": {"error": text}}; scripts read
/// either.
std::string with_detail(std::string envelope, std::string_view message) {
  envelope.pop_back();
  return envelope + R"(,"detail":{"error":)" + json::quoted(message) + "}}";
}

}  // namespace

Reply json_reply(std::string body) {
  Reply reply;
  reply.body = std::move(body);
  return reply;
}

Reply private_json_reply(std::string body) {
  Reply reply = json_reply(std::move(body));
  reply.fields = "Cache-Control: no-store\r\n";
  return reply;
}

Reply error_reply(const Error& error, protocol::Compat compat) {
  Reply reply;
  reply.status = protocol::status_of(error, compat);
  reply.body = protocol::openai_error_body(error, compat);
  reply.fields = protocol::error_fields(error);
  return reply;
}

Reply management_error_reply(const Error& error, protocol::Compat compat) {
  Reply reply = error_reply(error, compat);
  reply.body = with_detail(std::move(reply.body), error.message);
  return reply;
}

namespace {

tl::unexpected<Error> about_field(ErrorKind kind, std::string_view field, std::string message) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  error.param = field;
  return base::fail(std::move(error));
}

}  // namespace

tl::unexpected<Error> refuse_field(std::string_view field, std::string message) {
  return about_field(ErrorKind::InvalidRequest, field, std::move(message));
}

tl::unexpected<Error> forbid_field(std::string_view field, std::string message) {
  return about_field(ErrorKind::PermissionDenied, field, std::move(message));
}

}  // namespace turnpike::api
