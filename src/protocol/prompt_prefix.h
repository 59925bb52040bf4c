#pragma once

#include <string_view>

#include "protocol/call_request.h"

namespace turnpike::protocol {

/// What the turns of one conversation begin with, and a provider's prompt cache with them: the tools, and the messages
/// up to and including the first one of the user. Views into the body; empty when nobody has said anything yet.
struct PromptPrefix {
  std::string_view tools;
  std::string_view messages;
  std::size_t size() const { return tools.size() + messages.size(); }
};

/// Reads no further than the first user's message, and no further than `kPrefixBytesMax`: prompts that are alike for so
/// long are alike enough.
inline constexpr std::size_t kPrefixBytesMax = 64 * 1024;
PromptPrefix prompt_prefix(const CallRequest& call);

}  // namespace turnpike::protocol
