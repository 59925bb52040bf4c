-- LiteLLM's tables (release 1.81.13), by the names, types and defaults of its columns. Written by make_schema.py.

CREATE TABLE "LiteLLM_BudgetTable" (
  "budget_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "max_budget" float8,
  "soft_budget" float8,
  "max_parallel_requests" int4,
  "tpm_limit" int8,
  "rpm_limit" int8,
  "model_max_budget" jsonb,
  "budget_duration" text,
  "budget_reset_at" timestamp(3),
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text NOT NULL,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text NOT NULL
);

CREATE TABLE "LiteLLM_CredentialsTable" (
  "credential_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "credential_name" text NOT NULL UNIQUE,
  "credential_values" jsonb NOT NULL,
  "credential_info" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text NOT NULL,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text NOT NULL
);

CREATE TABLE "LiteLLM_ProxyModelTable" (
  "model_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "model_name" text NOT NULL,
  "litellm_params" jsonb NOT NULL,
  "model_info" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text NOT NULL,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text NOT NULL
);

CREATE TABLE "LiteLLM_AgentsTable" (
  "agent_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "agent_name" text NOT NULL UNIQUE,
  "litellm_params" jsonb,
  "agent_card_params" jsonb NOT NULL,
  "agent_access_groups" text[] DEFAULT '{}',
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text NOT NULL,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text NOT NULL
);

CREATE TABLE "LiteLLM_OrganizationTable" (
  "organization_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "organization_alias" text NOT NULL,
  "budget_id" text NOT NULL,
  "metadata" jsonb DEFAULT '{}' NOT NULL,
  "models" text[],
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "model_spend" jsonb DEFAULT '{}' NOT NULL,
  "object_permission_id" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text NOT NULL,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text NOT NULL
);

CREATE TABLE "LiteLLM_ModelTable" (
  "id" serial NOT NULL PRIMARY KEY,
  "aliases" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text NOT NULL,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text NOT NULL
);

CREATE TABLE "LiteLLM_TeamTable" (
  "team_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "team_alias" text,
  "organization_id" text,
  "object_permission_id" text,
  "admins" text[],
  "members" text[],
  "members_with_roles" jsonb DEFAULT '{}' NOT NULL,
  "metadata" jsonb DEFAULT '{}' NOT NULL,
  "max_budget" float8,
  "soft_budget" float8,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "models" text[],
  "max_parallel_requests" int4,
  "tpm_limit" int8,
  "rpm_limit" int8,
  "budget_duration" text,
  "budget_reset_at" timestamp(3),
  "blocked" bool DEFAULT false NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "model_spend" jsonb DEFAULT '{}' NOT NULL,
  "model_max_budget" jsonb DEFAULT '{}' NOT NULL,
  "router_settings" jsonb DEFAULT '{}',
  "team_member_permissions" text[] DEFAULT '{}',
  "access_group_ids" text[] DEFAULT '{}',
  "policies" text[] DEFAULT '{}',
  "model_id" int4 UNIQUE,
  "allow_team_guardrail_config" bool DEFAULT false NOT NULL
);

CREATE TABLE "LiteLLM_DeletedTeamTable" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "team_id" text NOT NULL,
  "team_alias" text,
  "organization_id" text,
  "object_permission_id" text,
  "admins" text[],
  "members" text[],
  "members_with_roles" jsonb DEFAULT '{}' NOT NULL,
  "metadata" jsonb DEFAULT '{}' NOT NULL,
  "max_budget" float8,
  "soft_budget" float8,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "models" text[],
  "max_parallel_requests" int4,
  "tpm_limit" int8,
  "rpm_limit" int8,
  "budget_duration" text,
  "budget_reset_at" timestamp(3),
  "blocked" bool DEFAULT false NOT NULL,
  "model_spend" jsonb DEFAULT '{}' NOT NULL,
  "model_max_budget" jsonb DEFAULT '{}' NOT NULL,
  "router_settings" jsonb DEFAULT '{}',
  "team_member_permissions" text[] DEFAULT '{}',
  "access_group_ids" text[] DEFAULT '{}',
  "policies" text[] DEFAULT '{}',
  "model_id" int4,
  "allow_team_guardrail_config" bool DEFAULT false NOT NULL,
  "created_at" timestamp(3),
  "updated_at" timestamp(3),
  "deleted_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "deleted_by" text,
  "deleted_by_api_key" text,
  "litellm_changed_by" text
);

