#include "pipeline/sticky.h"

#include "json/document.h"
#include "protocol/prompt_prefix.h"
#include "router/sticky.h"

namespace turnpike::pipeline {
namespace {

// Providers keep no shorter prompt in their caches.
constexpr std::size_t kPrefixTokensMin = 1'024;
constexpr std::size_t kBytesPerToken = 4;

std::string_view key_of(const Call& call) {
  return call.caller ? std::string_view(call.caller->key_hash_hex) : std::string_view();
}

/// Who the group's rule of `turnpike.sticky` looks at; empty when the call does not say.
std::string_view who(const Call& call, const router::Stick& stick) {
  switch (*stick.by) {
    case config::StickyBy::Key:
      return key_of(call);
    case config::StickyBy::User:
      if (!call.record.end_user.empty()) return call.record.end_user;
      return call.caller ? std::string_view(call.caller->user_id) : std::string_view();
    case config::StickyBy::Header:
      return call.exchange.request().find(stick.header);
  }
  return {};
}

std::string text_in(std::string_view json, std::string_view name) {
  json::Document document;
  if (json.empty() || !document.parse(json)) return {};
  return document.root().find(name).text().value_or("");
}

/// The session the call says it belongs to; empty: none.
std::string session_of(const Call& call) {
  const protocol::CallRequest& request = call.request;
  if (const json::Member* member = request.scan.find("litellm_session_id")) {
    if (Result<std::string> session = json::text_of(request.body, *member); session && !session->empty())
      return std::move(*session);
  }
  if (const std::string_view field = call.exchange.request().find("x-litellm-session-id"); !field.empty())
    return std::string(field);
  return text_in(request.metadata_json, "session_id");
}

/// How the prompt begins; nothing when that is too short to be kept by a provider.
std::optional<std::uint32_t> beginning_of(const Call& call) {
  const protocol::PromptPrefix prefix = protocol::prompt_prefix(call.request);
  if (prefix.size() < kPrefixTokensMin * kBytesPerToken) return std::nullopt;
  return protocol::fingerprint(prefix);
}

}  // namespace

std::uint64_t sticky_of(const Call& call, const router::ModelGroup& group) {
  const router::Stick& stick = group.stick;
  if (!stick.any() || group.deployments.size() < 2) return 0;
  if (stick.by) {
    if (const std::string_view name = who(call, stick); !name.empty()) return router::sticky_of(group.name, name);
  }
  if (stick.affinity.session) {
    if (const std::string session = session_of(call); !session.empty()) return router::sticky_of(group.name, session);
  }
  if (stick.affinity.prompt_caching) {
    if (const std::optional<std::uint32_t> beginning = beginning_of(call))
      return router::sticky_of(group.name, {reinterpret_cast<const char*>(&*beginning), sizeof *beginning});
  }
  if (stick.affinity.deployment && !key_of(call).empty()) return router::sticky_of(group.name, key_of(call));
  return 0;
}

}  // namespace turnpike::pipeline
