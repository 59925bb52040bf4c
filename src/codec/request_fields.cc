#include "base/text.h"
#include "codec/chat_codec.h"
#include "http/message.h"

namespace turnpike::codec {

bool has_field(std::string_view fields, std::string_view name) {
  while (!fields.empty()) {
    const std::size_t end = std::min(fields.find("\r\n"), fields.size());
    const std::string_view line = fields.substr(0, end);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        base::equals_ignoring_case(line.substr(0, name.size()), name)) {
      return true;
    }
    fields.remove_prefix(std::min(end + 2, fields.size()));
  }
  return false;
}

std::string common_fields(const EncodeInput& input, bool stream, std::string_view accept) {
  const std::string& own = input.target.extra_fields;
  std::string fields;
  fields.reserve(256 + input.credential.token.reveal().size() + own.size() + input.forward_fields.size());
  fields += "Content-Type: application/json\r\n";
  if (accept.empty()) accept = stream ? "text/event-stream" : "application/json";
  fields.append("Accept: ").append(accept).append("\r\n");
  fields += "Accept-Encoding: identity\r\n";
  if (own.empty() || !has_field(own, "user-agent")) fields += "User-Agent: turnpike/" TURNPIKE_VERSION "\r\n";
  if (!input.traceparent.empty()) http::add_field(fields, "traceparent", input.traceparent);
  fields += own;
  fields += input.forward_fields;
  return fields;
}

void add_bearer(std::string& fields, const EncodeInput& input) {
  const std::string& token = input.credential.token.reveal();
  if (token.empty()) return;
  if (!input.target.extra_fields.empty() && has_field(input.target.extra_fields, "authorization")) return;
  http::add_field(fields, "Authorization", "Bearer " + token);
}

void add_key(std::string& fields, std::string_view header, const EncodeInput& input) {
  const std::string& token = input.credential.token.reveal();
  if (!token.empty()) http::add_field(fields, header, token);
}

}  // namespace turnpike::codec
