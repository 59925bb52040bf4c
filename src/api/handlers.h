#pragma once

#include "api/context.h"
#include "base/task.h"

/// One function per route that is not an inference route; routes.cc says which path leads to which and who may call it.
namespace turnpike::api {

// models.cc, model_info.cc
Task<Result<Reply>> list_models(const Context& context);
Task<Result<Reply>> show_model(const Context& context);
Task<Result<Reply>> model_info(const Context& context);
Task<Result<Reply>> model_info_pages(const Context& context);
Task<Result<Reply>> model_group_info(const Context& context);

// stored_models.cc, credentials.cc
Task<Result<Reply>> new_model(const Context& context);
Task<Result<Reply>> update_model(const Context& context);
Task<Result<Reply>> patch_model(const Context& context);
Task<Result<Reply>> delete_model(const Context& context);
Task<Result<Reply>> new_credential(const Context& context);
Task<Result<Reply>> update_credential(const Context& context);
Task<Result<Reply>> delete_credential(const Context& context);
Task<Result<Reply>> list_credentials(const Context& context);
Task<Result<Reply>> credential_by_name(const Context& context);
Task<Result<Reply>> credential_by_model(const Context& context);

// access_groups.cc
Task<Result<Reply>> new_access_group(const Context& context);
Task<Result<Reply>> update_access_group(const Context& context);
Task<Result<Reply>> delete_access_group(const Context& context);
Task<Result<Reply>> access_group_info(const Context& context);
Task<Result<Reply>> list_access_groups(const Context& context);
Task<Result<Reply>> new_access_group_row(const Context& context);
Task<Result<Reply>> update_access_group_row(const Context& context);
Task<Result<Reply>> delete_access_group_row(const Context& context);
Task<Result<Reply>> access_group_row(const Context& context);
Task<Result<Reply>> list_access_group_rows(const Context& context);

// config_reads.cc
Task<Result<Reply>> list_config(const Context& context);
Task<Result<Reply>> config_field(const Context& context);
Task<Result<Reply>> config_callbacks(const Context& context);
Task<Result<Reply>> list_callbacks(const Context& context);
Task<Result<Reply>> active_callbacks(const Context& context);
Task<Result<Reply>> router_settings(const Context& context);
Task<Result<Reply>> router_fields(const Context& context);
Task<Result<Reply>> allowed_ips(const Context& context);

// key_generate.cc, keys.cc, key_regenerate.cc, key_list.cc
Task<Result<Reply>> generate_key(const Context& context);
Task<Result<Reply>> generate_service_account_key(const Context& context);
Task<Result<Reply>> bulk_update_keys(const Context& context);
Task<Result<Reply>> regenerate_key(const Context& context);
Task<Result<Reply>> reset_key_spend(const Context& context);
Task<Result<Reply>> key_health(const Context& context);
Task<Result<Reply>> key_infos(const Context& context);
Task<Result<Reply>> list_key_aliases(const Context& context);
Task<Result<Reply>> update_key(const Context& context);
Task<Result<Reply>> block_key(const Context& context);
Task<Result<Reply>> unblock_key(const Context& context);
Task<Result<Reply>> delete_keys(const Context& context);
Task<Result<Reply>> key_info(const Context& context);
Task<Result<Reply>> list_keys(const Context& context);

// teams.cc
Task<Result<Reply>> new_team(const Context& context);
Task<Result<Reply>> update_team(const Context& context);
Task<Result<Reply>> delete_teams(const Context& context);
Task<Result<Reply>> block_team(const Context& context);
Task<Result<Reply>> unblock_team(const Context& context);
Task<Result<Reply>> add_team_models(const Context& context);
Task<Result<Reply>> delete_team_models(const Context& context);

// team_list.cc
Task<Result<Reply>> team_info(const Context& context);
Task<Result<Reply>> list_teams(const Context& context);
Task<Result<Reply>> list_teams_by_page(const Context& context);
Task<Result<Reply>> filter_teams(const Context& context);
Task<Result<Reply>> list_available_teams(const Context& context);

// team_members.cc
Task<Result<Reply>> add_team_members(const Context& context);
Task<Result<Reply>> delete_team_member(const Context& context);
Task<Result<Reply>> update_team_member(const Context& context);
Task<Result<Reply>> bulk_add_team_members(const Context& context);

// team_settings.cc
Task<Result<Reply>> list_team_permissions(const Context& context);
Task<Result<Reply>> update_team_permissions(const Context& context);
Task<Result<Reply>> show_team_callbacks(const Context& context);
Task<Result<Reply>> add_team_callback(const Context& context);
Task<Result<Reply>> disable_team_logging(const Context& context);

// audit.cc
Task<Result<Reply>> list_audit(const Context& context);
Task<Result<Reply>> show_audit(const Context& context);

// users.cc, user_reads.cc
Task<Result<Reply>> new_user(const Context& context);
Task<Result<Reply>> update_user(const Context& context);
Task<Result<Reply>> bulk_update_users(const Context& context);
Task<Result<Reply>> delete_users(const Context& context);
Task<Result<Reply>> user_info(const Context& context);
Task<Result<Reply>> list_users(const Context& context);
Task<Result<Reply>> filter_users_ui(const Context& context);
Task<Result<Reply>> available_roles(const Context& context);

// invitations.cc
Task<Result<Reply>> new_invitation(const Context& context);
Task<Result<Reply>> update_invitation(const Context& context);
Task<Result<Reply>> delete_invitation(const Context& context);
Task<Result<Reply>> invitation_info(const Context& context);

// organizations.cc, organization_members.cc
Task<Result<Reply>> new_organization(const Context& context);
Task<Result<Reply>> update_organization(const Context& context);
Task<Result<Reply>> delete_organizations(const Context& context);
Task<Result<Reply>> list_organizations(const Context& context);
Task<Result<Reply>> organization_info(const Context& context);
Task<Result<Reply>> organizations_info(const Context& context);
Task<Result<Reply>> add_organization_members(const Context& context);
Task<Result<Reply>> update_organization_member(const Context& context);
Task<Result<Reply>> delete_organization_member(const Context& context);

// budgets.cc
Task<Result<Reply>> new_budget(const Context& context);
Task<Result<Reply>> update_budget(const Context& context);
Task<Result<Reply>> delete_budget(const Context& context);
Task<Result<Reply>> budget_info(const Context& context);
Task<Result<Reply>> list_budgets(const Context& context);
Task<Result<Reply>> budget_settings(const Context& context);
Task<Result<Reply>> provider_budgets(const Context& context);

// customers.cc
Task<Result<Reply>> new_customer(const Context& context);
Task<Result<Reply>> update_customer(const Context& context);
Task<Result<Reply>> delete_customers(const Context& context);
Task<Result<Reply>> block_customers(const Context& context);
Task<Result<Reply>> unblock_customers(const Context& context);
Task<Result<Reply>> customer_info(const Context& context);
Task<Result<Reply>> list_customers(const Context& context);

// tags.cc
Task<Result<Reply>> new_tag(const Context& context);
Task<Result<Reply>> update_tag(const Context& context);
Task<Result<Reply>> delete_tag(const Context& context);
Task<Result<Reply>> tag_info(const Context& context);
Task<Result<Reply>> list_tags(const Context& context);

// fallbacks.cc
Task<Result<Reply>> set_fallbacks(const Context& context);
Task<Result<Reply>> show_fallbacks(const Context& context);
Task<Result<Reply>> delete_fallbacks(const Context& context);

// spend.cc, spend_pages.cc, spend_calculate.cc, spend_reset.cc
Task<Result<Reply>> spend_logs(const Context& context);
Task<Result<Reply>> spend_keys(const Context& context);
Task<Result<Reply>> spend_users(const Context& context);
Task<Result<Reply>> spend_logs_page(const Context& context);
Task<Result<Reply>> spend_session_page(const Context& context);
Task<Result<Reply>> spend_log_texts(const Context& context);
Task<Result<Reply>> spend_calculate(const Context& context);
Task<Result<Reply>> reset_global_spend(const Context& context);
Task<Result<Reply>> refresh_global_spend(const Context& context);

// daily_activity.cc
Task<Result<Reply>> user_daily_activity(const Context& context);
Task<Result<Reply>> all_user_daily_activity(const Context& context);
Task<Result<Reply>> team_daily_activity(const Context& context);
Task<Result<Reply>> organization_daily_activity(const Context& context);
Task<Result<Reply>> tag_daily_activity(const Context& context);
Task<Result<Reply>> customer_daily_activity(const Context& context);

// global_spend.cc, spend_report.cc, global_activity.cc
Task<Result<Reply>> global_spend(const Context& context);
Task<Result<Reply>> global_spend_logs(const Context& context);
Task<Result<Reply>> global_spend_keys(const Context& context);
Task<Result<Reply>> global_spend_models(const Context& context);
Task<Result<Reply>> global_spend_providers(const Context& context);
Task<Result<Reply>> global_spend_teams(const Context& context);
Task<Result<Reply>> global_spend_end_users(const Context& context);
Task<Result<Reply>> global_spend_tags(const Context& context);
Task<Result<Reply>> spend_tags(const Context& context);
Task<Result<Reply>> all_tag_names(const Context& context);
Task<Result<Reply>> all_end_users(const Context& context);
Task<Result<Reply>> distinct_tags(const Context& context);
Task<Result<Reply>> global_spend_report(const Context& context);
Task<Result<Reply>> global_activity(const Context& context);
Task<Result<Reply>> global_activity_models(const Context& context);
Task<Result<Reply>> global_activity_exceptions(const Context& context);
Task<Result<Reply>> global_activity_deployments(const Context& context);
Task<Result<Reply>> global_activity_cache_hits(const Context& context);

// health.cc
Task<Result<Reply>> liveness(const Context& context);
Task<Result<Reply>> readiness(const Context& context);
Task<Result<Reply>> health(const Context& context);
Task<Result<Reply>> metrics(const Context& context);

// health_checks.cc
Task<Result<Reply>> health_history(const Context& context);
Task<Result<Reply>> health_latest(const Context& context);
Task<Result<Reply>> health_services(const Context& context);
Task<Result<Reply>> test_connection(const Context& context);

// health_events.cc
Task<Result<Reply>> health_events(const Context& context);
Task<Result<Reply>> health_cooldowns(const Context& context);
Task<Result<Reply>> health_backlog(const Context& context);

// system.cc, page.cc
Task<Result<Reply>> list_routes(const Context& context);
Task<Result<Reply>> test_route(const Context& context);
Task<Result<Reply>> reload_config(const Context& context);
Task<Result<Reply>> front_page(const Context& context);

}  // namespace turnpike::api
