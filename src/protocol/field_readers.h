#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/routing_wishes.h"
#include "json/document.h"

/// Readers of single fields that callers write: bodies of calls, and the routing of a key, which is written alike.
/// Null asks for nothing and leaves `out` as it is. Errors: InvalidRequest with `param`.
namespace turnpike::protocol {

Status read_flag(const json::Value& value, std::string_view param, bool& out);
Status read_text(const json::Value& value, std::string_view param, std::string& out);
Status read_count(const json::Value& value, std::string_view param, std::uint64_t max,
                  std::optional<std::uint64_t>& out);
Status read_seconds(const json::Value& value, std::string_view param, std::optional<double>& out);
/// `["claude", {"model": "m", "temperature": 0}]`, or by group as a configuration writes them.
Status read_fallbacks(const json::Value& value, std::string_view param, std::size_t entries_max,
                      std::optional<std::vector<domain::FallbackWish>>& out);

/// Null, false, and text, list or object that is empty: scripts send those along.
bool asks_for_nothing(const json::Value& value);

/// A field that would send a call, or what is known of it, somewhere else or under another credential (AC-SEC-6).
bool redirects(std::string_view key);
tl::unexpected<Error> refuse_redirect(std::string_view key);
/// Looks at every depth of `value` for a redirecting field.
Status check_redirects(const json::Value& value);

tl::unexpected<Error> refuse(std::string_view param, std::string message);

}  // namespace turnpike::protocol
