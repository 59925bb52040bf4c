#include "app/import_litellm.h"

#include <fmt/core.h>

#include <algorithm>

#include "app/data_dir.h"
#include "app/importer.h"
#include "app/open_database.h"
#include "app/snapshot.h"
#include "base/clock.h"
#include "provider/provider.h"

namespace turnpike::app {
namespace {

int refuse(const Error& error) {
  fmt::print(stderr, "turnpike import-litellm: {}\n", error.message);
  return 2;
}

config::Loaded load_config(const Options& options) {
  config::LoadOptions load;
  load.path = options.config;
  load.nobody_is_served = true;
  load.refusal = &deployment_refusal;
  load.built_in_provider = [](std::string_view name) { return provider::find_provider(name) != nullptr; };
  return config::load(load);
}

}  // namespace

int import_litellm(const Options& options) {
  const config::Loaded loaded = load_config(options);
  if (!loaded.settings) {
    for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
      if (diagnostic.severity == config::Severity::Error) fmt::print(stderr, "{}\n", config::format(diagnostic));
    }
    return 2;
  }
  const config::GeneralSettings& general = loaded.settings->general;
  Result<std::unique_ptr<LiteLlmSource>> source = LiteLlmSource::open(options.import_from);
  if (!source) return refuse(source.error());
  // SQLite takes no second process: the gateway must not run meanwhile.
  Result<DataDir> directory =
      DataDir::open(options.data_dir.empty() ? loaded.settings->turnpike.data_dir : options.data_dir);
  if (!directory) return refuse(directory.error());
  Result<std::unique_ptr<db::Database>> target = open_database(general, directory->path());
  if (!target) return refuse(target.error());

  const config::Environment environment = config::process_environment();
  Importer::Parts parts;
  parts.source = source->get();
  parts.target = target->get();
  parts.ours = account::make_sealer(environment("LITELLM_SALT_KEY"), general.master_key);
  const std::optional<std::string> theirs = environment("LITELLM_SOURCE_SALT_KEY");
  parts.theirs = theirs ? account::Sealer(base::Secret(*theirs)) : parts.ours;
  parts.dry_run = options.dry_run;
  parts.now_us = base::unix_now_us();
  Importer importer(std::move(parts));
  fmt::print("From {} into {}\n", (*source)->shown(), (*target)->description());
  Status done = importer.copy();
  if (done && options.spend_logs) done = importer.copy_spend_logs("import-litellm");
  fmt::print("{}", format_counts(importer.counts(), options.dry_run));
  if (!done) {
    fmt::print(stderr,
               "turnpike import-litellm stopped: {}\nRun it again when that is mended; it goes on where it was.\n",
               done.error().message);
    return 1;
  }
  const bool models = std::any_of(importer.counts().begin(), importer.counts().end(), [](const ImportCount& count) {
    return count.name == "LiteLLM_ProxyModelTable" && count.made + count.there > 0;
  });
  if (models && !general.store_model_in_db)
    fmt::print("Models are served from the database where general_settings.store_model_in_db is true.\n");
  return std::all_of(importer.counts().begin(), importer.counts().end(),
                     [](const ImportCount& count) { return count.adds_up(); })
             ? 0
             : 1;
}

}  // namespace turnpike::app
