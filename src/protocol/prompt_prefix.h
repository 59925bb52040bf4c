#pragma once

#include <cstdint>
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

/// Reads no further than the first user's message.
PromptPrefix prompt_prefix(const CallRequest& call);

/// Tells beginnings apart by their lengths, their first kilobyte and their last two: enough for a choice that is never
/// wrong, only better or worse, and cheaper than the reading of the body (bench/pick.cc).
std::uint32_t fingerprint(const PromptPrefix& prefix);

}  // namespace turnpike::protocol
