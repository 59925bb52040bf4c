#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fake_provider/ask.h"

namespace turnpike::fake_provider {

/// The same answers in the dialect of Anthropic Messages: a whole body, an error, and the framed events of a stream in
/// the order in which they leave.
///
/// Source: Anthropic API reference, Messages. Of the script what says how much, how fast and which error is followed;
///         the words of `odd` are about OpenAI's dialect and mean nothing here.
std::string messages_body(const Ask& ask, const Tokens& tokens, std::string_view id);
std::string messages_error(int status, std::string_view message);
std::vector<std::string> messages_events(const Ask& ask, const Tokens& tokens, std::string_view id);

}  // namespace turnpike::fake_provider