CREATE TABLE "LiteLLM_UserTable" (
  "user_id" text NOT NULL PRIMARY KEY,
  "user_alias" text,
  "team_id" text,
  "sso_user_id" text UNIQUE,
  "organization_id" text,
  "object_permission_id" text,
  "password" text,
  "teams" text[] DEFAULT '{}',
  "user_role" text,
  "max_budget" float8,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "user_email" text,
  "models" text[],
  "metadata" jsonb DEFAULT '{}' NOT NULL,
  "max_parallel_requests" int4,
  "tpm_limit" int8,
  "rpm_limit" int8,
  "budget_duration" text,
  "budget_reset_at" timestamp(3),
  "allowed_cache_controls" text[] DEFAULT '{}',
  "policies" text[] DEFAULT '{}',
  "model_spend" jsonb DEFAULT '{}' NOT NULL,
  "model_max_budget" jsonb DEFAULT '{}' NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE "LiteLLM_ObjectPermissionTable" (
  "object_permission_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "mcp_servers" text[] DEFAULT '{}',
  "mcp_access_groups" text[] DEFAULT '{}',
  "mcp_tool_permissions" jsonb,
  "vector_stores" text[] DEFAULT '{}',
  "agents" text[] DEFAULT '{}',
  "agent_access_groups" text[] DEFAULT '{}'
);

CREATE TABLE "LiteLLM_MCPServerTable" (
  "server_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "server_name" text,
  "alias" text,
  "description" text,
  "url" text,
  "transport" text DEFAULT 'sse' NOT NULL,
  "auth_type" text,
  "credentials" jsonb DEFAULT '{}',
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP,
  "created_by" text,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP,
  "updated_by" text,
  "mcp_info" jsonb DEFAULT '{}',
  "mcp_access_groups" text[],
  "allowed_tools" text[] DEFAULT '{}',
  "extra_headers" text[] DEFAULT '{}',
  "static_headers" jsonb DEFAULT '{}',
  "status" text DEFAULT 'unknown',
  "last_health_check" timestamp(3),
  "health_check_error" text,
  "command" text,
  "args" text[] DEFAULT '{}',
  "env" jsonb DEFAULT '{}',
  "authorization_url" text,
  "token_url" text,
  "registration_url" text,
  "allow_all_keys" bool DEFAULT false NOT NULL,
  "available_on_public_internet" bool DEFAULT false NOT NULL
);

CREATE TABLE "LiteLLM_VerificationToken" (
  "token" text NOT NULL PRIMARY KEY,
  "key_name" text,
  "key_alias" text,
  "soft_budget_cooldown" bool DEFAULT false NOT NULL,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "expires" timestamp(3),
  "models" text[],
  "aliases" jsonb DEFAULT '{}' NOT NULL,
  "config" jsonb DEFAULT '{}' NOT NULL,
  "router_settings" jsonb DEFAULT '{}',
  "user_id" text,
  "team_id" text,
  "permissions" jsonb DEFAULT '{}' NOT NULL,
  "max_parallel_requests" int4,
  "metadata" jsonb DEFAULT '{}' NOT NULL,
  "blocked" bool,
  "tpm_limit" int8,
  "rpm_limit" int8,
  "max_budget" float8,
  "budget_duration" text,
  "budget_reset_at" timestamp(3),
  "allowed_cache_controls" text[] DEFAULT '{}',
  "allowed_routes" text[] DEFAULT '{}',
  "policies" text[] DEFAULT '{}',
  "access_group_ids" text[] DEFAULT '{}',
  "model_spend" jsonb DEFAULT '{}' NOT NULL,
  "model_max_budget" jsonb DEFAULT '{}' NOT NULL,
  "budget_id" text,
  "organization_id" text,
  "object_permission_id" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP,
  "created_by" text,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP,
  "updated_by" text,
  "rotation_count" int4 DEFAULT 0,
  "auto_rotate" bool DEFAULT false,
  "rotation_interval" text,
  "last_rotation_at" timestamp(3),
  "key_rotation_at" timestamp(3)
);

CREATE TABLE "LiteLLM_DeprecatedVerificationToken" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "token" text NOT NULL,
  "active_token_id" text NOT NULL,
  "revoke_at" timestamp(3) NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  UNIQUE ("token")
);

