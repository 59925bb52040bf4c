#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "price/tokenizer.h"

namespace turnpike::price {

/// What a request's prompt comes to by our own count.
struct PromptCount {
  std::uint64_t tokens = 0;
  std::uint64_t messages = 0;
};

/// Counts the prompt of an OpenAI-shaped body: `messages` (chat), `prompt` (completions, images), `input`
/// (embeddings, moderations, speech) or `query` and `documents` (rerank).
///
/// Chat, by OpenAI's published rule: 3 tokens a message, role, text, 1 for a name, and 3 that open the answer; tool
/// calls by name and arguments; `tools`, `functions` and the schema of `response_format` by their JSON as written,
/// which is somewhat above what the provider counts. Token arrays count by their length. Media, flat: an image 765
/// tokens (85 with detail "low"), audio 1 token for each 400 bytes, another file 1 token for each 12 bytes and at least
/// 258; a file named only by id or URL 1,000. Errors: InvalidRequest for broken JSON. A body without any prompt counts
/// 0.
Result<PromptCount> count_prompt_tokens(Encoding encoding, std::string_view body);
/// The same; a body that cannot be read counts one token for each four bytes.
PromptCount count_prompt(Encoding encoding, std::string_view body);

}  // namespace turnpike::price
