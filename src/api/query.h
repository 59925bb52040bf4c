#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "api/context.h"

namespace turnpike::api {

/// A whole number of the query, `fallback` where it is left out. Errors: InvalidRequest naming it, outside of `least`
/// to `most`.
Result<std::uint64_t> query_count(const Context& context, std::string_view name, std::uint64_t fallback,
                                  std::uint64_t least, std::uint64_t most);

/// A flag of the query as LiteLLM reads one: true, 1, yes, on and their opposites, in any case; false where it is left
/// out. Errors: InvalidRequest naming it.
Result<bool> query_flag(const Context& context, std::string_view name);

/// One of `words` of the query; empty where it is left out. Errors: InvalidRequest that lists them.
Result<std::string> query_word(const Context& context, std::string_view name,
                               std::initializer_list<std::string_view> words);

}  // namespace turnpike::api
