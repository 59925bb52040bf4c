#pragma once

#include <string>
#include <vector>

#include "config/diagnostic.h"

namespace turnpike::app {

/// Findings about the configuration, each as a line of the log at its level.
void log_diagnostics(const std::vector<config::Diagnostic>& diagnostics);

/// The errors among them, one a line, for stderr and replies.
std::string errors_of(const std::vector<config::Diagnostic>& diagnostics);

}  // namespace turnpike::app
