#pragma once

#include <string>
#include <string_view>

namespace turnpike::protocol {

/// What the events of a stream add up to: the chat or text completion that the call would have been answered without
/// `stream`, as far as the events go. Empty: there was none among them.
///
/// Source: OpenAI API reference, chat completion chunks.
std::string join_events(std::string_view events);

}  // namespace turnpike::protocol
