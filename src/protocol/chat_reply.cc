#include "protocol/chat_reply.h"

namespace turnpike::protocol {

std::string_view finish_name(Finish finish) {
  switch (finish) {
    case Finish::None:
      return "";
    case Finish::Stop:
      return "stop";
    case Finish::Length:
      return "length";
    case Finish::ToolCalls:
      return "tool_calls";
    case Finish::ContentFilter:
      return "content_filter";
  }
  return "";
}

}  // namespace turnpike::protocol
