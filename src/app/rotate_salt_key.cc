#include "app/rotate_salt_key.h"

#include <fmt/core.h>

#include "account/stored.h"
#include "app/data_dir.h"
#include "app/findings.h"
#include "app/open_database.h"
#include "config/settings.h"

namespace turnpike::app {
namespace {

int refuse(const std::string& why, int code) {
  fmt::print(stderr, "turnpike rotate-salt-key: {}\n", why);
  return code;
}

}  // namespace

int rotate_salt_key(const Options& options) {
  config::LoadOptions load;
  load.path = options.config;
  load.nobody_is_served = true;
  const config::Loaded loaded = config::load(load);
  if (!loaded.settings) return refuse(errors_of(loaded.diagnostics), 2);
  const config::Environment environment = config::process_environment();
  const account::Sealer from =
      account::make_sealer(environment("LITELLM_SALT_KEY"), loaded.settings->general.master_key);
  const account::Sealer to(base::Secret(environment("TURNPIKE_NEW_SALT_KEY").value_or("")));
  if (!from.ready())
    return refuse("set LITELLM_SALT_KEY (or the master key) to what the secrets are sealed with now", 2);
  if (!to.ready()) return refuse("set TURNPIKE_NEW_SALT_KEY to what they shall be sealed with", 2);
  // SQLite takes no second process: the gateway must not run meanwhile.
  const Result<DataDir> directory =
      DataDir::open(options.data_dir.empty() ? loaded.settings->turnpike.data_dir : options.data_dir);
  if (!directory) return refuse(directory.error().message, 2);
  const Result<std::unique_ptr<db::Database>> database = open_database(loaded.settings->general, directory->path());
  if (!database) return refuse(database.error().message, 2);
  const Result<account::Resealed> done = account::reseal(**database, from, to);
  if (!done) return refuse(done.error().message + ". Nothing has been changed.", 1);
  fmt::print(
      "{} models and {} credentials are sealed anew. Start every replica with LITELLM_SALT_KEY set to the new "
      "key.\n",
      done->models, done->credentials);
  return 0;
}

}  // namespace turnpike::app
