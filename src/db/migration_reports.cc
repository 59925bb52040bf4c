#include "db/migration_texts.h"

namespace turnpike::db {

// What reports read beside `daily`, and what is left of days whose entries are gone. A deployment's day counts the
// calls that ended there; `rate_limited` those that ended with 429.
constinit const std::string_view kReports = R"sql(
CREATE TABLE deployment_day (
  day INTEGER NOT NULL,
  deployment_id TEXT NOT NULL,
  model_group TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  api_base TEXT NOT NULL,
  cost_nano BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  rate_limited BIGINT NOT NULL,
  prompt_tokens BIGINT NOT NULL,
  completion_tokens BIGINT NOT NULL,
  PRIMARY KEY (day, deployment_id, model_group, model, provider, api_base)
) /*sqlite: WITHOUT ROWID */ /*postgres: WITH (fillfactor = 70) */;
INSERT INTO deployment_day (day, deployment_id, model_group, model, provider, api_base, cost_nano, calls, failed,
  rate_limited, prompt_tokens, completion_tokens)
SELECT day, deployment_id, coalesce(model_group, ''), coalesce(model, ''), coalesce(provider, ''),
  coalesce(api_base, ''), sum(cost_nano), count(*), sum(CASE WHEN status <> 0 THEN 1 ELSE 0 END),
  sum(CASE WHEN http_status = 429 THEN 1 ELSE 0 END), sum(prompt_tokens), sum(completion_tokens)
FROM entry WHERE kind = 0 AND deployment_id IS NOT NULL
GROUP BY day, deployment_id, coalesce(model_group, ''), coalesce(model, ''), coalesce(provider, ''),
  coalesce(api_base, '');

CREATE TABLE dropped_day (
  day INTEGER NOT NULL,
  replica_no BIGINT NOT NULL,
  entries BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  PRIMARY KEY (day, replica_no)
);

CREATE INDEX daily_entity ON daily (entity_kind, entity, day);
/*postgres: ALTER TABLE daily SET (fillfactor = 70) */;
/*postgres: ALTER TABLE account_window SET (fillfactor = 70) */;
/*postgres: CREATE INDEX daily_kind ON daily (entity_kind, day) */;
/*postgres: CREATE INDEX entry_started ON entry (started_us) */;
/*postgres: CREATE INDEX entry_trace ON entry (trace_id) WHERE trace_id IS NOT NULL */
)sql";

}  // namespace turnpike::db