CREATE TABLE "LiteLLM_DeletedVerificationToken" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "token" text NOT NULL,
  "key_name" text,
  "key_alias" text,
  "soft_budget_cooldown" bool DEFAULT false NOT NULL,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "expires" timestamp(3),
  "models" text[],
  "aliases" jsonb DEFAULT '{}' NOT NULL,
  "config" jsonb DEFAULT '{}' NOT NULL,
  "user_id" text,
  "team_id" text,
  "permissions" jsonb DEFAULT '{}' NOT NULL,
  "max_parallel_requests" int4,
  "metadata" jsonb DEFAULT '{}' NOT NULL,
  "blocked" bool,
  "tpm_limit" int8,
  "rpm_limit" int8,
  "max_budget" float8,
  "budget_duration" text,
  "budget_reset_at" timestamp(3),
  "allowed_cache_controls" text[] DEFAULT '{}',
  "allowed_routes" text[] DEFAULT '{}',
  "policies" text[] DEFAULT '{}',
  "access_group_ids" text[] DEFAULT '{}',
  "model_spend" jsonb DEFAULT '{}' NOT NULL,
  "model_max_budget" jsonb DEFAULT '{}' NOT NULL,
  "router_settings" jsonb DEFAULT '{}',
  "budget_id" text,
  "organization_id" text,
  "object_permission_id" text,
  "created_at" timestamp(3),
  "created_by" text,
  "updated_at" timestamp(3),
  "updated_by" text,
  "rotation_count" int4 DEFAULT 0,
  "auto_rotate" bool DEFAULT false,
  "rotation_interval" text,
  "last_rotation_at" timestamp(3),
  "key_rotation_at" timestamp(3),
  "deleted_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "deleted_by" text,
  "deleted_by_api_key" text,
  "litellm_changed_by" text
);

CREATE TABLE "LiteLLM_EndUserTable" (
  "user_id" text NOT NULL PRIMARY KEY,
  "alias" text,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "allowed_model_region" text,
  "default_model" text,
  "budget_id" text,
  "blocked" bool DEFAULT false NOT NULL
);

CREATE TABLE "LiteLLM_TagTable" (
  "tag_name" text NOT NULL PRIMARY KEY,
  "description" text,
  "models" text[],
  "model_info" jsonb,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "budget_id" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL
);

CREATE TABLE "LiteLLM_Config" (
  "param_name" text NOT NULL PRIMARY KEY,
  "param_value" jsonb
);

CREATE TABLE "LiteLLM_SpendLogs" (
  "request_id" text NOT NULL PRIMARY KEY,
  "call_type" text NOT NULL,
  "api_key" text DEFAULT '' NOT NULL,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "total_tokens" int4 DEFAULT 0 NOT NULL,
  "prompt_tokens" int4 DEFAULT 0 NOT NULL,
  "completion_tokens" int4 DEFAULT 0 NOT NULL,
  "startTime" timestamp(3) NOT NULL,
  "endTime" timestamp(3) NOT NULL,
  "completionStartTime" timestamp(3),
  "model" text DEFAULT '' NOT NULL,
  "model_id" text DEFAULT '',
  "model_group" text DEFAULT '',
  "custom_llm_provider" text DEFAULT '',
  "api_base" text DEFAULT '',
  "user" text DEFAULT '',
  "metadata" jsonb DEFAULT '{}',
  "cache_hit" text DEFAULT '',
  "cache_key" text DEFAULT '',
  "request_tags" jsonb DEFAULT '[]',
  "team_id" text,
  "organization_id" text,
  "end_user" text,
  "requester_ip_address" text,
  "messages" jsonb DEFAULT '{}',
  "response" jsonb DEFAULT '{}',
  "session_id" text,
  "status" text,
  "mcp_namespaced_tool_name" text,
  "agent_id" text,
  "proxy_server_request" jsonb DEFAULT '{}'
);

