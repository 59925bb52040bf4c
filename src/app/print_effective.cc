#include "app/print_effective.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/snapshot.h"
#include "config/effective.h"
#include "provider/provider.h"

namespace turnpike::app {

int print_effective(const Options& options) {
  config::LoadOptions load;
  load.path = options.config;
  load.allow_unenforced = options.allow_unenforced;
  load.refusal = &deployment_refusal;
  load.built_in_provider = [](std::string_view name) { return provider::find_provider(name) != nullptr; };
  const config::Loaded loaded =
      options.config.empty() ? config::settings_from_environment(provider_keys(load.environment), load.environment)
                             : config::load(load);
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    if (diagnostic.severity != config::Severity::Notice) fmt::print(stderr, "{}\n", config::format(diagnostic));
  }
  constexpr int kWouldNotStart = 2;
  if (loaded.settings == nullptr) return kWouldNotStart;
  fmt::print("{}", config::to_yaml(*loaded.settings));
  for (const std::string& line : loaded.settings->unenforced) fmt::print("# {}\n", line);
  return 0;
}

}  // namespace turnpike::app
