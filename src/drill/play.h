#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "drill/outcome.h"
#include "drill/plan.h"
#include "drill/stage.h"
#include "price/prices.h"
#include "router/deployment.h"

namespace turnpike::drill {

/// A running gateway; ends, and has shipped its ledger, when this is destroyed.
class Gateway {
 public:
  virtual ~Gateway() = default;
  virtual std::uint16_t port() const = 0;  // On 127.0.0.1.
};

/// What a gateway of the drill is started with.
struct Staged {
  config::SettingsRef settings;
  std::string data_dir;
  /// Is given every deployment, with its prices, before anybody can call it. From any thread.
  std::function<void(router::Deployment&, const price::Prices&)> redirect;
};
/// The gateway lives above this folder: whoever runs the drill starts them.
using StartGateway = std::function<Result<std::unique_ptr<Gateway>>(Staged)>;

/// Plays scenarios, each against a gateway of its own: no rest, count or latency of one fault colours the next.
///
/// Threading: `play` from many threads at once.
class Player {
 public:
  /// Errors: Unavailable when a port or the temporary directory cannot be had.
  static Result<std::unique_ptr<Player>> open(const Groups& groups, config::SettingsRef staged, const Clock& clock,
                                              StartGateway start);
  ~Player();

  /// Plays all of them, so many at a time. Outcomes stand in the order of their scenarios.
  std::vector<Outcome> play(const std::vector<Scenario>& scenarios, std::size_t at_a_time);

 private:
  struct Ground;
  struct Run;
  Player();

  Run play_one(const Scenario& scenario);
  Run play_once(const Scenario& scenario, std::optional<std::size_t> only);
  void call(Run& run, std::uint16_t port);
  void close_account(Run& run) const;

  std::unique_ptr<Ground> ground_;
};

}  // namespace turnpike::drill