CREATE TABLE "LiteLLM_ErrorLogs" (
  "request_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "startTime" timestamp(3) NOT NULL,
  "endTime" timestamp(3) NOT NULL,
  "api_base" text DEFAULT '' NOT NULL,
  "model_group" text DEFAULT '' NOT NULL,
  "litellm_model_name" text DEFAULT '' NOT NULL,
  "model_id" text DEFAULT '' NOT NULL,
  "request_kwargs" jsonb DEFAULT '{}' NOT NULL,
  "exception_type" text DEFAULT '' NOT NULL,
  "exception_string" text DEFAULT '' NOT NULL,
  "status_code" text DEFAULT '' NOT NULL
);

CREATE TABLE "LiteLLM_UserNotifications" (
  "request_id" text NOT NULL PRIMARY KEY,
  "user_id" text NOT NULL,
  "models" text[],
  "justification" text NOT NULL,
  "status" text NOT NULL
);

CREATE TABLE "LiteLLM_TeamMembership" (
  "user_id" text NOT NULL,
  "team_id" text NOT NULL,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "budget_id" text,
  PRIMARY KEY ("user_id", "team_id")
);

CREATE TABLE "LiteLLM_OrganizationMembership" (
  "user_id" text NOT NULL,
  "organization_id" text NOT NULL,
  "user_role" text,
  "spend" float8 DEFAULT 0.0,
  "budget_id" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY ("user_id", "organization_id"),
  UNIQUE ("user_id", "organization_id")
);

CREATE TABLE "LiteLLM_InvitationLink" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "user_id" text NOT NULL,
  "is_accepted" bool DEFAULT false NOT NULL,
  "accepted_at" timestamp(3),
  "expires_at" timestamp(3) NOT NULL,
  "created_at" timestamp(3) NOT NULL,
  "created_by" text NOT NULL,
  "updated_at" timestamp(3) NOT NULL,
  "updated_by" text NOT NULL
);

CREATE TABLE "LiteLLM_AuditLog" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "changed_by" text DEFAULT '' NOT NULL,
  "changed_by_api_key" text DEFAULT '' NOT NULL,
  "action" text NOT NULL,
  "table_name" text NOT NULL,
  "object_id" text NOT NULL,
  "before_value" jsonb,
  "updated_values" jsonb
);

CREATE TABLE "LiteLLM_DailyUserSpend" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "user_id" text,
  "date" text NOT NULL,
  "api_key" text NOT NULL,
  "model" text,
  "model_group" text,
  "custom_llm_provider" text,
  "mcp_namespaced_tool_name" text,
  "endpoint" text,
  "prompt_tokens" int8 DEFAULT 0 NOT NULL,
  "completion_tokens" int8 DEFAULT 0 NOT NULL,
  "cache_read_input_tokens" int8 DEFAULT 0 NOT NULL,
  "cache_creation_input_tokens" int8 DEFAULT 0 NOT NULL,
  "spend" float8 DEFAULT 0.0 NOT NULL,
  "api_requests" int8 DEFAULT 0 NOT NULL,
  "successful_requests" int8 DEFAULT 0 NOT NULL,
  "failed_requests" int8 DEFAULT 0 NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL,
  UNIQUE ("user_id", "date", "api_key", "model", "custom_llm_provider", "mcp_namespaced_tool_name", "endpoint")
);

CREATE TABLE "LiteLLM_CronJob" (
  "cronjob_id" text NOT NULL PRIMARY KEY,
  "pod_id" text NOT NULL,
  "status" text DEFAULT 'INACTIVE' NOT NULL,
  "last_updated" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "ttl" timestamp(3) NOT NULL
);

CREATE TABLE "LiteLLM_ManagedFileTable" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "unified_file_id" text NOT NULL UNIQUE,
  "file_object" jsonb,
  "model_mappings" jsonb NOT NULL,
  "flat_model_file_ids" text[] DEFAULT '{}',
  "storage_backend" text,
  "storage_url" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) NOT NULL,
  "updated_by" text
);

CREATE TABLE "LiteLLM_ManagedObjectTable" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "unified_object_id" text NOT NULL UNIQUE,
  "model_object_id" text NOT NULL UNIQUE,
  "file_object" jsonb NOT NULL,
  "file_purpose" text NOT NULL,
  "status" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) NOT NULL,
  "updated_by" text
);

CREATE TABLE "LiteLLM_ManagedVectorStoreTable" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "unified_resource_id" text NOT NULL UNIQUE,
  "resource_object" jsonb,
  "model_mappings" jsonb NOT NULL,
  "flat_model_resource_ids" text[] DEFAULT '{}',
  "storage_backend" text,
  "storage_url" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) NOT NULL,
  "updated_by" text
);

