#pragma once

/// Where a call stands in the tests of `decide`: its first attempt has just failed.

#include "router/decide.h"

namespace turnpike::router {

/// In a group of three, the others healthy, a fallback left.
inline History crowd() {
  History history;
  history.attempts_in_group = history.attempts_total = 1;
  history.group_size = 3;
  history.other_healthy = history.same_healthy = true;
  history.fallbacks_left = 1;
  return history;
}

/// Alone in its group, still healthy, a fallback left.
inline History alone() {
  History history = crowd();
  history.group_size = 1;
  history.other_healthy = false;
  return history;
}

}  // namespace turnpike::router
