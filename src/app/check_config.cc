#include "app/check_config.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/snapshot.h"
#include "config/settings.h"
#include "provider/provider.h"

namespace turnpike::app {

namespace {

constexpr int kClean = 0;
constexpr int kWithWarnings = 1;
constexpr int kWouldNotStart = 2;

}  // namespace

int check_config(const Options& options) {
  if (options.config.empty()) {
    fmt::print(stderr, "error: name the file: turnpike check-config config.yaml\n");
    return kWouldNotStart;
  }
  config::LoadOptions load;
  load.path = options.config;
  load.allow_unenforced = options.allow_unenforced;
  load.refusal = &deployment_refusal;
  load.built_in_provider = [](std::string_view name) { return provider::find_provider(name) != nullptr; };
  const config::Loaded loaded = config::load(load);
  int warnings = 0;
  int errors = 0;
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    fmt::print("{}\n", config::format(diagnostic));
    warnings += diagnostic.severity == config::Severity::Warning ? 1 : 0;
    errors += diagnostic.severity == config::Severity::Error ? 1 : 0;
  }
  if (loaded.settings == nullptr) {
    fmt::print("{}: would not start: {} error(s), {} warning(s)\n", options.config, errors, warnings);
    return kWouldNotStart;
  }
  fmt::print("{}: would start: {} deployment(s), {} warning(s)\n", options.config, loaded.settings->models.size(),
             warnings);
  return warnings > 0 ? kWithWarnings : kClean;
}

}  // namespace turnpike::app
