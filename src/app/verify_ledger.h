#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike ledger verify`: prints each equation with both sides; exit code 1 when one fails, 2 when nothing could be
/// read.
int verify_ledger(const Options& options);

}  // namespace turnpike::app
