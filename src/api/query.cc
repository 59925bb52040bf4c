#include "api/query.h"

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

}  // namespace turnpike::api
