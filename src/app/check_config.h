#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike check-config`: prints every finding about the configuration. Returns 0 when it is clean, 1 when it would
/// start with warnings, 2 when it would not start.
int check_config(const Options& options);

}  // namespace turnpike::app
