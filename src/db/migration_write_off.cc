#include "db/migration_texts.h"

namespace turnpike::db {

// What an operator has written off for a replica whose journal was lost, until that comes back.
constinit const std::string_view kWriteOff = R"sql(
CREATE TABLE write_off (
  replica_no BIGINT NOT NULL,
  account_id BIGINT NOT NULL,
  window_id BIGINT NOT NULL,
  nano BIGINT NOT NULL,
  PRIMARY KEY (replica_no, account_id, window_id)
)
)sql";

}  // namespace turnpike::db