CREATE TABLE "LiteLLM_ManagedVectorStoresTable" (
  "vector_store_id" text NOT NULL PRIMARY KEY,
  "custom_llm_provider" text NOT NULL,
  "vector_store_name" text,
  "vector_store_description" text,
  "vector_store_metadata" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL,
  "litellm_credential_name" text,
  "litellm_params" jsonb,
  "team_id" text,
  "user_id" text
);

CREATE TABLE "LiteLLM_GuardrailsTable" (
  "guardrail_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "guardrail_name" text NOT NULL UNIQUE,
  "litellm_params" jsonb NOT NULL,
  "guardrail_info" jsonb,
  "team_id" text,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL
);

CREATE TABLE "LiteLLM_PromptTable" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "prompt_id" text NOT NULL,
  "version" int4 DEFAULT 1 NOT NULL,
  "litellm_params" jsonb NOT NULL,
  "prompt_info" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL,
  UNIQUE ("prompt_id", "version")
);

CREATE TABLE "LiteLLM_HealthCheckTable" (
  "health_check_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "model_name" text NOT NULL,
  "model_id" text,
  "status" text NOT NULL,
  "healthy_count" int4 DEFAULT 0 NOT NULL,
  "unhealthy_count" int4 DEFAULT 0 NOT NULL,
  "error_message" text,
  "response_time_ms" float8,
  "details" jsonb,
  "checked_by" text,
  "checked_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL
);

CREATE TABLE "LiteLLM_SearchToolsTable" (
  "search_tool_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "search_tool_name" text NOT NULL UNIQUE,
  "litellm_params" jsonb NOT NULL,
  "search_tool_info" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL
);

CREATE TABLE "LiteLLM_SSOConfig" (
  "id" text DEFAULT 'sso_config' NOT NULL PRIMARY KEY,
  "sso_settings" jsonb NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL
);

CREATE TABLE "LiteLLM_ManagedVectorStoreIndexTable" (
  "id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "index_name" text NOT NULL UNIQUE,
  "litellm_params" jsonb NOT NULL,
  "index_info" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) NOT NULL,
  "updated_by" text
);

CREATE TABLE "LiteLLM_CacheConfig" (
  "id" text DEFAULT 'cache_config' NOT NULL PRIMARY KEY,
  "cache_settings" jsonb NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL
);

CREATE TABLE "LiteLLM_UISettings" (
  "id" text DEFAULT 'ui_settings' NOT NULL PRIMARY KEY,
  "ui_settings" jsonb NOT NULL,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_at" timestamp(3) NOT NULL
);

CREATE TABLE "LiteLLM_SkillsTable" (
  "skill_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "display_title" text,
  "description" text,
  "instructions" text,
  "source" text DEFAULT 'custom' NOT NULL,
  "latest_version" text,
  "file_content" bytea,
  "file_name" text,
  "file_type" text,
  "metadata" jsonb DEFAULT '{}',
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text
);

CREATE TABLE "LiteLLM_PolicyTable" (
  "policy_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "policy_name" text NOT NULL UNIQUE,
  "inherit" text,
  "description" text,
  "guardrails_add" text[] DEFAULT '{}',
  "guardrails_remove" text[] DEFAULT '{}',
  "condition" jsonb DEFAULT '{}',
  "pipeline" jsonb,
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text
);

CREATE TABLE "LiteLLM_PolicyAttachmentTable" (
  "attachment_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "policy_name" text NOT NULL,
  "scope" text,
  "teams" text[] DEFAULT '{}',
  "keys" text[] DEFAULT '{}',
  "models" text[] DEFAULT '{}',
  "tags" text[] DEFAULT '{}',
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text
);

CREATE TABLE "LiteLLM_AccessGroupTable" (
  "access_group_id" text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
  "access_group_name" text NOT NULL UNIQUE,
  "description" text,
  "access_model_names" text[] DEFAULT '{}',
  "access_mcp_server_ids" text[] DEFAULT '{}',
  "access_agent_ids" text[] DEFAULT '{}',
  "assigned_team_ids" text[] DEFAULT '{}',
  "assigned_key_ids" text[] DEFAULT '{}',
  "created_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "created_by" text,
  "updated_at" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updated_by" text
);

