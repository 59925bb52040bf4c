#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike ledger reconcile`: prints a provider's export beside the ledger (docs/reconcile.md). Exit code 0 when they
/// agree, 1 when a model differs, 2 when one of them could not be read.
int reconcile_ledger(const Options& options);

}  // namespace turnpike::app
