#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "drill/fault.h"
#include "provider/target.h"

/// The user's configuration, made ready to be drilled: its models, groups, fallbacks and prices as they are, but no
/// real key, no real address and no real waiting.
namespace turnpike::drill {

/// What no variable that may hold a secret says any more: set before any thread starts, so that no real key can be read
/// or sent. Also turns off what would fetch a price table.
void hide_secrets_of_environment();

/// What `os.environ/NAME` stands for where NAME is not set: a key, an address under .invalid, a region; nothing for a
/// name that tells nothing.
std::optional<std::string> made_up(const std::string& variable);

/// The process's variables, and made-up values for those that `text` (a configuration) names and nobody has set.
config::Environment staged_environment(const std::string& text);

/// How the limits of time of a configuration were shortened.
struct Clock {
  std::chrono::milliseconds written{0};   // What the most patient call may take.
  std::chrono::milliseconds deadline{0};  // What a call may take in the drill.
  bool shortened() const { return deadline < written; }
  /// A limit of the configuration as it is in the drill.
  std::chrono::milliseconds scaled(std::chrono::milliseconds limit) const;
};
constexpr std::chrono::milliseconds kDeadline{5'000};
constexpr std::chrono::milliseconds kLeastLimit{300};  // No limit is made shorter: this machine needs its time too.
Clock clock_of(const config::Settings& settings);

/// The settings of every gateway of the drill.
config::SettingsRef staged_settings(const config::Settings& settings, const Clock& clock);

/// The addresses that stand in for the real ones.
struct Stand {
  std::uint16_t provider_port = 0;  // The scripted provider.
  std::uint16_t silent_port = 0;    // Takes no connection.
};

/// Points a target at the scripted provider, under `label`, or at what the fault makes of its address (null: no fault).
void redirect(provider::Target& target, const Stand& stand, std::string_view label, const Fault* fault);

}  // namespace turnpike::drill
