#include "app/findings.h"

#include "base/log.h"

namespace turnpike::app {

using base::LogLevel;

void log_diagnostics(const std::vector<config::Diagnostic>& diagnostics) {
  for (const config::Diagnostic& diagnostic : diagnostics) {
    const LogLevel level = diagnostic.severity == config::Severity::Error     ? LogLevel::Error
                           : diagnostic.severity == config::Severity::Warning ? LogLevel::Warning
                                                                              : LogLevel::Info;
    base::log(level, "{}", config::describe(diagnostic));
  }
}

std::string errors_of(const std::vector<config::Diagnostic>& diagnostics) {
  std::string text;
  for (const config::Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == config::Severity::Error) text += (text.empty() ? "" : "\n") + config::format(diagnostic);
  }
  return text;
}

}  // namespace turnpike::app
