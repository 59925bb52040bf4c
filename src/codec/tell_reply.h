#pragma once

#include <vector>

#include "protocol/chat_event.h"
#include "protocol/chat_reply.h"

namespace turnpike::codec {

/// Tells a whole answer as the events of a stream, for providers that ignored `stream`: Start, what each choice holds
/// and its Finish, Usage where the answer has one, End. The events' views are the reply's.
void tell_reply(const protocol::ChatReply& reply, std::vector<protocol::ChatEvent>& out);

}  // namespace turnpike::codec
