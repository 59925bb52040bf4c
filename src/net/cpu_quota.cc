#include "net/cpu_quota.h"

#include "base/text.h"

namespace turnpike::net {

std::optional<std::size_t> cpus_of_quota(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto quota = base::parse_unsigned(line.substr(0, space));
  const auto period = base::parse_unsigned(base::trim(line.substr(space)));
  if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
  return static_cast<std::size_t>((*quota - 1) / *period + 1);
}

}  // namespace turnpike::net
