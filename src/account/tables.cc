#include "account/tables.h"

namespace turnpike::account {
namespace {

using enum ColumnKind;

// The limits every budgeted entity can have, in the order of the columns below.
constexpr Column kMaxBudget{"max_budget", Amount}, kSoftBudget{"soft_budget", Amount},
    kMaxTokens{"max_budget_tokens", Whole}, kSoftTokens{"soft_budget_tokens", Whole},
    kParallel{"max_parallel_requests", Whole}, kTpm{"tpm_limit", Whole}, kRpm{"rpm_limit", Whole},
    kDuration{"budget_duration", Text}, kResetAt{"budget_reset_at", Time}, kModelBudget{"model_max_budget", Object};

constexpr Column kBudgetColumns[] = {{"budget_id", Text, false},
                                     kMaxBudget,
                                     kSoftBudget,
                                     kMaxTokens,
                                     kSoftTokens,
                                     kParallel,
                                     kTpm,
                                     kRpm,
                                     kDuration,
                                     kResetAt,
                                     kModelBudget,
                                     {"allowed_models", List},
                                     {"budget_mode"}};
constexpr Column kOrganizationColumns[] = {
    {"organization_id", Text, false}, {"organization_alias"}, {"budget_id"}, {"models", List}, {"metadata", Object},
    {"object_permission", Object}};
constexpr Column kOrganizationMemberColumns[] = {
    {"organization_id", Text, false}, {"user_id", Text, false}, {"user_role"}, {"budget_id"}};
constexpr Column kTeamColumns[] = {{"team_id", Text, false},
                                   {"team_alias"},
                                   {"organization_id"},
                                   {"models", List},
                                   {"metadata", Object},
                                   kMaxBudget,
                                   kSoftBudget,
                                   kMaxTokens,
                                   kSoftTokens,
                                   kParallel,
                                   kTpm,
                                   kRpm,
                                   kDuration,
                                   kResetAt,
                                   kModelBudget,
                                   {"blocked", Flag},
                                   {"model_aliases", Object},
                                   {"object_permission", Object},
                                   {"team_member_permissions", List},
                                   {"router_settings", Object},
                                   {"access_group_ids", List},
                                   {"policies", List}};
constexpr Column kTeamMemberColumns[] = {
    {"team_id", Text, false}, {"user_id", Text, false}, {"role", Text, false}, {"budget_id"}};
constexpr Column kUserColumns[] = {{"user_id", Text, false},
                                   {"user_alias"},
                                   {"user_email"},
                                   {"sso_user_id"},
                                   {"password"},
                                   {"user_role"},
                                   {"models", List},
                                   {"metadata", Object},
                                   kMaxBudget,
                                   kSoftBudget,
                                   kMaxTokens,
                                   kSoftTokens,
                                   kParallel,
                                   kTpm,
                                   kRpm,
                                   kDuration,
                                   kResetAt,
                                   kModelBudget,
                                   {"allowed_cache_controls", List},
                                   {"policies", List},
                                   {"object_permission", Object}};
constexpr Column kEndUserColumns[] = {{"user_id", Text, false},     {"alias"},         {"blocked", Flag},
                                      {"allowed_model_region"},     {"default_model"}, {"budget_id"},
                                      {"object_permission", Object}};
constexpr Column kTagColumns[] = {
    {"tag_name", Text, false}, {"description"}, {"models", List}, {"model_info", Object}, {"budget_id"}};
constexpr Column kAccessGroupColumns[] = {
    {"access_group_id", Text, false}, {"access_group_name", Text, false}, {"description"},
    {"access_model_names", List},     {"access_mcp_server_ids", List},    {"access_agent_ids", List},
    {"assigned_team_ids", List},      {"assigned_key_ids", List}};
constexpr Column kModelColumns[] = {{"model_id", Text, false},
                                    {"model_name", Text, false},
                                    {"litellm_params", Object},
                                    {"model_info", Object},
                                    {"blocked", Flag}};
constexpr Column kCredentialColumns[] = {
    {"credential_name", Text, false}, {"credential_values", Object}, {"credential_info", Object}};
constexpr Column kConfigColumns[] = {{"param_name", Text, false}, {"param_value", Object}};
constexpr Column kInvitationColumns[] = {{"id", Text, false},
                                         {"user_id", Text, false},
                                         {"is_accepted", Flag},
                                         {"accepted_at", Time},
                                         {"expires_at", Time, false}};

}  // namespace

constinit const Table kBudgets = {"budget", "LiteLLM_BudgetTable", kBudgetColumns};
constinit const Table kOrganizations = {"organization", "LiteLLM_OrganizationTable", kOrganizationColumns, 1, 2};
constinit const Table kOrganizationMembers = {"organization_member", "LiteLLM_OrganizationMembership",
                                              kOrganizationMemberColumns, 2, 13};
constinit const Table kTeams = {"team", "LiteLLM_TeamTable", kTeamColumns, 1, 3};
constinit const Table kTeamMembers = {"team_member", "LiteLLM_TeamMembership", kTeamMemberColumns, 2, 4};
constinit const Table kUsers = {"internal_user", "LiteLLM_UserTable", kUserColumns, 1, 5};
constinit const Table kEndUsers = {"end_user", "LiteLLM_EndUserTable", kEndUserColumns, 1, 7};
constinit const Table kTags = {"tag", "LiteLLM_TagTable", kTagColumns, 1, 8};
constinit const Table kAccessGroups = {"access_group", "LiteLLM_AccessGroupTable", kAccessGroupColumns};
constinit const Table kModels = {"stored_model", "LiteLLM_ProxyModelTable", kModelColumns};
constinit const Table kCredentials = {"credential", "LiteLLM_CredentialsTable", kCredentialColumns};
constinit const Table kConfigRows = {"stored_config", "LiteLLM_Config", kConfigColumns};
constinit const Table kInvitations = {"invitation", "LiteLLM_InvitationLink", kInvitationColumns, 1, 0, false};

}  // namespace turnpike::account
