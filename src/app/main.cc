#include <cstdio>

#include "app/check_config.h"
#include "app/drill_config.h"
#include "app/import_litellm.h"
#include "app/init_config.h"
#include "app/lost_replica.h"
#include "app/options.h"
#include "app/print_effective.h"
#include "app/reconcile_ledger.h"
#include "app/rotate_salt_key.h"
#include "app/serve.h"
#include "app/verify_ledger.h"
#include "app/version.h"
#include "fake_provider/fake_provider.h"

int main(int argc, char** argv) {
  using namespace turnpike;
  app::Options options;
  int exit_code = 0;
  if (!app::parse_options(argc, argv, options, exit_code)) return exit_code;
  switch (options.command) {
    case app::Command::Serve:
      return app::serve(options);
    case app::Command::CheckConfig:
      return app::check_config(options);
    case app::Command::PrintEffective:
      return app::print_effective(options);
    case app::Command::Init:
      return app::init_config(options);
    case app::Command::FakeProvider:
      return fake_provider::run(argc - 1, argv + 1);
    case app::Command::Drill:
      return app::drill_config(options);
    case app::Command::LedgerVerify:
      return app::verify_ledger(options);
    case app::Command::LedgerReconcile:
      return app::reconcile_ledger(options);
    case app::Command::LedgerForget:
      return app::forget_replica(options);
    case app::Command::LedgerAdopt:
      return app::adopt_journal(options);
    case app::Command::ImportLiteLlm:
      return app::import_litellm(options);
    case app::Command::RotateSaltKey:
      return app::rotate_salt_key(options);
    case app::Command::Providers:
      return options.found_only ? app::print_found_providers() : app::print_providers();
    case app::Command::Version:
      return app::print_version();
  }
  return 2;
}
