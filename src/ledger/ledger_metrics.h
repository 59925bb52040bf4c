#pragma once

#include <string>

#include "ledger/ledger.h"

namespace turnpike::ledger {

/// The ledger's own series in Prometheus text, under the names of spec money 12. `strict`: the budget mode in force;
/// `journal_off`: entries live in memory until they are shipped.
void append_ledger_metrics(std::string& out, const LedgerCounters& counters, bool strict, bool journal_off);

}  // namespace turnpike::ledger
