#include "base/fault.h"

#ifdef TURNPIKE_FAULTS

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <string>

namespace turnpike::base::fault {
namespace {

struct Armed {
  std::mutex mutex;
  std::string name;
  int left = 0;
  bool lasting = false;
};

std::atomic<bool> anything_armed{false};

Armed& armed() {
  static Armed state;
  return state;
}

const bool kFromEnvironment = [] {
  const char* text = std::getenv("TURNPIKE_FAULT");
  if (text == nullptr) return false;
  const std::string_view whole = text;
  const std::size_t colon = whole.find(':');
  const int n = colon == std::string_view::npos ? 1 : std::atoi(text + colon + 1);
  arm(whole.substr(0, colon), n, whole.ends_with('+'));
  return true;
}();

}  // namespace

void arm(std::string_view name, int n, bool lasting) {
  const std::lock_guard lock(armed().mutex);
  armed().name = name;
  armed().left = n;
  armed().lasting = lasting;
  anything_armed = !name.empty();
}

bool at(std::string_view name) {
  if (!anything_armed.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(armed().mutex);
  if (armed().name != name || armed().left <= 0 || --armed().left > 0) return false;
  if (armed().lasting) armed().left = 1;
  return true;
}

void kill_at(std::string_view name) {
  if (at(name)) die();
}

void die() {
  for (;;) std::raise(SIGKILL);
}

}  // namespace turnpike::base::fault

#endif
