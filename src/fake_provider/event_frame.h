#pragma once

#include <string>
#include <string_view>

namespace turnpike::fake_provider {

enum class FrameKind : unsigned char { Event, Exception };

/// One message of `application/vnd.amazon.eventstream`, as AWS writes it.
///
/// Source: Smithy specification, "Amazon Event Stream".
std::string event_frame(FrameKind kind, std::string_view type, std::string_view payload);

}  // namespace turnpike::fake_provider
