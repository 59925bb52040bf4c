#include "app/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace turnpike::app {
namespace {

/// Flags LiteLLM knows and we do not need; with the number of values each takes.
struct IgnoredFlag {
  const char* name;
  bool takes_value;
};
constexpr IgnoredFlag kIgnored[] = {
    {"--telemetry", true},
    {"--use_prisma_db_push", false},
    {"--use_prisma_migrate", false},
    {"--local", false},
    {"--run_gunicorn", false},
    {"--run_hypercorn", false},
    {"--loop", true},
    {"--max_requests_before_restart", true},
    {"--test_async", false},
    {"--num_requests", true},
    {"--use_queue", false},
    {"--log_config", true},
    {"--add_function_to_prompt", false},
};

}  // namespace

bool parse_options(int argc, char** argv, Options& options, int& exit_code) {
  CLI::App cli("Turnpike: one gateway between your applications and every LLM provider.", "turnpike");
  cli.set_help_flag("-h,--help", "Print this help");
  cli.footer("Without a subcommand the gateway is served: turnpike --config turnpike.yaml --port 4000");
  bool version = false;
  bool debug = false;
  bool detailed_debug = false;
  bool no_access_log = false;
  cli.add_flag("-v,--version", version, "Print the version and the libraries");
  cli.add_option("-c,--config", options.config, "LiteLLM-shaped config.yaml")->envname("CONFIG_FILE_PATH");
  cli.add_option("--host", options.host, "Address to listen on")->envname("HOST");
  cli.add_option("--port", options.port, "Port to listen on; 0 takes a free one")
      ->envname("PORT")
      ->capture_default_str();
  cli.add_option("--num_workers", options.io_threads, "I/O threads; 0: the CPU quota, else the cores")
      ->envname("NUM_WORKERS");
  cli.add_option("--data_dir", options.data_dir, "Journal and SQLite; default $XDG_STATE_HOME/turnpike")
      ->envname("TURNPIKE_DATA_DIR");
  cli.add_option("--allow_unenforced", options.allow_unenforced,
                 "A protecting config key that may be set although this version does not enforce it")
      ->delimiter(',')
      ->allow_extra_args(false);
  cli.add_flag("--allow_no_auth", options.allow_no_auth, "Serve a non-loopback address without a master key");
  cli.add_flag("--no-journal", options.no_journal,
               "Serve without the local journal: a crash loses money that was spent");
  cli.add_flag("--no-access-log", no_access_log, "No line per call on stdout");
  cli.add_flag("--debug", debug, "Info log")->envname("DEBUG");
  cli.add_flag("--detailed_debug", detailed_debug, "Debug log")->envname("DETAILED_DEBUG");
  cli.add_option("-m,--model", options.model, "Serve one model: provider/model");
  cli.add_option("--alias", options.alias, "Its public name");
  cli.add_option("--api_base", options.api_base, "Its base URL");
  std::string swallowed_value;
  bool swallowed_flag = false;
  for (const IgnoredFlag& flag : kIgnored) {
    CLI::Option* option =
        flag.takes_value ? cli.add_option(flag.name, swallowed_value) : cli.add_flag(flag.name, swallowed_flag);
    option->group("");
    option->each([&options, name = std::string(flag.name)](const std::string&) { options.ignored.push_back(name); });
  }

  bool print_effective = false;
  cli.add_flag("--print-effective", print_effective, "Print the values in force, secrets masked, and end");
  CLI::App* check = cli.add_subcommand("check-config", "Check a config: exit 0 clean, 1 warnings, 2 would not start");
  check->add_option("file,-c,--config", options.config, "The file")->envname("CONFIG_FILE_PATH");
  check->add_flag("--print-effective", print_effective, "Print the values in force, secrets masked");
  check->add_option("--allow_unenforced", options.allow_unenforced)->delimiter(',')->allow_extra_args(false);
  CLI::App* init = cli.add_subcommand("init", "Write a commented config for the provider keys in the environment");
  init->add_option("file,-o,--output", options.output, "Where to (default turnpike.yaml)");
  init->add_flag("--force", options.overwrite, "Replace an existing file");
  CLI::App* fake = cli.add_subcommand("fake-provider", "A scripted OpenAI-shaped provider for tests and trials");
  fake->prefix_command();
  CLI::App* ledger = cli.add_subcommand("ledger", "ledger verify: journal, rows and totals agree, or what does not");
  CLI::App* verify = ledger->add_subcommand("verify", "Print each equation with both sides; exit 1 when one fails");
  ledger->require_subcommand(1);
  for (CLI::App* command : {ledger, verify}) {
    command->add_option("--data_dir", options.data_dir, "The data directory of the gateway")
        ->envname("TURNPIKE_DATA_DIR");
  }
  CLI::App* providers = cli.add_subcommand("providers", "List the providers of the catalogue");
  CLI::App* version_command = cli.add_subcommand("version", "Print the version and the libraries");
  CLI::App* serve = cli.add_subcommand("serve", "Serve (the default)");
  serve->fallthrough();
  cli.require_subcommand(0, 1);

  // fake-provider has flags of its own; they are not for this parser.
  if (argc > 1 && std::string_view(argv[1]) == "fake-provider") {
    options.command = Command::FakeProvider;
    for (int i = 2; i < argc; ++i) options.rest.emplace_back(argv[i]);
    return true;
  }
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = cli.exit(error);
    if (exit_code != 0) exit_code = 2;
    return false;
  }
  if (check->parsed()) options.command = Command::CheckConfig;
  if (print_effective) options.command = Command::PrintEffective;
  if (init->parsed()) options.command = Command::Init;
  if (verify->parsed()) options.command = Command::LedgerVerify;
  if (providers->parsed()) options.command = Command::Providers;
  if (version || version_command->parsed()) options.command = Command::Version;
  options.access_log = !no_access_log;
  if (detailed_debug) options.log_level = base::LogLevel::Debug;
  if (const char* level = std::getenv("LITELLM_LOG")) {
    const std::string_view text = level;
    if (text == "DEBUG") options.log_level = base::LogLevel::Debug;
    if (text == "WARNING") options.log_level = base::LogLevel::Warning;
    if (text == "ERROR") options.log_level = base::LogLevel::Error;
  }
  return true;
}

}  // namespace turnpike::app
