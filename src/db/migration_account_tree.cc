#include "db/migration_texts.h"

namespace turnpike::db {

// Everybody a key can belong to, and what administrators keep beside them. A column of amounts ends in _nano, of times
// in _us; lists and objects are JSON text. `account_id` is the entity's ledger account. `row_count` says how many rows
// a table has that is too large to be counted for a page of it.
constinit const std::string_view kAccountTree = R"sql(
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
);

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
);
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
);
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
INSERT INTO change_counter (one, change_no) VALUES (1, 0);
CREATE TABLE change_log (
  change_no BIGINT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  entity TEXT NOT NULL,
  at_us BIGINT NOT NULL
);

ALTER TABLE verification_key ADD COLUMN soft_budget_nano BIGINT;
ALTER TABLE verification_key ADD COLUMN budget_id TEXT;
ALTER TABLE verification_key ADD COLUMN budget_duration TEXT;
ALTER TABLE verification_key ADD COLUMN budget_reset_at_us BIGINT;
ALTER TABLE verification_key ADD COLUMN tpm_limit BIGINT;
ALTER TABLE verification_key ADD COLUMN rpm_limit BIGINT;
ALTER TABLE verification_key ADD COLUMN max_parallel_requests BIGINT;
ALTER TABLE verification_key ADD COLUMN model_max_budget TEXT NOT NULL DEFAULT '{}';
ALTER TABLE verification_key ADD COLUMN allowed_cache_controls TEXT NOT NULL DEFAULT '[]';
ALTER TABLE verification_key ADD COLUMN allowed_routes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE verification_key ADD COLUMN policies TEXT NOT NULL DEFAULT '[]';
ALTER TABLE verification_key ADD COLUMN access_group_ids TEXT NOT NULL DEFAULT '[]';
ALTER TABLE verification_key ADD COLUMN object_permission TEXT NOT NULL DEFAULT '{}';
ALTER TABLE verification_key ADD COLUMN rotation_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE verification_key ADD COLUMN auto_rotate SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE verification_key ADD COLUMN rotation_interval TEXT;
ALTER TABLE verification_key ADD COLUMN last_rotation_us BIGINT;
ALTER TABLE verification_key ADD COLUMN key_rotation_us BIGINT;
ALTER TABLE verification_key ADD COLUMN temp_budget_expiry_us BIGINT;
DROP INDEX verification_key_user;
DROP INDEX verification_key_team;
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

ALTER TABLE deleted_verification_key ADD COLUMN body TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deleted_verification_key ADD COLUMN deleted_by_key TEXT NOT NULL DEFAULT '';
CREATE INDEX deleted_verification_key_time ON deleted_verification_key (deleted_us, deletion_no);

CREATE TABLE row_count (
  table_name TEXT NOT NULL PRIMARY KEY,
  row_total BIGINT NOT NULL
);
INSERT INTO row_count (table_name, row_total) SELECT 'verification_key', count(*) FROM verification_key
)sql";

}  // namespace turnpike::db
