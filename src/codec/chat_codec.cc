#include "codec/chat_codec.h"

#include <algorithm>

#include "protocol/param_path.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using protocol::Block;
using protocol::ChatRequest;

constexpr bool is_chat(domain::Operation operation) {
  return operation == domain::Operation::Chat || operation == domain::Operation::Completion;
}

tl::unexpected<Error> not_served(domain::Operation operation, std::string_view label) {
  std::string message = "litellm.BadRequestError: ";
  message.append(label).append(" is asked for chat only, not for the operation ").append(operation_name(operation));
  return base::fail(ErrorKind::InvalidRequest, std::move(message));
}

void add_names(const EncodeInput& input, std::string_view field, std::vector<std::string>& names) {
  const json::Member* member = input.call.scan.find(field);
  if (member == nullptr || member->kind != Kind::Array) return;
  json::Document document;
  if (!document.parse(member->value.in(input.call.body))) return;
  for (const Value name : document.root().elements()) {
    if (auto text = name.text()) names.push_back(std::move(*text));
  }
}

// A source without what the paths of additional_drop_params name; the source itself where none does.
std::string_view without_paths(std::string_view json, const protocol::ParamPolicy& policy, std::string& edited) {
  for (const std::string& name : policy.additional_drop) {
    if (json.empty() || !protocol::is_param_path(name)) continue;
    json::Document document;
    if (!document.parse(json)) return json;
    edited = protocol::without_path(document.root(), name);
    json = edited;
  }
  return json;
}

// What only a text completion can ask for: no chat has a word for it.
Status leave_out_of_chat(ChatRequest& request, const protocol::ParamPolicy& policy, std::string_view label) {
  for (const std::string_view name : {"suffix", "echo", "best_of"}) {
    const auto asked = std::erase_if(request.extras, [&](const ChatRequest::Extra& extra) {
      return extra.key == name && extra.json != "false" && extra.json != "1" && extra.json != "\"\"";
    });
    std::erase_if(request.extras, [&](const ChatRequest::Extra& extra) { return extra.key == name; });
    if (asked == 0 || policy.drop) continue;
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.param = name;
    error.code = "unsupported_parameter";
    error.message = "litellm.UnsupportedParamsError: '" + error.param + "' is not supported: a text completion of " +
                    std::string(label) + " is a chat. Set drop_params to leave it out.";
    return base::fail(std::move(error));
  }
  return {};
}

// Whether a body may name the address of a file: such members end in "_url" or "_id", rare in prose.
bool may_name_address(std::string_view body) {
  for (std::size_t at = body.find('_'); at != std::string_view::npos; at = body.find('_', at + 1)) {
    const std::string_view rest = body.substr(at + 1);
    if (rest.starts_with("url\"") || rest.starts_with("id\"")) return body.find("\"http") != std::string_view::npos;
  }
  return false;
}

/// Calls `act` with every block that stands at an http(s) address, the parts of tool results too.
template <class Act>
void each_at_address(std::vector<Block>& blocks, const Act& act) {
  for (Block& block : blocks) {
    if (block.media.url.starts_with("http")) act(block);
    each_at_address(block.parts, act);
  }
}

void put_in(Block& block, const FetchedMedia& fetched) {
  protocol::Media& media = block.media;
  media.url = {};
  media.base64 = fetched.base64;
  // What the caller says of it counts only where the server says nothing of use.
  const bool vague = fetched.mime.empty() || fetched.mime == "application/octet-stream";
  if (media.mime.empty() || !vague) media.mime = fetched.mime;
  if (block.kind == Block::Kind::Document && media.mime.starts_with("image/")) block.kind = Block::Kind::Image;
}

}  // namespace

protocol::ParamPolicy param_policy(const EncodeInput& input) {
  protocol::ParamPolicy policy;
  policy.drop = input.target.drop_unsupported;
  policy.modify = input.target.modify_params;
  policy.additional_drop = input.target.drop_params;
  policy.allowed = input.target.allowed_params;
  const json::Member* drop = input.call.scan.find("drop_params");
  if (drop != nullptr && drop->kind == Kind::Bool) policy.drop = drop->value.in(input.call.body) == "true";
  add_names(input, "additional_drop_params", policy.additional_drop);
  add_names(input, "allowed_openai_params", policy.allowed);
  return policy;
}

