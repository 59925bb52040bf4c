#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db/database.h"
#include "domain/usage.h"
#include "json/document.h"
#include "proof/reconcile_export.h"

namespace turnpike::proof {

/// What the ledger has booked of one day, model and deployment. Answers that no provider gave (mocked, replayed) are
/// left out; of a call with several attempts each counts where it went.
struct BookedLine {
  std::int64_t day = 0;
  std::string model;  // As it was sent to the provider.
  std::string deployment_id;
  Figures figures;
  Money exposure;                     // What the provider may bill for calls that were broken off and booked as 0,
  std::uint64_t exposed_calls = 0;    // and how many these are.
  std::uint64_t estimated_calls = 0;  // Whose tokens were counted here.
  std::uint64_t unpriced_calls = 0;
};

/// The counts of a usage as entries hold it (journal::usage_json).
domain::Usage usage_of(const json::Value& usage);

struct BookedDays {
  std::vector<BookedLine> lines;
  /// Days whose rows retention has dropped: read from their sums, which tell neither cached tokens nor exposure.
  std::vector<std::int64_t> summed;
};

/// Both days are included. `provider`: its name in the catalogue; empty: all of them. Reads beside a running gateway, a
/// day at a time from one snapshot. Errors: those of the database.
Result<BookedDays> read_booked(db::Database& database, const std::string& provider, std::int64_t first_day,
                               std::int64_t last_day);

}  // namespace turnpike::proof
