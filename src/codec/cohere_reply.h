#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/codec.h"
#include "json/document.h"
#include "protocol/chat_reply.h"

// What Cohere's whole answers and streams have in common.
namespace turnpike::codec {

/// A whole answer. Errors: as protocol::read_reply.
Result<protocol::ChatReply> read_cohere_reply(std::string_view body, std::string_view label);

/// Why an answer ended. Broken: the provider broke it off.
struct CohereFinish {
  protocol::Finish finish = protocol::Finish::Stop;
  bool native = false;
  bool broken = false;
};
CohereFinish cohere_finish(std::string_view word);

/// `usage`: the tokens the model saw, what of them is on no invoice, cached ones.
std::optional<domain::Usage> cohere_usage(const json::Value& usage);

/// One LogprobItem in OpenAI's shape, appended to a list's elements.
void append_cohere_logprob(const json::Value& item, std::string& elements);

/// The sources of one citation as citations of the text. `offset` is where its content block begins in the whole text,
/// in characters. Citations of thinking and of plans are none.
void append_citations(const json::Value& citation, std::uint64_t offset, protocol::Texts& texts,
                      std::vector<protocol::Citation>& out);

std::uint64_t characters_of(std::string_view utf8);

/// An error in the place of an answer: an object with `message` and nothing else we know.
bool is_cohere_error(const json::Value& root);

}  // namespace turnpike::codec
