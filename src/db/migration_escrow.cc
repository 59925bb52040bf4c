#include "db/migration_texts.h"

namespace turnpike::db {

// Money that is leased to replicas; SQLite has the tables and one process that needs no lease. `granted_nano` of an
// escrow is the sum of its leases, always changed together with them. A replica's numbers of its last lease operation
// count within the epoch they are of; `alive_us` and all other times here are the database's clock.
constinit const std::string_view kEscrow = R"sql(
ALTER TABLE replica ADD COLUMN op_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE replica ADD COLUMN op_no BIGINT NOT NULL DEFAULT 0;
ALTER TABLE replica ADD COLUMN alive_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE replica ADD COLUMN steady_since_us BIGINT NOT NULL DEFAULT 0;

CREATE TABLE escrow (
  account_id BIGINT NOT NULL,
  window_id BIGINT NOT NULL,
  limit_nano BIGINT,
  base_nano BIGINT NOT NULL DEFAULT 0,
  granted_nano BIGINT NOT NULL DEFAULT 0,
  recall_no BIGINT NOT NULL DEFAULT 0,
  tight_until_us BIGINT NOT NULL DEFAULT 0,
  wanted_until_us BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, window_id)
) /*sqlite: WITHOUT ROWID */ /*postgres: WITH (fillfactor = 70) */;

CREATE TABLE lease (
  account_id BIGINT NOT NULL,
  window_id BIGINT NOT NULL,
  replica_no BIGINT NOT NULL,
  granted_nano BIGINT NOT NULL DEFAULT 0 CHECK (granted_nano >= 0),
  committed_nano BIGINT NOT NULL DEFAULT 0,
  used_nano BIGINT NOT NULL DEFAULT 0,
  recall_seen BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, window_id, replica_no)
) /*sqlite: WITHOUT ROWID */ /*postgres: WITH (fillfactor = 70) */;
CREATE INDEX lease_of_replica ON lease (replica_no)
)sql";

}  // namespace turnpike::db
