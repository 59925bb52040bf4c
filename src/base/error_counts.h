#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike::base {

/// A number for each class of error that retry policies and policies of allowed failures know; absent: the general one
/// holds.
struct ErrorCounts {
  std::optional<std::int64_t> bad_request = {}, authentication = {}, timeout = {};
  std::optional<std::int64_t> rate_limit = {}, content_policy = {}, internal = {};
  bool operator==(const ErrorCounts&) const = default;
};

/// A class by LiteLLM's name; a policy writes it with what it counts behind: "RateLimitErrorRetries".
struct ErrorClass {
  std::string_view name;
  std::optional<std::int64_t> ErrorCounts::* count;
};
inline constexpr std::array<ErrorClass, 6> kErrorClasses = {{
    {"BadRequestError", &ErrorCounts::bad_request},
    {"AuthenticationError", &ErrorCounts::authentication},
    {"TimeoutError", &ErrorCounts::timeout},
    {"RateLimitError", &ErrorCounts::rate_limit},
    {"ContentPolicyViolationError", &ErrorCounts::content_policy},
    {"InternalServerError", &ErrorCounts::internal},
}};

}  // namespace turnpike::base
