#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fake_provider/ask.h"

namespace turnpike::fake_provider {

/// The answer's id where the script gives none: the same for the same content, then a number that tells repetitions
/// apart.
std::string answer_id(const Ask& ask, std::uint64_t number);

/// The body of a plain answer.
std::string plain_body(const Ask& ask, const Tokens& tokens, std::string_view id);

/// The body of an error as OpenAI writes it.
std::string error_body(int status, std::string_view code, std::string_view message);

/// The events of a streamed answer, each with its frame ("data: ...\n\n"), in the order in which they leave. How the
/// script cuts the stream short is applied here; how fast they leave is not.
std::vector<std::string> stream_events(const Ask& ask, const Tokens& tokens, std::string_view id);

std::string models_body();

}  // namespace turnpike::fake_provider
