#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"

namespace turnpike::app {

enum class Command : std::uint8_t {
  Serve,
  CheckConfig,
  PrintEffective,
  Init,
  FakeProvider,
  LedgerVerify,
  Providers,
  Version
};

/// The command line: LiteLLM's flags and our own (spec config 11). Flags of LiteLLM that mean nothing here are taken
/// and named in `ignored`.
struct Options {
  Command command = Command::Serve;
  std::string config;
  std::string host;  // Empty: the default of AC-SEC-8.
  std::uint16_t port = 4000;
  std::size_t io_threads = 0;  // 0: by the CPU quota.
  std::string data_dir;
  std::vector<std::string> allow_unenforced;
  bool allow_no_auth = false;
  bool no_journal = false;
  base::LogLevel log_level = base::LogLevel::Info;
  bool access_log = true;
  std::string model, alias, api_base;  // Single-model mode.
  std::vector<std::string> ignored;
  std::string output;             // init: where to; empty: turnpike.yaml
  bool overwrite = false;         // init --force
  std::vector<std::string> rest;  // What fake-provider and ledger read themselves.
};

/// Returns true when the program should go on; false: `exit_code` says how it ends (help was printed, a flag is wrong).
bool parse_options(int argc, char** argv, Options& options, int& exit_code);

}  // namespace turnpike::app
