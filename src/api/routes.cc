#include "api/handlers.h"
#include "api/route.h"

namespace turnpike::api {
namespace {

using domain::Operation;
using http::Method;

constexpr Route inference(std::string_view path, Operation operation) {
  return {Method::Post, path, Who::Pipeline, nullptr, operation};
}

constexpr Route kRoutes[] = {
    // Inference: the key is read and checked by the pipeline. The commonest first.
    inference("/v1/chat/completions", Operation::Chat),
    inference("/chat/completions", Operation::Chat),
    inference("/v1/embeddings", Operation::Embedding),
    inference("/embeddings", Operation::Embedding),
    inference("/v1/completions", Operation::Completion),
    inference("/completions", Operation::Completion),
    inference("/queue/chat/completions", Operation::Chat),
    inference("/cursor/chat/completions", Operation::Chat),
    inference("/openai/deployments/{model}/chat/completions", Operation::Chat),
    inference("/openai/deployments/{model}/completions", Operation::Completion),
    inference("/openai/deployments/{model}/embeddings", Operation::Embedding),
    inference("/engines/{model}/chat/completions", Operation::Chat),
    inference("/engines/{model}/completions", Operation::Completion),
    inference("/engines/{model}/embeddings", Operation::Embedding),
    inference("/v1/rerank", Operation::Rerank),
    inference("/rerank", Operation::Rerank),
    inference("/v2/rerank", Operation::Rerank),
    inference("/v1/moderations", Operation::Moderation),
    inference("/moderations", Operation::Moderation),
    inference("/v1/images/generations", Operation::ImageGeneration),
    inference("/images/generations", Operation::ImageGeneration),
    inference("/openai/deployments/{model}/images/generations", Operation::ImageGeneration),
    inference("/v1/images/edits", Operation::ImageEdit),
    inference("/images/edits", Operation::ImageEdit),
    inference("/openai/deployments/{model}/images/edits", Operation::ImageEdit),
    inference("/v1/audio/speech", Operation::Speech),
    inference("/audio/speech", Operation::Speech),
    inference("/openai/deployments/{model}/audio/speech", Operation::Speech),
    inference("/v1/audio/transcriptions", Operation::Transcription),
    inference("/audio/transcriptions", Operation::Transcription),
    inference("/openai/deployments/{model}/audio/transcriptions", Operation::Transcription),
    inference("/v1/audio/translations", Operation::Translation),
    inference("/audio/translations", Operation::Translation),
    inference("/openai/deployments/{model}/audio/translations", Operation::Translation),

    {Method::Get, "/v1/models", Who::AnyKey, list_models},
    {Method::Get, "/models", Who::AnyKey, list_models},
    {Method::Get, "/v1/models/{model}", Who::AnyKey, show_model},
    {Method::Get, "/models/{model}", Who::AnyKey, show_model},
    {Method::Get, "/openai/models", Who::AnyKey, list_models},  // Azure clients.
    {Method::Get, "/openai/models/{model}", Who::AnyKey, show_model},
    {Method::Get, "/model/info", Who::AnyKey, model_info},
    {Method::Get, "/v1/model/info", Who::AnyKey, model_info},
    {Method::Get, "/v2/model/info", Who::AnyKey, model_info_pages},
    {Method::Get, "/model_group/info", Who::AnyKey, model_group_info},
    {Method::Post, "/model/new", Who::Management, new_model},
    {Method::Post, "/model/update", Who::Management, update_model},
    {Method::Patch, "/model/{model}/update", Who::Management, patch_model},
    {Method::Post, "/model/delete", Who::Management, delete_model},

    {Method::Post, "/credentials", Who::Admin, new_credential},
    {Method::Get, "/credentials", Who::AdminOrViewer, list_credentials},
    {Method::Get, "/credentials/by_name/{credential}", Who::AdminOrViewer, credential_by_name},
    {Method::Get, "/credentials/by_model/{model}", Who::AdminOrViewer, credential_by_model},
    {Method::Patch, "/credentials/{credential}", Who::Admin, update_credential},
    {Method::Delete, "/credentials/{credential}", Who::Admin, delete_credential},

    {Method::Post, "/access_group/new", Who::Admin, new_access_group},
    {Method::Get, "/access_group/list", Who::AdminOrViewer, list_access_groups},
    {Method::Get, "/access_group/{group}/info", Who::AdminOrViewer, access_group_info},
    {Method::Put, "/access_group/{group}/update", Who::Admin, update_access_group},
    {Method::Delete, "/access_group/{group}/delete", Who::Admin, delete_access_group},
    {Method::Get, "/v1/access_group", Who::AdminOrViewer, list_access_group_rows},
    {Method::Post, "/v1/access_group", Who::Admin, new_access_group_row},
    {Method::Get, "/v1/access_group/{group}", Who::AdminOrViewer, access_group_row},
    {Method::Put, "/v1/access_group/{group}", Who::Admin, update_access_group_row},
    {Method::Delete, "/v1/access_group/{group}", Who::Admin, delete_access_group_row},

    {Method::Get, "/config/list", Who::AdminOrViewer, list_config},
    {Method::Get, "/config/field/info", Who::AdminOrViewer, config_field},
    {Method::Get, "/get/config/callbacks", Who::AdminOrViewer, config_callbacks},
    {Method::Get, "/callbacks/list", Who::AdminOrViewer, list_callbacks},
    {Method::Get, "/active/callbacks", Who::AnyKey, active_callbacks},
    {Method::Get, "/settings", Who::AnyKey, active_callbacks},
    {Method::Get, "/router/settings", Who::AdminOrViewer, router_settings},
    {Method::Get, "/router/fields", Who::AdminOrViewer, router_fields},
    {Method::Get, "/get/allowed_ips", Who::AdminOrViewer, allowed_ips},

    {Method::Post, "/key/generate", Who::Management, generate_key},
    {Method::Post, "/key/service-account/generate", Who::Management, generate_service_account_key},
    {Method::Post, "/key/update", Who::Management, update_key},
    {Method::Post, "/key/bulk_update", Who::Admin, bulk_update_keys},
    {Method::Post, "/key/delete", Who::Management, delete_keys},
    {Method::Post, "/key/block", Who::Management, block_key},
    {Method::Post, "/key/unblock", Who::Management, unblock_key},
    {Method::Post, "/key/regenerate", Who::Management, regenerate_key},
    {Method::Post, "/key/{key}/regenerate", Who::Management, regenerate_key},
    {Method::Post, "/key/{key}/reset_spend", Who::Management, reset_key_spend},
    {Method::Post, "/key/health", Who::AnyKey, key_health},
    {Method::Get, "/key/list", Who::ManagementRead, list_keys},
    {Method::Get, "/key/aliases", Who::ManagementRead, list_key_aliases},
    {Method::Get, "/key/info", Who::AnyKey, key_info},  // Of itself; the master key of every key.
    {Method::Post, "/v2/key/info", Who::AnyKey, key_infos},

    {Method::Post, "/team/new", Who::Management, new_team},
    {Method::Post, "/team/update", Who::Management, update_team},
    {Method::Post, "/team/delete", Who::Management, delete_teams},
    {Method::Post, "/team/block", Who::Management, block_team},
    {Method::Post, "/team/unblock", Who::Management, unblock_team},
    {Method::Post, "/team/model/add", Who::Management, add_team_models},
    {Method::Post, "/team/model/delete", Who::Management, delete_team_models},
    {Method::Get, "/team/info", Who::ManagementRead, team_info},
    {Method::Get, "/team/list", Who::ManagementRead, list_teams},
    {Method::Get, "/v2/team/list", Who::ManagementRead, list_teams_by_page},
    {Method::Get, "/team/filter/ui", Who::ManagementRead, filter_teams},
    {Method::Get, "/team/available", Who::ManagementRead, list_available_teams},
    {Method::Post, "/team/member_add", Who::Management, add_team_members},
    {Method::Post, "/team/member_delete", Who::Management, delete_team_member},
    {Method::Post, "/team/member_update", Who::Management, update_team_member},
    {Method::Post, "/team/bulk_member_add", Who::Admin, bulk_add_team_members},
    {Method::Get, "/team/permissions_list", Who::ManagementRead, list_team_permissions},
    {Method::Post, "/team/permissions_update", Who::Management, update_team_permissions},
    {Method::Get, "/team/{team_id}/callback", Who::ManagementRead, show_team_callbacks},
    {Method::Post, "/team/{team_id}/callback", Who::Management, add_team_callback},
    {Method::Post, "/team/{team_id}/disable_logging", Who::Admin, disable_team_logging},

    {Method::Get, "/audit", Who::AdminOrViewer, list_audit},
    {Method::Get, "/audit/{id}", Who::AdminOrViewer, show_audit},

    {Method::Post, "/user/new", Who::Management, new_user},
    {Method::Post, "/user/update", Who::Management, update_user},
    {Method::Post, "/user/bulk_update", Who::Admin, bulk_update_users},
    {Method::Post, "/user/delete", Who::Admin, delete_users},
    {Method::Get, "/user/info", Who::ManagementRead, user_info},
    {Method::Get, "/user/list", Who::AdminOrViewer, list_users},
    {Method::Get, "/user/filter/ui", Who::ManagementRead, filter_users_ui},
    {Method::Get, "/user/available_roles", Who::AnyKey, available_roles},

    // An invitation's id is what lets in whoever has it: not for viewers.
    {Method::Post, "/invitation/new", Who::Admin, new_invitation},
    {Method::Post, "/invitation/update", Who::Admin, update_invitation},
    {Method::Post, "/invitation/delete", Who::Admin, delete_invitation},
    {Method::Get, "/invitation/info", Who::Admin, invitation_info},

    {Method::Post, "/organization/new", Who::Admin, new_organization},
    {Method::Patch, "/organization/update", Who::Management, update_organization},
    {Method::Delete, "/organization/delete", Who::Admin, delete_organizations},
    {Method::Get, "/organization/list", Who::ManagementRead, list_organizations},
    {Method::Get, "/organization/info", Who::ManagementRead, organization_info},
    {Method::Post, "/organization/info", Who::ManagementRead, organizations_info},
    {Method::Post, "/organization/member_add", Who::Management, add_organization_members},
    {Method::Patch, "/organization/member_update", Who::Management, update_organization_member},
    {Method::Delete, "/organization/member_delete", Who::Management, delete_organization_member},

    {Method::Post, "/budget/new", Who::Admin, new_budget},
    {Method::Post, "/budget/update", Who::Admin, update_budget},
    {Method::Post, "/budget/delete", Who::Admin, delete_budget},
    {Method::Post, "/budget/info", Who::AdminOrViewer, budget_info},
    {Method::Get, "/budget/list", Who::AdminOrViewer, list_budgets},
    {Method::Get, "/budget/settings", Who::AdminOrViewer, budget_settings},

    {Method::Post, "/customer/new", Who::Admin, new_customer},
    {Method::Post, "/customer/update", Who::Admin, update_customer},
    {Method::Post, "/customer/delete", Who::Admin, delete_customers},
    {Method::Post, "/customer/block", Who::Admin, block_customers},
    {Method::Post, "/customer/unblock", Who::Admin, unblock_customers},
    {Method::Get, "/customer/info", Who::AdminOrViewer, customer_info},
    {Method::Get, "/customer/list", Who::AdminOrViewer, list_customers},
    {Method::Post, "/end_user/new", Who::Admin, new_customer},
    {Method::Post, "/end_user/update", Who::Admin, update_customer},
    {Method::Post, "/end_user/delete", Who::Admin, delete_customers},
    {Method::Post, "/end_user/block", Who::Admin, block_customers},
    {Method::Post, "/end_user/unblock", Who::Admin, unblock_customers},
    {Method::Get, "/end_user/info", Who::AdminOrViewer, customer_info},
    {Method::Get, "/end_user/list", Who::AdminOrViewer, list_customers},

    {Method::Post, "/tag/new", Who::Admin, new_tag},
    {Method::Post, "/tag/update", Who::Admin, update_tag},
    {Method::Post, "/tag/delete", Who::Admin, delete_tag},
    {Method::Post, "/tag/info", Who::AnyKey, tag_info},
    {Method::Get, "/tag/list", Who::AnyKey, list_tags},

    {Method::Post, "/fallback", Who::Admin, set_fallbacks},
    {Method::Get, "/fallback/{model}", Who::AdminOrViewer, show_fallbacks},
    {Method::Delete, "/fallback/{model}", Who::Admin, delete_fallbacks},

    {Method::Get, "/spend/logs", Who::AnyKey, spend_logs},  // Its own; the master key all.
    {Method::Get, "/spend/keys", Who::AdminOrViewer, spend_keys},

    {Method::Get, "/health/liveliness", Who::Public, liveness},
    {Method::Get, "/health/liveness", Who::Public, liveness},
    {Method::Get, "/health/readiness", Who::Public, readiness},
    {Method::Get, "/health", Who::AnyKey, health},
    {Method::Get, "/health/backlog", Who::AnyKey, health_backlog},
    {Method::Get, "/health/cooldowns", Who::AdminOrViewer, health_cooldowns},
    {Method::Get, "/health/events", Who::AdminOrViewer, health_events},
    {Method::Get, "/health/history", Who::AdminOrViewer, health_history},
    {Method::Get, "/health/latest", Who::AdminOrViewer, health_latest},
    {Method::Get, "/health/services", Who::AdminOrViewer, health_services},
    {Method::Post, "/health/test_connection", Who::Admin, test_connection},
    {Method::Get, "/metrics", Who::PublicUnlessSet, metrics},
    {Method::Get, "/metrics/", Who::PublicUnlessSet, metrics},

    {Method::Post, "/config/reload", Who::Admin, reload_config},
    {Method::Get, "/routes", Who::Public, list_routes},
    {Method::Get, "/test", Who::Public, test_route},
    {Method::Get, "/", Who::Public, front_page},
};

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

}  // namespace turnpike::api
