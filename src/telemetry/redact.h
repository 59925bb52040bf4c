#pragma once

#include <string>
#include <string_view>

namespace turnpike::telemetry {

/// Appends `text` with whatever looks like a credential cut to its first letters ("sk-...", "Bearer ..."). The last
/// guard for text that strangers write: error messages of providers, model names, user agents. A Secret never gets
/// here.
///
/// Returns false and leaves `out` alone when there was nothing to hide, so that the common case copies nothing.
bool redact(std::string_view text, std::string& out);

}  // namespace turnpike::telemetry
