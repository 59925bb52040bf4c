// Written by sqlite_schema_test with UPDATE_FIXTURES=1: where the migrations end.
#include "db/migrations.h"

namespace turnpike::db {

constinit const std::string_view kSqliteSchema = R"sql(
CREATE TABLE replica (
  replica_no BIGINT NOT NULL PRIMARY KEY,
  journal_id TEXT NOT NULL UNIQUE,
  host TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL DEFAULT '',
  instance TEXT NOT NULL DEFAULT '',
  epoch BIGINT NOT NULL DEFAULT 0,
  shipped_no BIGINT NOT NULL DEFAULT 0,
  heartbeat_us BIGINT NOT NULL DEFAULT 0,
  state SMALLINT NOT NULL DEFAULT 0
);
CREATE TABLE account (
  account_id BIGINT NOT NULL PRIMARY KEY,
  kind SMALLINT NOT NULL,
  entity TEXT NOT NULL,
  model TEXT NOT NULL DEFAULT '',
  limit_nano BIGINT,
  window_id BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 0,
  closed_us BIGINT, soft_nano BIGINT, strict SMALLINT NOT NULL DEFAULT 0, increase_nano BIGINT NOT NULL DEFAULT 0, increase_until_us BIGINT NOT NULL DEFAULT 0, duration TEXT, zone TEXT NOT NULL DEFAULT 'UTC', window_ends_us BIGINT,
  UNIQUE (kind, entity, model)
);
CREATE TABLE account_window (
  account_id BIGINT NOT NULL,
  window_id BIGINT NOT NULL,
  spent_nano BIGINT NOT NULL DEFAULT 0,
  calls BIGINT NOT NULL DEFAULT 0,
  dropped_nano BIGINT NOT NULL DEFAULT 0,
  dropped_calls BIGINT NOT NULL DEFAULT 0, alerts INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, window_id)
)  WITHOUT ROWID;
CREATE TABLE entry (
  day INTEGER NOT NULL,
  replica_no BIGINT NOT NULL,
  entry_no BIGINT NOT NULL,
  kind SMALLINT NOT NULL,
  record_id TEXT,
  call_id TEXT,
  provider_request_id TEXT,
  trace_id TEXT,
  started_us BIGINT NOT NULL,
  first_byte_us BIGINT,
  ended_us BIGINT NOT NULL,
  upstream_us BIGINT NOT NULL DEFAULT 0,
  status SMALLINT NOT NULL,
  http_status INTEGER NOT NULL DEFAULT 0,
  marks BIGINT NOT NULL DEFAULT 0,
  cost_nano BIGINT NOT NULL,
  saved_nano BIGINT NOT NULL DEFAULT 0,
  exposure_nano BIGINT NOT NULL DEFAULT 0,
  provider_cost_nano BIGINT,
  held_nano BIGINT NOT NULL DEFAULT 0,
  prompt_tokens BIGINT NOT NULL DEFAULT 0,
  completion_tokens BIGINT NOT NULL DEFAULT 0,
  cache_read_tokens BIGINT NOT NULL DEFAULT 0,
  cache_write_tokens BIGINT NOT NULL DEFAULT 0,
  reasoning_tokens BIGINT NOT NULL DEFAULT 0,
  usage TEXT,
  price_version TEXT,
  attempts TEXT,
  operation SMALLINT NOT NULL DEFAULT 0,
  stream SMALLINT NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  fallbacks INTEGER NOT NULL DEFAULT 0,
  key_hash TEXT,
  key_alias TEXT,
  team_id TEXT,
  user_id TEXT,
  organization_id TEXT,
  end_user TEXT,
  tags TEXT,
  route TEXT,
  requested_model TEXT,
  model_group TEXT,
  model TEXT,
  provider TEXT,
  deployment_id TEXT,
  api_base TEXT,
  client_ip TEXT,
  user_agent TEXT,
  error_kind TEXT,
  error_text TEXT,
  end_reason TEXT,
  request_bytes BIGINT NOT NULL DEFAULT 0,
  reply_bytes BIGINT NOT NULL DEFAULT 0,
  accounts TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (day, replica_no, entry_no)
)  WITHOUT ROWID  /*postgres: PARTITION BY RANGE (day) */;
CREATE INDEX entry_call ON entry (call_id);
CREATE INDEX entry_record ON entry (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX entry_provider_request ON entry (provider_request_id) WHERE provider_request_id IS NOT NULL;
CREATE INDEX entry_key ON entry (key_hash, started_us);
CREATE TABLE entry_rejected (
  replica_no BIGINT NOT NULL,
  entry_no BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  accounts TEXT NOT NULL,
  body TEXT NOT NULL,
  reason TEXT NOT NULL,
  rejected_us BIGINT NOT NULL, tokens BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (replica_no, entry_no)
);
CREATE TABLE daily (
  day INTEGER NOT NULL,
  entity_kind SMALLINT NOT NULL,
  entity TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  model_group TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  route TEXT NOT NULL,
  cost_nano BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  cached BIGINT NOT NULL,
  prompt_tokens BIGINT NOT NULL,
  completion_tokens BIGINT NOT NULL,
  cache_read_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  PRIMARY KEY (day, entity_kind, entity, key_hash, model_group, model, provider, route)
)  WITHOUT ROWID;
CREATE TABLE replica_day (
  replica_no BIGINT NOT NULL,
  day INTEGER NOT NULL,
  entries BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  PRIMARY KEY (replica_no, day)
);
CREATE TABLE verification_key (
  hash TEXT NOT NULL PRIMARY KEY,
  key_name TEXT NOT NULL,
  key_alias TEXT UNIQUE,
  models TEXT NOT NULL DEFAULT '[]',
  aliases TEXT NOT NULL DEFAULT '{}',
  config TEXT NOT NULL DEFAULT '{}',
  metadata TEXT NOT NULL DEFAULT '{}',
  permissions TEXT NOT NULL DEFAULT '{}',
  user_id TEXT,
  team_id TEXT,
  organization_id TEXT,
  max_budget_nano BIGINT,
  expires_us BIGINT,
  blocked SMALLINT NOT NULL DEFAULT 0,
  account_id BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_by TEXT NOT NULL DEFAULT '',
  created_us BIGINT NOT NULL,
  updated_us BIGINT NOT NULL
, router_settings TEXT NOT NULL DEFAULT '{}', soft_budget_nano BIGINT, budget_id TEXT, budget_duration TEXT, budget_reset_at_us BIGINT, tpm_limit BIGINT, rpm_limit BIGINT, max_parallel_requests BIGINT, model_max_budget TEXT NOT NULL DEFAULT '{}', allowed_cache_controls TEXT NOT NULL DEFAULT '[]', allowed_routes TEXT NOT NULL DEFAULT '[]', policies TEXT NOT NULL DEFAULT '[]', access_group_ids TEXT NOT NULL DEFAULT '[]', object_permission TEXT NOT NULL DEFAULT '{}', rotation_count BIGINT NOT NULL DEFAULT 0, auto_rotate SMALLINT NOT NULL DEFAULT 0, rotation_interval TEXT, last_rotation_us BIGINT, key_rotation_us BIGINT, temp_budget_expiry_us BIGINT, handed_over SMALLINT NOT NULL DEFAULT 0, max_budget_tokens BIGINT, soft_budget_tokens BIGINT);
CREATE TABLE deleted_verification_key (
  deletion_no BIGINT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL,
  key_name TEXT NOT NULL,
  key_alias TEXT,
  models TEXT NOT NULL,
  aliases TEXT NOT NULL,
  config TEXT NOT NULL,
  metadata TEXT NOT NULL,
  permissions TEXT NOT NULL,
  user_id TEXT,
  team_id TEXT,
  organization_id TEXT,
  max_budget_nano BIGINT,
  expires_us BIGINT,
  blocked SMALLINT NOT NULL,
  account_id BIGINT NOT NULL,
  spend_nano BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  updated_by TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  updated_us BIGINT NOT NULL,
  deleted_by TEXT NOT NULL,
  deleted_us BIGINT NOT NULL
, router_settings TEXT NOT NULL DEFAULT '{}', body TEXT NOT NULL DEFAULT '{}', deleted_by_key TEXT NOT NULL DEFAULT '');
CREATE INDEX deleted_verification_key_hash ON deleted_verification_key (hash);
CREATE TABLE fallback (
  model_group TEXT NOT NULL,
  list SMALLINT NOT NULL,
  targets TEXT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT '',
  updated_us BIGINT NOT NULL,
  PRIMARY KEY (model_group, list)
);
CREATE TABLE budget (
  budget_id TEXT NOT NULL PRIMARY KEY,
  max_budget_nano BIGINT,
  soft_budget_nano BIGINT,
  max_parallel_requests BIGINT,
  tpm_limit BIGINT,
  rpm_limit BIGINT,
  model_max_budget TEXT NOT NULL DEFAULT '{}',
  allowed_models TEXT NOT NULL DEFAULT '[]',
  budget_duration TEXT,
  budget_reset_at_us BIGINT,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
, budget_mode TEXT, max_budget_tokens BIGINT, soft_budget_tokens BIGINT);
CREATE TABLE organization (
  organization_id TEXT NOT NULL PRIMARY KEY,
  organization_alias TEXT,
  budget_id TEXT,
  models TEXT NOT NULL DEFAULT '[]',
  metadata TEXT NOT NULL DEFAULT '{}',
  object_permission TEXT NOT NULL DEFAULT '{}',
  account_id BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX organization_budget ON organization (budget_id);
CREATE TABLE organization_member (
  organization_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  user_role TEXT,
  budget_id TEXT,
  account_id BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_member_user ON organization_member (user_id);
CREATE TABLE team (
  team_id TEXT NOT NULL PRIMARY KEY,
  team_alias TEXT,
  organization_id TEXT,
  models TEXT NOT NULL DEFAULT '[]',
  metadata TEXT NOT NULL DEFAULT '{}',
  max_budget_nano BIGINT,
  soft_budget_nano BIGINT,
  max_parallel_requests BIGINT,
  tpm_limit BIGINT,
  rpm_limit BIGINT,
  budget_duration TEXT,
  budget_reset_at_us BIGINT,
  model_max_budget TEXT NOT NULL DEFAULT '{}',
  blocked SMALLINT NOT NULL DEFAULT 0,
  model_aliases TEXT NOT NULL DEFAULT '{}',
  object_permission TEXT NOT NULL DEFAULT '{}',
  team_member_permissions TEXT NOT NULL DEFAULT '[]',
  router_settings TEXT NOT NULL DEFAULT '{}',
  access_group_ids TEXT NOT NULL DEFAULT '[]',
  policies TEXT NOT NULL DEFAULT '[]',
  account_id BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
, max_budget_tokens BIGINT, soft_budget_tokens BIGINT);
CREATE INDEX team_organization ON team (organization_id);
CREATE INDEX team_alias ON team (team_alias);
CREATE TABLE team_member (
  team_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  role TEXT NOT NULL DEFAULT 'user',
  budget_id TEXT,
  account_id BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_member_user ON team_member (user_id);
CREATE INDEX team_member_budget ON team_member (budget_id);
CREATE TABLE internal_user (
  user_id TEXT NOT NULL PRIMARY KEY,
  user_alias TEXT,
  user_email TEXT,
  sso_user_id TEXT UNIQUE,
  password TEXT,
  user_role TEXT,
  models TEXT NOT NULL DEFAULT '[]',
  metadata TEXT NOT NULL DEFAULT '{}',
  max_budget_nano BIGINT,
  soft_budget_nano BIGINT,
  max_parallel_requests BIGINT,
  tpm_limit BIGINT,
  rpm_limit BIGINT,
  budget_duration TEXT,
  budget_reset_at_us BIGINT,
  model_max_budget TEXT NOT NULL DEFAULT '{}',
  allowed_cache_controls TEXT NOT NULL DEFAULT '[]',
  policies TEXT NOT NULL DEFAULT '[]',
  object_permission TEXT NOT NULL DEFAULT '{}',
  account_id BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
, max_budget_tokens BIGINT, soft_budget_tokens BIGINT);
CREATE INDEX internal_user_email ON internal_user (user_email);
CREATE TABLE end_user (
  user_id TEXT NOT NULL PRIMARY KEY,
  alias TEXT,
  blocked SMALLINT NOT NULL DEFAULT 0,
  allowed_model_region TEXT,
  default_model TEXT,
  budget_id TEXT,
  object_permission TEXT NOT NULL DEFAULT '{}',
  account_id BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX end_user_budget ON end_user (budget_id);
CREATE TABLE tag (
  tag_name TEXT NOT NULL PRIMARY KEY,
  description TEXT,
  models TEXT NOT NULL DEFAULT '[]',
  model_info TEXT NOT NULL DEFAULT '{}',
  budget_id TEXT,
  account_id BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX tag_budget ON tag (budget_id);
CREATE TABLE access_group (
  access_group_id TEXT NOT NULL PRIMARY KEY,
  access_group_name TEXT NOT NULL UNIQUE,
  description TEXT,
  access_model_names TEXT NOT NULL DEFAULT '[]',
  access_mcp_server_ids TEXT NOT NULL DEFAULT '[]',
  access_agent_ids TEXT NOT NULL DEFAULT '[]',
  assigned_team_ids TEXT NOT NULL DEFAULT '[]',
  assigned_key_ids TEXT NOT NULL DEFAULT '[]',
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE stored_model (
  model_id TEXT NOT NULL PRIMARY KEY,
  model_name TEXT NOT NULL,
  litellm_params TEXT NOT NULL DEFAULT '{}',
  model_info TEXT NOT NULL DEFAULT '{}',
  blocked SMALLINT NOT NULL DEFAULT 0,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE credential (
  credential_name TEXT NOT NULL PRIMARY KEY,
  credential_values TEXT NOT NULL DEFAULT '{}',
  credential_info TEXT NOT NULL DEFAULT '{}',
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE stored_config (
  param_name TEXT NOT NULL PRIMARY KEY,
  param_value TEXT NOT NULL DEFAULT '{}',
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE deprecated_key (
  hash TEXT NOT NULL PRIMARY KEY,
  active_hash TEXT NOT NULL,
  revoke_at_us BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL
);
CREATE INDEX deprecated_key_active ON deprecated_key (active_hash);
CREATE TABLE deleted_record (
  deletion_no BIGINT NOT NULL PRIMARY KEY,
  table_name TEXT NOT NULL,
  object_id TEXT NOT NULL,
  body TEXT NOT NULL,
  spend_nano BIGINT NOT NULL DEFAULT 0,
  deleted_by TEXT NOT NULL DEFAULT '',
  deleted_by_key TEXT NOT NULL DEFAULT '',
  deleted_at_us BIGINT NOT NULL
);
CREATE INDEX deleted_record_object ON deleted_record (table_name, object_id);
CREATE TABLE audit (
  id TEXT NOT NULL PRIMARY KEY,
  changed_at_us BIGINT NOT NULL,
  changed_by TEXT NOT NULL DEFAULT '',
  changed_by_key TEXT NOT NULL DEFAULT '',
  request_id TEXT NOT NULL DEFAULT '',
  action TEXT NOT NULL,
  table_name TEXT NOT NULL,
  object_id TEXT NOT NULL,
  before_value TEXT,
  updated_values TEXT
);
CREATE INDEX audit_time ON audit (changed_at_us);
CREATE INDEX audit_object ON audit (table_name, object_id);
CREATE TABLE change_counter (
  one SMALLINT NOT NULL PRIMARY KEY,
  change_no BIGINT NOT NULL
);
CREATE TABLE change_log (
  change_no BIGINT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  entity TEXT NOT NULL,
  at_us BIGINT NOT NULL
);
CREATE INDEX verification_key_user ON verification_key (user_id, created_us, hash);
CREATE INDEX verification_key_team ON verification_key (team_id, created_us, hash);
CREATE INDEX verification_key_organization ON verification_key (organization_id, created_us, hash);
CREATE INDEX verification_key_created ON verification_key (created_us, hash);
CREATE INDEX verification_key_updated ON verification_key (updated_us, hash);
CREATE INDEX verification_key_alias ON verification_key (key_alias, hash);
CREATE INDEX verification_key_limit ON verification_key (max_budget_nano, hash);
CREATE INDEX verification_key_author ON verification_key (created_by);
CREATE INDEX verification_key_budget ON verification_key (budget_id);
CREATE INDEX verification_key_rotation ON verification_key (key_rotation_us);
CREATE INDEX verification_key_temp_budget ON verification_key (temp_budget_expiry_us);
CREATE INDEX deleted_verification_key_time ON deleted_verification_key (deleted_us, deletion_no);
CREATE TABLE row_count (
  table_name TEXT NOT NULL PRIMARY KEY,
  row_total BIGINT NOT NULL
);
CREATE TABLE invitation (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL,
  is_accepted SMALLINT NOT NULL DEFAULT 0,
  accepted_at_us BIGINT,
  expires_at_us BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX invitation_user ON invitation (user_id);
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
)  WITHOUT ROWID  /*postgres: WITH (fillfactor = 70) */;
CREATE TABLE lease (
  account_id BIGINT NOT NULL,
  window_id BIGINT NOT NULL,
  replica_no BIGINT NOT NULL,
  granted_nano BIGINT NOT NULL DEFAULT 0 CHECK (granted_nano >= 0),
  committed_nano BIGINT NOT NULL DEFAULT 0,
  used_nano BIGINT NOT NULL DEFAULT 0,
  recall_seen BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, window_id, replica_no)
)  WITHOUT ROWID  /*postgres: WITH (fillfactor = 70) */;
CREATE INDEX lease_of_replica ON lease (replica_no);
CREATE INDEX account_window_end ON account (window_ends_us) WHERE window_ends_us IS NOT NULL;
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
)  WITHOUT ROWID  /*postgres: WITH (fillfactor = 70) */;
CREATE TABLE dropped_day (
  day INTEGER NOT NULL,
  replica_no BIGINT NOT NULL,
  entries BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  PRIMARY KEY (day, replica_no)
);
CREATE INDEX daily_entity ON daily (entity_kind, entity, day);
CREATE TABLE replica_lease (
  replica_no BIGINT NOT NULL PRIMARY KEY,
  op_epoch BIGINT NOT NULL DEFAULT 0,
  op_no BIGINT NOT NULL DEFAULT 0,
  alive_us BIGINT NOT NULL DEFAULT 0,
  steady_since_us BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE write_off (
  replica_no BIGINT NOT NULL,
  account_id BIGINT NOT NULL,
  window_id BIGINT NOT NULL,
  nano BIGINT NOT NULL,
  PRIMARY KEY (replica_no, account_id, window_id)
);
CREATE TABLE entry_text (
  day INTEGER NOT NULL,
  record_id TEXT NOT NULL,
  request TEXT NOT NULL,
  response TEXT NOT NULL,
  PRIMARY KEY (day, record_id)
);
INSERT INTO schema_version VALUES (1, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (2, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (3, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (4, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (5, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (6, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (7, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (8, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (11, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (12, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (14, unixepoch() * 1000000);
INSERT INTO schema_version VALUES (15, unixepoch() * 1000000);
INSERT INTO replica VALUES (0, 'database', '', '', '', 0, 0, 0, 0);
INSERT INTO change_counter VALUES (1, 0);
INSERT INTO row_count VALUES ('verification_key', 0);
INSERT INTO replica_lease VALUES (0, 0, 0, 0, 0);
)sql";

}  // namespace turnpike::db
