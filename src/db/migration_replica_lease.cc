#include "db/migration_texts.h"

namespace turnpike::db {

// What a replica's lease operations move stands apart from what shipping moves: a call that waits for money must not
// wait for a batch of entries.
constinit const std::string_view kReplicaLease = R"sql(
CREATE TABLE replica_lease (
  replica_no BIGINT NOT NULL PRIMARY KEY,
  op_epoch BIGINT NOT NULL DEFAULT 0,
  op_no BIGINT NOT NULL DEFAULT 0,
  alive_us BIGINT NOT NULL DEFAULT 0,
  steady_since_us BIGINT NOT NULL DEFAULT 0
) /*postgres: WITH (fillfactor = 50) */;
INSERT INTO replica_lease SELECT replica_no, op_epoch, op_no, alive_us, steady_since_us FROM replica;
ALTER TABLE replica DROP COLUMN op_epoch;
ALTER TABLE replica DROP COLUMN op_no;
ALTER TABLE replica DROP COLUMN alive_us;
ALTER TABLE replica DROP COLUMN steady_since_us
)sql";

}  // namespace turnpike::db
