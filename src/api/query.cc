#include "api/query.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace turnpike::api {

Result<std::uint64_t> query_count(const Context& context, std::string_view name, std::uint64_t fallback,
                                  std::uint64_t least, std::uint64_t most) {
  const std::string text = context.request().query_value(name);
  if (text.empty()) return fallback;
  const std::optional<std::uint64_t> count = base::parse_unsigned(text);
  if (count && *count >= least && *count <= most) return *count;
  return refuse_field(name, std::string(name) + " must be a whole number from " + std::to_string(least) + " to " +
                                std::to_string(most) + ".");
}

Result<bool> query_flag(const Context& context, std::string_view name) {
  constexpr std::string_view kYes[] = {"true", "1", "yes", "on", "t", "y"};
  constexpr std::string_view kNo[] = {"", "false", "0", "no", "off", "f", "n"};
  const std::string text = base::to_lower(context.request().query_value(name));
  if (std::ranges::find(kYes, text) != std::end(kYes)) return true;
  if (std::ranges::find(kNo, text) != std::end(kNo)) return false;
  return refuse_field(name, fmt::format("{} must be true or false.", name));
}

Result<std::string> query_word(const Context& context, std::string_view name,
                               std::initializer_list<std::string_view> words) {
  std::string text = context.request().query_value(name);
  if (text.empty() || std::ranges::find(words, text) != words.end()) return text;
  return refuse_field(name, fmt::format("{} must be one of {}.", name, fmt::join(words, ", ")));
}

}  // namespace turnpike::api
