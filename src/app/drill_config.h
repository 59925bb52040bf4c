#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike drill`; returns the exit code (drill/drill.h).
int drill_config(const Options& options);

}  // namespace turnpike::app
