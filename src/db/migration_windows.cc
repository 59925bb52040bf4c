#include "db/migration_texts.h"

namespace turnpike::db {

// What an account may spend and in which time: its window ends at `window_ends_us` (null: never) and begins anew by
// `duration` on the clocks of `zone`. `increase_nano` is part of the limit until `increase_until_us`. A bit of
// `alerts` stands for a threshold that was told of. Durations that were stored before they were in force are from here
// on.
constinit const std::string_view kWindows = R"sql(
ALTER TABLE account ADD COLUMN soft_nano BIGINT;
ALTER TABLE account ADD COLUMN strict SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN increase_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN increase_until_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN duration TEXT;
ALTER TABLE account ADD COLUMN zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE account ADD COLUMN window_ends_us BIGINT;
CREATE INDEX account_window_end ON account (window_ends_us) WHERE window_ends_us IS NOT NULL;
ALTER TABLE account_window ADD COLUMN alerts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE budget ADD COLUMN budget_mode TEXT;

CREATE TABLE stored_terms AS
  SELECT account_id, soft_budget_nano AS soft_nano, budget_duration AS duration, budget_reset_at_us AS ends_us FROM team
  UNION ALL SELECT account_id, soft_budget_nano, budget_duration, budget_reset_at_us FROM internal_user
  UNION ALL SELECT l.account_id, b.soft_budget_nano, b.budget_duration, b.budget_reset_at_us
    FROM organization l JOIN budget b ON b.budget_id = l.budget_id
  UNION ALL SELECT l.account_id, b.soft_budget_nano, b.budget_duration, b.budget_reset_at_us
    FROM organization_member l JOIN budget b ON b.budget_id = l.budget_id
  UNION ALL SELECT l.account_id, b.soft_budget_nano, b.budget_duration, b.budget_reset_at_us
    FROM team_member l JOIN budget b ON b.budget_id = l.budget_id
  UNION ALL SELECT l.account_id, b.soft_budget_nano, b.budget_duration, b.budget_reset_at_us
    FROM end_user l JOIN budget b ON b.budget_id = l.budget_id
  UNION ALL SELECT l.account_id, b.soft_budget_nano, b.budget_duration, b.budget_reset_at_us
    FROM tag l JOIN budget b ON b.budget_id = l.budget_id
  UNION ALL SELECT k.account_id, coalesce(k.soft_budget_nano, b.soft_budget_nano), b.budget_duration, b.budget_reset_at_us
    FROM verification_key k LEFT JOIN budget b ON b.budget_id = k.budget_id
    WHERE k.budget_id IS NOT NULL OR k.soft_budget_nano IS NOT NULL;
CREATE INDEX stored_terms_account ON stored_terms (account_id);
UPDATE account SET
  soft_nano = (SELECT s.soft_nano FROM stored_terms s WHERE s.account_id = account.account_id),
  duration = (SELECT s.duration FROM stored_terms s WHERE s.account_id = account.account_id),
  window_ends_us = (SELECT s.ends_us FROM stored_terms s WHERE s.account_id = account.account_id)
  WHERE account_id IN (SELECT account_id FROM stored_terms);
UPDATE account SET duration = NULL, window_ends_us = NULL WHERE duration IS NULL OR window_ends_us IS NULL;
DROP TABLE stored_terms
)sql";

}  // namespace turnpike::db
