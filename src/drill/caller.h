#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/call_record.h"
#include "http/client.h"
#include "net/io_threads.h"

namespace turnpike::drill {

/// How a call ended for its caller.
enum class End : std::uint8_t {
  Answer,      // Whole and in OpenAI's dialect; of a stream, with finish_reason and [DONE].
  Error,       // A status and OpenAI's error object.
  ErrorEvent,  // A stream that ended with OpenAI's error object as an event, then [DONE].
  Cut,         // The connection ended before the answer did, with no word of why.
  Foreign,     // Something that no client of OpenAI reads.
  Silence,     // Nothing came in time.
};

/// What a caller of the gateway got.
struct Seen {
  End end = End::Silence;
  int status = 0;          // 0: no answer came.
  std::string call_id;     // x-litellm-call-id
  std::string group;       // x-litellm-model-group: who answered.
  int retry_after = 0;     // Seconds; 0: the header is not there.
  std::string error_type;  // Of the error object, as its code and message.
  std::string error_code;
  std::string error_message;
  bool refused = false;  // finish_reason says that the content was filtered.
  bool content = false;  // Some of the answer's own substance came.
  std::int64_t ms = 0;   // Until the end.
};

/// A request as an application sends it.
struct Order {
  http::Origin gateway;
  std::string key;
  std::string path;
  std::string body;
  bool stream = false;
  domain::Operation operation = domain::Operation::Chat;
  std::chrono::milliseconds patience{0};
};

/// Reads what came back; pure. `ended`: the body came to its end.
Seen read_answer(const Order& order, int status, std::string_view body, bool ended);

/// Sends the order from `thread` and waits here for its end. Not for I/O threads.
Seen send_order(net::IoThread& thread, const Order& order);

/// GET of a path of the gateway, the same way.
Result<std::string> fetch(net::IoThread& thread, const http::Origin& gateway, const std::string& key,
                          const std::string& path);

}  // namespace turnpike::drill
