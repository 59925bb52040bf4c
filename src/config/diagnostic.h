#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::config {

/// How bad a finding is; `check-config` exits 2 for an Error, 1 for a Warning, 0 otherwise.
enum class Severity : std::uint8_t {
  Notice,   // Worth a line; what the file says is in force, or has no meaning here.
  Warning,  // It starts, but something the file says is not in force.
  Error,    // It does not start.
};

std::string_view severity_name(Severity severity);  // "notice", "warning", "error"

/// One finding about the configuration, with the place and the remedy.
struct Diagnostic {
  Severity severity = Severity::Notice;
  std::string file;
  int line = 0;      // From 1; 0: the whole file.
  std::string path;  // Dotted: "router_settings.routing_strategy", "model_list[2].litellm_params.rpm".
  std::string text;  // What is wrong and what to do; no secret.

  bool operator==(const Diagnostic&) const = default;
};

/// "error: config.yaml:12: router_settings.routing_strategy: ...".
std::string format(const Diagnostic& diagnostic);
/// The same without the severity, for a log that has its own.
std::string describe(const Diagnostic& diagnostic);

/// The worst of them; Notice when there is none.
Severity worst(const std::vector<Diagnostic>& diagnostics);

}  // namespace turnpike::config
