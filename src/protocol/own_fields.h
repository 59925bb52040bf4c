#pragma once

#include <string_view>

namespace turnpike::protocol {

/// Whether a body's top-level field speaks to a gateway (LiteLLM's list): it is never sent to a provider.
bool is_own_field(std::string_view name);

}  // namespace turnpike::protocol
