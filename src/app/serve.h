#pragma once

#include "app/options.h"

namespace turnpike::app {

/// Serves until a signal ends it. Returns the process's exit code: 0 after a graceful end, 1 when it could not start.
int serve(const Options& options);

}  // namespace turnpike::app
