#include "app/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace turnpike::app {
namespace {

/// Flags LiteLLM knows and we do not need; with the number of values each takes.
struct IgnoredFlag {
  const char* name;
  bool takes_value;
};
constexpr IgnoredFlag kIgnored[] = {
    {"--telemetry", true},
    {"--save", false},
    {"--add_key", true},
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

/// Flags of LiteLLM that promise something this version does not do.
struct RefusedFlag {
  const char* name;
  int values_min;
  int values_max;
  const char* variable;
  const char* remedy;
};
constexpr const char* kNoTls = "TLS for callers is not served yet; let a proxy in front of the gateway end it";
constexpr RefusedFlag kRefused[] = {
    {"--ssl_keyfile_path", 1, 1, "SSL_KEYFILE_PATH", kNoTls},
    {"--ssl_certfile_path", 1, 1, "SSL_CERTFILE_PATH", kNoTls},
    {"--ciphers", 1, 1, "", kNoTls},
    {"--iam_token_db_auth", 0, 0, "", "only the embedded SQLite is served today; leave the flag out"},
    {"--health", 0, 0, "",
     "ask the running gateway: curl http://127.0.0.1:4000/health -H 'Authorization: Bearer sk-...'"},
    {"--test", 0, 1, "", "the page of the running gateway holds a curl line to try: curl http://127.0.0.1:4000/"},
};

/// Flags that go with --model, and the key of the config file each of them writes.
struct ModelFlag {
  enum class Form : std::uint8_t { Text, Number, Json, On };
  const char* name;
  const char* key;
  Form form;
  bool setting;      // Of litellm_settings, else of litellm_params.
  const char* help;  // Null: taken, and not shown.
};
constexpr const char* kModelGroup = "One model without a config file";
constexpr ModelFlag kModelFlags[] = {
    {"--api_base", "api_base", ModelFlag::Form::Text, false, "Its base URL"},
    {"--api_version", "api_version", ModelFlag::Form::Text, false, "Its API version"},
    {"--headers", "extra_headers", ModelFlag::Form::Json, false, "Headers for it, a JSON object"},
    {"--temperature", "temperature", ModelFlag::Form::Number, false, "Its default temperature"},
    {"--max_tokens", "max_tokens", ModelFlag::Form::Number, false, "Its default max_tokens"},
    {"--request_timeout", "request_timeout", ModelFlag::Form::Number, true, "Seconds for a whole call"},
    {"--max_budget", "max_budget", ModelFlag::Form::Number, true, nullptr},
    {"--drop_params", "drop_params", ModelFlag::Form::On, true, "Drop parameters the provider does not know"},
};

/// DEBUG and its like are everybody's names: a value that is no boolean is somebody else's.
bool is_true(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && (base::equals_ignoring_case(value, "true") || std::string_view(value) == "1");
}

std::string yaml_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

void add_model_flags(CLI::App& cli, SingleModel& single) {
  cli.add_option("-m,--model", single.model, "The model: provider/model")->group(kModelGroup);
  cli.add_option("--alias", single.alias, "Its public name")->group(kModelGroup);
  for (const ModelFlag& flag : kModelFlags) {
    auto& list = flag.setting ? single.settings : single.parameters;
    const auto take = [&list, &flag](const std::string& value) {
      list.emplace_back(flag.key, flag.form == ModelFlag::Form::Text ? yaml_quoted(value) : value);
    };
    if (flag.form == ModelFlag::Form::On) {
      cli.add_flag_callback(flag.name, [take] { take("true"); }, flag.help)->group(kModelGroup);
      continue;
    }
    CLI::Option* option = cli.add_option_function<std::string>(flag.name, take, flag.help == nullptr ? "" : flag.help);
    option->group(flag.help == nullptr ? "" : kModelGroup);
    if (flag.form == ModelFlag::Form::Number) option->check(CLI::Number);
  }
}

void add_refused_flags(CLI::App& cli) {
  for (const RefusedFlag& flag : kRefused) {
    CLI::Option* option = cli.add_option_function<std::vector<std::string>>(
        flag.name,
        [&flag](const std::vector<std::string>& values) {
          if (values == std::vector<std::string>{"false"}) return;
          throw CLI::ValidationError(flag.name, flag.remedy);
        },
        flag.remedy);
    option->expected(flag.values_min, flag.values_max)->group("");
    if (*flag.variable != '\0') option->envname(flag.variable);
  }
}

struct LedgerCommands {
  CLI::App* verify;
  CLI::App* reconcile;
  CLI::App* forget;
  CLI::App* adopt;
};

LedgerCommands add_ledger_commands(CLI::App& cli, Options& options) {
  CLI::App* ledger =
      cli.add_subcommand("ledger", "Prove the ledger (verify, reconcile); what a lost replica leaves (adopt, forget)");
  ledger->require_subcommand(1);
  CLI::App* verify = ledger->add_subcommand(
      "verify",
      "Journal, rows and totals agree, or what does not: each equation with both sides; exit 1 when one fails");
  verify->add_option("--since", options.verify.since, "Only days from this one on: 2026-11-01");
  verify->add_option("--journal", options.verify.journal, "The journal's directory, if not in the data directory");
  verify->add_option("--metrics_url", options.verify.metrics_url,
                     "The running gateway's metrics as well: http://127.0.0.1:4000/metrics");
  verify->add_flag("--repair-aggregates", options.verify.repair,
                   "First make sums anew from the entries; with SQLite the gateway must not run");
  CLI::App* reconcile = ledger->add_subcommand(
      "reconcile", "A provider's usage and cost export beside the ledger; exit 1 when a model differs");
  reconcile->add_option("--provider", options.reconcile.provider, "Whose export: openai, anthropic, csv (any other)")
      ->check(CLI::IsMember({"openai", "anthropic", "csv"}))
      ->required();
  reconcile->add_option("--file", options.reconcile.files, "The export, JSON or CSV; several times: usage and costs")
      ->required()
      ->allow_extra_args(false);
  reconcile->add_option("--from", options.reconcile.from, "First UTC day: 2026-11-01")->required();
  reconcile->add_option("--to", options.reconcile.to, "Last UTC day, included")->required();
  reconcile->add_option("--booked_as", options.reconcile.booked_as, "The provider's name in the ledger, if another");
  reconcile->add_option("--tolerance", options.reconcile.tolerance_percent, "Per cent by which both may differ")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  CLI::App* adopt = ledger->add_subcommand(
      "adopt", "Finish the journal of a gateway that is gone: close its calls, store its entries, return its leases");
  adopt->add_option("directory", options.lost.directory, "The journal, or the data directory it is in")->required();
  CLI::App* forget = ledger->add_subcommand(
      "forget", "A replica whose journal is lost: write off what it may have spent, free the rest of its leases");
  forget->add_option("replica", options.lost.replica_no, "Its number: `ledger verify` names silent ones")
      ->required()
      ->check(CLI::PositiveNumber);
  forget->add_flag("--release", options.lost.release, "Write nothing off: what it has not stored was not spent");
  for (CLI::App* command : {ledger, verify, reconcile, adopt, forget}) {
    command->add_option("--data_dir", options.data_dir, "The data directory of the gateway")
        ->envname("TURNPIKE_DATA_DIR");
    command->add_option("--database_url", options.database_url, "The gateway's PostgreSQL; without it its SQLite")
        ->envname("DATABASE_URL");
    command->add_option("-c,--config", options.config, "The gateway's config.yaml: says where both are")
        ->envname("CONFIG_FILE_PATH");
  }
  return {verify, reconcile, forget, adopt};
}

/// What CLI11 knows as "arguments were not expected", with the flag that was probably meant.
std::string unexpected_text(const CLI::App& cli, const std::vector<std::string>& arguments) {
  const auto flag = std::ranges::find_if(arguments, [](const std::string& text) { return text.starts_with('-'); });
  if (flag == arguments.end()) {
    std::vector<std::string> names;
    for (const CLI::App* command : cli.get_subcommands({})) names.push_back(command->get_name());
    const std::string& word = arguments.front();
    const std::vector<std::string> near = base::nearest(word, names, 1);
    return "there is no command \"" + word + "\"" + (near.empty() ? "" : "; did you mean " + near.front() + "?");
  }
  std::vector<std::string> names;
  for (const CLI::App* command : cli.get_subcommands()) {
    for (const CLI::Option* option : command->get_options()) names.push_back("--" + option->get_single_name());
  }
  for (const CLI::Option* option : cli.get_options()) {
    if (!option->get_group().empty()) names.push_back("--" + option->get_single_name());
  }
  const std::string wanted = flag->substr(0, flag->find('='));
  const std::vector<std::string> near = base::nearest(wanted, names, 1);
  return "there is no flag " + wanted + (near.empty() ? "" : "; did you mean " + near.front() + "?");
}

}  // namespace

std::string config_text(const SingleModel& single) {
  std::string text = "model_list:\n  - model_name: " + yaml_quoted(single.alias.empty() ? single.model : single.alias) +
                     "\n    litellm_params:\n      model: " + yaml_quoted(single.model) + "\n";
  for (const auto& [key, value] : single.parameters) text += "      " + key + ": " + value + "\n";
  if (!single.settings.empty()) text += "litellm_settings:\n";
  for (const auto& [key, value] : single.settings) text += "  " + key + ": " + value + "\n";
  return text;
}

bool parse_options(int argc, char** argv, Options& options, int& exit_code) {
  CLI::App cli("Turnpike: one gateway between your applications and every LLM provider.", "turnpike");
  cli.set_help_flag("-h,--help", "Print this help");
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
  cli.add_flag("--debug", debug, "Info log, as without it (DEBUG=true)");
  cli.add_flag("--detailed_debug", detailed_debug, "Debug log (DETAILED_DEBUG=true)");
  cli.add_option("--keepalive_timeout", options.keepalive_seconds, "Seconds an idle connection of a caller stays open")
      ->envname("KEEPALIVE_TIMEOUT");
  cli.add_flag("--skip_server_startup", options.migrate_only, "Bring the database up to date and end");
  add_model_flags(cli, options.single);
  add_refused_flags(cli);
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
  check->add_option("--allow_unenforced", options.allow_unenforced, "A protecting key to be taken as accepted")
      ->delimiter(',')
      ->allow_extra_args(false);
  CLI::App* init = cli.add_subcommand("init", "Write a commented config for the provider keys in the environment");
  init->add_option("file,-o,--output", options.output, "Where to (default turnpike.yaml)");
  init->add_flag("--force", options.overwrite, "Replace an existing file");
  CLI::App* fake = cli.add_subcommand("fake-provider", "A scripted provider in every big shape, for tests and trials");
  fake->prefix_command();
  CLI::App* drill =
      cli.add_subcommand("drill", "Play the catalogue of faults against a config: a score, and what is missing");
  drill->add_option("file,-c,--config", options.config, "The config.yaml to drill")->envname("CONFIG_FILE_PATH");
  drill->add_option("--model", options.drill.models, "A model_name to drill; all of them without it")
      ->allow_extra_args(false);
  drill->add_option("--fault", options.drill.faults, "A fault to play; all without it; a wrong name lists them")
      ->allow_extra_args(false);
  std::string drill_format = "text";
  drill->add_option("--format", drill_format, "text or json")->check(CLI::IsMember({"text", "json"}));
  drill->add_option("--concurrency", options.drill.at_a_time, "Faults played at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  const LedgerCommands ledger = add_ledger_commands(cli, options);
  CLI::App* import = cli.add_subcommand("import-litellm", "Copy a LiteLLM database into the one of the configuration");
  import->add_option("--from", options.import_from, "postgres://user:password@host/database of LiteLLM")
      ->envname("LITELLM_DATABASE_URL")
      ->required();
  import->add_option("-c,--config", options.config, "The config.yaml of this gateway")
      ->envname("CONFIG_FILE_PATH")
      ->required();
  import->add_option("--data_dir", options.data_dir, "The data directory of the gateway")->envname("TURNPIKE_DATA_DIR");
  import->add_flag("--dry-run", options.dry_run, "Count what would be made and write nothing");
  import->add_flag("--spend-logs", options.spend_logs, "The log of calls as well");
  CLI::App* rotate =
      cli.add_subcommand("rotate-salt-key", "Seal the secrets of the database with TURNPIKE_NEW_SALT_KEY instead");
  rotate->add_option("-c,--config", options.config, "The config.yaml of this gateway")
      ->envname("CONFIG_FILE_PATH")
      ->required();
  rotate->add_option("--data_dir", options.data_dir, "The data directory of the gateway")->envname("TURNPIKE_DATA_DIR");
  CLI::App* providers = cli.add_subcommand("providers", "List the providers of the catalogue");
  providers->add_flag("--found", options.found_only, "Only those whose key is in the environment, with its variable");
  CLI::App* version_command = cli.add_subcommand("version", "Print the version and the libraries");
  CLI::App* serve = cli.add_subcommand("serve", "Serve (the default)");
  serve->fallthrough();
  cli.require_subcommand(0, 1);
  cli.footer("Without a subcommand the gateway is served: turnpike --config turnpike.yaml --port 4000");

  // fake-provider has flags of its own; they are not for this parser.
  if (argc > 1 && std::string_view(argv[1]) == "fake-provider") {
    options.command = Command::FakeProvider;
    for (int i = 2; i < argc; ++i) options.rest.emplace_back(argv[i]);
    return true;
  }
  try {
    cli.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    exit_code = cli.exit(asked);  // Help.
    return false;
  } catch (const CLI::ExtrasError&) {
    std::vector<std::string> arguments = cli.remaining(true);
    std::fprintf(stderr, "error: %s\nAll commands and flags: turnpike --help\n",
                 unexpected_text(cli, arguments).c_str());
    exit_code = 2;
    return false;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "error: %s\nAll commands and flags: turnpike --help\n", error.what());
    exit_code = 2;
    return false;
  }
  if (check->parsed()) options.command = Command::CheckConfig;
  if (print_effective) options.command = Command::PrintEffective;
  if (init->parsed()) options.command = Command::Init;
  if (drill->parsed()) options.command = Command::Drill;
  options.drill.json = drill_format == "json";
  if (ledger.verify->parsed()) options.command = Command::LedgerVerify;
  if (ledger.reconcile->parsed()) options.command = Command::LedgerReconcile;
  if (ledger.forget->parsed()) options.command = Command::LedgerForget;
  if (ledger.adopt->parsed()) options.command = Command::LedgerAdopt;
  if (import->parsed()) options.command = Command::ImportLiteLlm;
  if (rotate->parsed()) options.command = Command::RotateSaltKey;
  if (providers->parsed()) options.command = Command::Providers;
  if (version || version_command->parsed()) options.command = Command::Version;
  options.access_log = !no_access_log;
  if (detailed_debug || is_true("DETAILED_DEBUG")) options.log_level = base::LogLevel::Debug;
  if (const char* level = std::getenv("LITELLM_LOG")) {
    const std::string_view text = level;
    if (text == "DEBUG") options.log_level = base::LogLevel::Debug;
    if (text == "WARNING") options.log_level = base::LogLevel::Warning;
    if (text == "ERROR") options.log_level = base::LogLevel::Error;
  }
  return true;
}

}  // namespace turnpike::app
