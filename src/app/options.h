#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "drill/drill.h"

namespace turnpike::app {

enum class Command : std::uint8_t {
  Serve,
  CheckConfig,
  PrintEffective,
  Init,
  FakeProvider,
  Drill,
  LedgerVerify,
  LedgerReconcile,
  LedgerForget,
  LedgerAdopt,
  ImportLiteLlm,
  RotateSaltKey,
  Providers,
  Version
};

/// One model without a config file: --model and the flags that go with it. Both lists hold YAML values by key.
struct SingleModel {
  std::string model;
  std::string alias;                                            // Its public name; empty: `model`.
  std::vector<std::pair<std::string, std::string>> parameters;  // Of litellm_params.
  std::vector<std::pair<std::string, std::string>> settings;    // Of litellm_settings.
};

/// The config file that says the same.
std::string config_text(const SingleModel& single);

/// What `ledger reconcile` is asked.
struct ReconcileOptions {
  std::string provider;            // openai, anthropic, csv
  std::vector<std::string> files;  // "-": standard input.
  std::string from, to;            // Days, both included.
  std::string booked_as;           // The provider's name in the ledger; empty: what `provider` says.
  double tolerance_percent = 0.5;
};

/// What `ledger verify` is asked.
struct VerifyOptions {
  std::string since;        // A day; empty: all of them.
  std::string journal;      // Its directory; empty: that of the gateway.
  std::string metrics_url;  // Of the running gateway; empty: it is not asked.
  bool repair = false;      // --repair-aggregates
};

/// What `ledger forget` and `ledger adopt` are told.
struct LostReplicaOptions {
  std::int64_t replica_no = 0;
  bool release = false;   // --release: nothing is written off.
  std::string directory;  // Of the journal to be adopted.
};

/// The command line: LiteLLM's flags and our own (spec config 11). Flags of LiteLLM that mean nothing here are taken
/// and named in `ignored`; those that promise what is not served yet are refused with the way round.
struct Options {
  Command command = Command::Serve;
  std::string config;
  std::string host;  // Empty: the default of AC-SEC-8.
  std::uint16_t port = 4000;
  std::size_t io_threads = 0;  // 0: by the CPU quota.
  std::string data_dir;
  std::string database_url;  // Of the commands about the ledger.
  VerifyOptions verify;
  ReconcileOptions reconcile;
  LostReplicaOptions lost;
  std::vector<std::string> allow_unenforced;
  bool allow_no_auth = false;
  bool no_journal = false;
  base::LogLevel log_level = base::LogLevel::Info;
  bool access_log = true;
  SingleModel single;
  std::optional<std::uint32_t> keepalive_seconds;
  bool migrate_only = false;  // --skip_server_startup
  std::vector<std::string> ignored;
  std::string import_from;        // import-litellm: a URL of PostgreSQL,
  bool dry_run = false;           // --dry-run
  bool spend_logs = false;        // and --spend-logs.
  std::string output;             // init: where to; empty: turnpike.yaml
  bool overwrite = false;         // init --force
  bool found_only = false;        // providers --found
  drill::Options drill;           // But its config, which is `config`.
  std::vector<std::string> rest;  // What fake-provider and ledger read themselves.
};

/// Returns true when the program should go on; false: `exit_code` says how it ends (help was printed, a flag is wrong).
bool parse_options(int argc, char** argv, Options& options, int& exit_code);

}  // namespace turnpike::app
