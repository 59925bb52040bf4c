#pragma once

#include "json/splice.h"
#include "protocol/call_request.h"

namespace turnpike::codec {

/// What servers stricter than OpenAI's refuse in messages and tools.
struct MessageRules {
  bool cut_cache_marks = false;  // `cache_control` of messages, parts, tools.
  bool cut_nulls = false;        // `"name":null`, `"function_call":null`
  bool image_objects = false;    // "image_url":"https://..." becomes an object.
};

/// Plans the edits of `messages` and `tools` that `rules` ask for; bytes that break no rule stay as they are.
void edit_messages(const protocol::CallRequest& call, const MessageRules& rules, json::Splice& splice);

}  // namespace turnpike::codec
