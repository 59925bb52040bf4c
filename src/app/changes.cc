#include <algorithm>

#include "app/process.h"
#include "base/log.h"

namespace turnpike::app {

void Process::follow_changes() {
  gateway_.changed = [this](const std::vector<account::Change>& changes) { take_changes(changes); };
  account::ChangeFeed::Hooks hooks;
  hooks.changed = [this](const std::vector<account::Change>& changes) { take_changes(changes); };
  hooks.lost = [this] {
    threads_->publish([this](net::IoThread& thread) { gateway_.worker_of(thread).authenticator->forget_all(); });
    if (Status read = read_stored(); !read) base::log(base::LogLevel::Warning, "{}", read.error().message);
    if (Status read = read_fallbacks(); !read) base::log(base::LogLevel::Warning, "{}", read.error().message);
  };
  feed_ = std::make_unique<account::ChangeFeed>(*database_, std::move(hooks));
}

void Process::take_changes(const std::vector<account::Change>& changes) {
  threads_->publish(
      [this, changes](net::IoThread& thread) { gateway_.worker_of(thread).authenticator->forget(changes); });
  const auto of = [&changes](std::initializer_list<std::string_view> kinds) {
    return std::any_of(changes.begin(), changes.end(), [kinds](const account::Change& change) {
      // Number 0: of this replica, whose route puts it in force itself.
      return change.number != 0 && std::find(kinds.begin(), kinds.end(), change.kind) != kinds.end();
    });
  };
  if (of({"stored_model", "credential", "access_group"})) {
    if (Status read = read_stored(); !read) base::log(base::LogLevel::Warning, "{}", read.error().message);
  }
  if (!of({"fallback"})) return;
  if (Status read = read_fallbacks(); !read) base::log(base::LogLevel::Warning, "{}", read.error().message);
}

}  // namespace turnpike::app
