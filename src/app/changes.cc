#include <algorithm>

#include "api/records.h"
#include "app/process.h"
#include "base/log.h"
#include "base/text.h"

namespace turnpike::app {

void Process::follow_changes() {
  gateway_.changed = [this](const std::vector<account::Change>& changes) { take_changes(changes); };
  account::ChangeFeed::Hooks hooks;
  hooks.changed = [this](const std::vector<account::Change>& changes) { take_changes(changes); };
  hooks.lost = [this] {
    threads_->publish([this](net::IoThread& thread) { gateway_.worker_of(thread).authenticator->forget_all(); });
    if (Status read = read_stored(); !read) base::log(base::LogLevel::Warning, "{}", read.error().message);
    if (Status read = read_fallbacks(); !read) base::log(base::LogLevel::Warning, "{}", read.error().message);
    open_missing_budgets();
  };
  feed_ = std::make_unique<account::ChangeFeed>(*database_, std::move(hooks));
}

/// By LITELLM_KEY_ROTATION_ENABLED, _CHECK_INTERVAL_SECONDS and _GRACE_PERIOD.
void Process::look_after_keys() {
  constexpr std::int64_t kGraceSeconds =
      24 * 3600;  // Whoever uses a key that is rotated has a day to fetch its secret.
  const config::Environment environment = config::process_environment();
  account::KeyLifeOptions options;
  if (base::to_lower(environment("LITELLM_KEY_ROTATION_ENABLED").value_or("true")) != "false")
    options.rotated_keys_dir = snapshot_->settings->turnpike.rotated_keys_dir;
  const std::string grace = environment("LITELLM_KEY_ROTATION_GRACE_PERIOD").value_or("");
  options.grace_seconds = base::parse_duration_seconds(grace).value_or(kGraceSeconds);
  const std::string interval = environment("LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS").value_or("");
  if (const std::optional<std::uint64_t> seconds = base::parse_unsigned(interval); seconds && *seconds > 0)
    options.interval = std::chrono::seconds(std::min<std::uint64_t>(*seconds, 86'400));
  options.calendar = api::budget_calendar(*snapshot_->settings);
  options.done = [this](const std::vector<account::Change>& changes, const std::vector<account::AccountNews>& news) {
    api::tell_ledger(*ledger_, news);
    take_changes(changes);
  };
  key_life_ = std::make_unique<account::KeyLife>(*database_, std::move(options));
}

void Process::look_after_entries() {
  const config::GeneralSettings& general = snapshot_->settings->general;
  const std::int64_t days = snapshot_->settings->turnpike.ledger_retention_days;
  if (days == 0 && !general.spend_logs_retention) return;
  ledger::Retention::Options options;
  options.keep = days > 0 ? std::chrono::seconds(std::chrono::hours(24 * days)) : *general.spend_logs_retention;
  options.interval = general.spend_logs_retention_interval;
  retention_ = std::make_unique<ledger::Retention>(*database_, options);
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
