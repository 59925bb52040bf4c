#include "db/migration_texts.h"

namespace turnpike::db {

// What calls asked for and were answered, where that is kept: beside the entries, since it may go before them. Found by
// the id that is the call's alone, so that it needs no number of the journal.
constinit const std::string_view kPrompts = R"sql(
CREATE TABLE entry_text (
  day INTEGER NOT NULL,
  record_id TEXT NOT NULL,
  request TEXT NOT NULL,
  response TEXT NOT NULL,
  PRIMARY KEY (day, record_id)
)
)sql";

}  // namespace turnpike::db
