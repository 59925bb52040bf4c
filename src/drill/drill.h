#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "drill/play.h"

namespace turnpike::drill {

struct Options {
  std::string config;
  std::vector<std::string> models;  // Groups; empty: all.
  std::vector<std::string> faults;  // By name; empty: all.
  bool json = false;
  std::size_t at_a_time = 12;  // Gateways beside each other.
};

/// What only the folder above can do.
struct Hooks {
  /// config::load_text with what the catalogue of providers has to say; `text` is that of the file.
  std::function<config::Loaded(const std::string& text, config::LoadOptions options)> load;
  StartGateway start;
};

/// `turnpike drill`: plays the catalogue of faults against the groups of a configuration, with the scripted provider in
/// the place of every real one, and prints what callers saw, what was billed and how long it took, a score, and what
/// the configuration is missing.
///
/// Returns the exit code: 0 when every fault was met well, 1 when not, 2 when the configuration would not start or an
/// option is wrong. Changes the environment of the process (drill/stage.h): to be called before any thread starts.
int run(const Options& options, const Hooks& hooks);

}  // namespace turnpike::drill
