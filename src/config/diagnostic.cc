#include "config/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

namespace turnpike::config {

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::Notice:
      return "notice";
    case Severity::Warning:
      return "warning";
    case Severity::Error:
      return "error";
  }
  return "error";
}

std::string format(const Diagnostic& diagnostic) {
  return std::string(severity_name(diagnostic.severity)) + ": " + describe(diagnostic);
}

std::string describe(const Diagnostic& diagnostic) {
  std::string line;
  if (!diagnostic.file.empty()) {
    line += diagnostic.file;
    if (diagnostic.line > 0) line += fmt::format(":{}", diagnostic.line);
    line += ": ";
  }
  if (!diagnostic.path.empty()) line += diagnostic.path + ": ";
  return line + diagnostic.text;
}

Severity worst(const std::vector<Diagnostic>& diagnostics) {
  Severity most = Severity::Notice;
  for (const Diagnostic& diagnostic : diagnostics) most = std::max(most, diagnostic.severity);
  return most;
}

}  // namespace turnpike::config
