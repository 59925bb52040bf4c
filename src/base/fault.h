#pragma once

#include <string_view>

namespace turnpike::base::fault {

/// Named places where a test makes something go wrong: TURNPIKE_FAULT=<name>[:<n>] in the environment (the n-th time;
/// "<n>+": from then on always), or `arm`.
/// Compiled in with TURNPIKE_FAULTS only; otherwise `at` is a constant and costs nothing.
#ifdef TURNPIKE_FAULTS
/// True the n-th time this name is reached, when it is the armed one.
bool at(std::string_view name);
/// Ends the process with SIGKILL where `at` would be true.
void kill_at(std::string_view name);
/// The same, unconditionally.
[[noreturn]] void die();
/// Arms one name in this process ("" disarms); `n` counts from 1; `lasting`: also every time after it.
void arm(std::string_view name, int n = 1, bool lasting = false);
#else
constexpr bool at(std::string_view) {
  return false;
}
inline void kill_at(std::string_view) {}
inline void die() {}
inline void arm(std::string_view, int = 1, bool = false) {}
#endif

}  // namespace turnpike::base::fault

namespace turnpike {
namespace fault = base::fault;
}
