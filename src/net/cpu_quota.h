#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace turnpike::net {

/// How many CPUs a cgroup quota grants, rounded up: "150000 100000" (quota and period) -> 2. Nothing for "max", for the
/// -1 of cgroup v1 and for text that is not a quota.
std::optional<std::size_t> cpus_of_quota(std::string_view line);

}  // namespace turnpike::net
