#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike check-config FILE --print-effective`: the values in force as YAML, with defaults and without secrets.
/// Returns 0, or 2 when the configuration would not start.
int print_effective(const Options& options);

}  // namespace turnpike::app