Result<Encoded> ChatCodec::encode(const EncodeInput& input) const {
  const std::string_view label = input.target.provider->label;
  if (!is_chat(input.call.operation)) return not_served(input.call.operation, label);
  const protocol::ParamPolicy policy = param_policy(input);
  std::string edited[3];
  protocol::ChatSources sources;
  sources.overrides_json = without_paths(input.overrides_json, policy, edited[0]);
  sources.body = without_paths(input.call.body, policy, edited[1]);
  sources.defaults_json = without_paths(input.target.default_params_json, policy, edited[2]);
  Result<ChatRequest> request = protocol::parse_openai_chat(sources);
  if (!request) return base::fail(std::move(request.error()));
  if (Status fit = protocol::fit_params(*request, supported(input), policy, label, input.target.model); !fit) {
    return base::fail(std::move(fit.error()));
  }
  if (input.call.operation == domain::Operation::Completion) {
    if (Status left = leave_out_of_chat(*request, policy, label); !left) return base::fail(std::move(left.error()));
  }
  put_fetched(*request, input);
  Encoded encoded;
  encoded.terms.legacy_functions = request->legacy_functions;
  if (Status written = encode_chat(*request, input, encoded); !written) {
    return base::fail(std::move(written.error()));
  }
  return encoded;
}

void ChatCodec::put_fetched(ChatRequest& request, const EncodeInput& input) const {
  if (input.fetched == nullptr) return;
  for (protocol::Message& message : request.messages) {
    each_at_address(message.blocks, [&](Block& block) {
      const auto found = input.fetched->find(std::string(block.media.url));
      if (found != input.fetched->end() && needs_bytes(block, input)) put_in(block, found->second);
    });
  }
}

std::vector<std::string> ChatCodec::urls_to_fetch(const EncodeInput& input) const {
  std::vector<std::string> urls;
  // Most calls name no address: they are not read twice.
  if (!is_chat(input.call.operation)) return urls;
  if (!may_name_address(input.call.body) && !may_name_address(input.overrides_json)) return urls;
  protocol::ChatSources sources;
  sources.overrides_json = input.overrides_json;
  sources.body = input.call.body;
  Result<ChatRequest> request = protocol::parse_openai_chat(sources);
  if (!request) return urls;  // `encode` says what is wrong.
  for (protocol::Message& message : request->messages) {
    each_at_address(message.blocks, [&](const Block& block) {
      const bool known = std::find(urls.begin(), urls.end(), block.media.url) != urls.end();
      if (!known && needs_bytes(block, input)) urls.emplace_back(block.media.url);
    });
  }
  return urls;
}

Result<protocol::ReplyFacts> ChatCodec::read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                                   std::string_view body, std::string& scratch,
                                                   std::vector<std::string_view>& pieces) const {
  Result<protocol::ChatReply> reply = decode_chat(body, options.provider_label);
  if (!reply) return base::fail(std::move(reply.error()));
  scratch.clear();
  Result<protocol::ReplyFacts> facts = protocol::write_openai_reply(options, request.terms, *reply, scratch);
  if (facts) pieces.push_back(scratch);
  return facts;
}

std::unique_ptr<protocol::ReplyStream> ChatCodec::follow(protocol::StreamOptions options,
                                                         const Encoded& request) const {
  std::unique_ptr<protocol::EventDecoder> decoder = decode_events(options.provider_label);
  return protocol::translate_stream(std::move(options), request.terms, std::move(decoder));
}

std::optional<domain::Usage> ChatCodec::usage_of_part(std::string_view body) const {
  if (const Result<protocol::ChatReply> reply = decode_chat(body, {}); reply && reply->usage) return reply->usage;
  return protocol::usage_of_reply(body);
}

std::string ChatCodec::text_of_part(std::string_view body) const {
  return protocol::text_of_part(body);
}

}  // namespace turnpike::codec
