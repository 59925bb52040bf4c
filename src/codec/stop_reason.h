#pragma once

#include <span>
#include <string_view>

#include "protocol/chat_reply.h"

namespace turnpike::codec {

/// What a provider's word for the end of an answer is called by OpenAI, and whether OpenAI has no word of its own for
/// it.
struct StopReason {
  protocol::Finish finish = protocol::Finish::None;
  bool native = false;
};

struct StopRow {
  std::string_view word;
  StopReason means;
};

/// A word nobody knows is a stop of the provider's own.
inline StopReason stop_reason(std::string_view word, std::span<const StopRow> rows) {
  for (const StopRow& row : rows) {
    if (row.word == word) return row.means;
  }
  return {protocol::Finish::Stop, true};
}

}  // namespace turnpike::codec
