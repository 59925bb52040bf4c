#pragma once

#include <cstdint>
#include <string_view>

#include "api/context.h"

namespace turnpike::api {

/// A whole number of the query, `fallback` where it is left out. Errors: InvalidRequest naming it, outside of `least`
/// to `most`.
Result<std::uint64_t> query_count(const Context& context, std::string_view name, std::uint64_t fallback,
                                  std::uint64_t least, std::uint64_t most);

}  // namespace turnpike::api
