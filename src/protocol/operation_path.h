#pragma once

#include <string_view>

#include "domain/call_record.h"

namespace turnpike::protocol {

/// Where OpenAI serves an operation, behind the version: "/chat/completions".
std::string_view operation_path(domain::Operation operation);

}  // namespace turnpike::protocol
