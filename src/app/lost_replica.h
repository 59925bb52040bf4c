#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike ledger forget REPLICA`: its journal is lost. Exit code 0 done (also before), 2 not done.
int forget_replica(const Options& options);
/// `turnpike ledger adopt DIR`: does for a gateway that is gone what its next start would do, and ends. Exit code 0
/// done (also before), 2 not done; it may be repeated.
int adopt_journal(const Options& options);

}  // namespace turnpike::app
