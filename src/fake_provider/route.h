#pragma once

#include <optional>
#include <string_view>

#include "fake_provider/ask.h"
#include "http/message.h"

namespace turnpike::fake_provider {

/// Which shape an address belongs to and what it asks for; nothing for a path that no shape has. Shapes are told apart
/// by the end of the path, so that whatever a configuration puts before it (a label, a version, a project) does not
/// matter.
///
/// Source: the vendors' API references; what our codecs call.
std::optional<Route> route_of(const http::Request& request, std::string_view path);

}  // namespace turnpike::fake_provider
