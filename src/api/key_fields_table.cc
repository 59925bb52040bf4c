#include "api/key_fields.h"

namespace turnpike::api {
namespace {

constexpr std::string_view kRoutes = "There are no such routes in this version: leave the field out.";
constexpr std::string_view kPolicies =
    "Policies and guardrails of keys are not enforced by this version: leave the field out.";
constexpr std::string_view kReset =
    "It follows from budget_duration: leave the field out. POST /key/{key}/reset_spend begins a budget anew.";

constexpr KeyField kKeyFields[] = {
    {"key", FieldRule::Stored, ""},
    {"key_alias", FieldRule::Stored, ""},
    {"duration", FieldRule::Stored, ""},
    {"models", FieldRule::Stored, ""},
    {"aliases", FieldRule::Stored, ""},
    {"config", FieldRule::Stored, ""},
    {"spend", FieldRule::Stored, ""},
    {"max_budget", FieldRule::Stored, ""},
    {"user_id", FieldRule::Stored, ""},
    {"team_id", FieldRule::Stored, ""},
    {"organization_id", FieldRule::Stored, ""},
    {"metadata", FieldRule::Stored, ""},
    {"tags", FieldRule::Stored, ""},
    {"blocked", FieldRule::Stored, ""},
    {"router_settings", FieldRule::Stored, ""},
    {"permissions", FieldRule::Stored, ""},
    {"allowed_routes", FieldRule::Stored, ""},
    {"key_type", FieldRule::Stored, ""},
    {"allowed_ips", FieldRule::Stored, ""},
    {"enforced_params", FieldRule::Stored, ""},
    {"access_group_ids", FieldRule::Stored, ""},
    {"budget_id", FieldRule::Stored, ""},
    {"tpm_limit", FieldRule::Stored, ""},
    {"rpm_limit", FieldRule::Stored, ""},
    {"max_parallel_requests", FieldRule::Stored, ""},
    {"model_rpm_limit", FieldRule::Stored, ""},
    {"model_tpm_limit", FieldRule::Stored, ""},
    {"rpm_limit_type", FieldRule::Stored, ""},
    {"tpm_limit_type", FieldRule::Stored, ""},
    {"temp_budget_increase", FieldRule::Stored, ""},
    {"temp_budget_expiry", FieldRule::Stored, ""},
    {"auto_rotate", FieldRule::Stored, ""},
    {"rotation_interval", FieldRule::Stored, ""},
    {"soft_budget", FieldRule::Stored, ""},
    {"max_budget_tokens", FieldRule::Stored, ""},
    {"soft_budget_tokens", FieldRule::Stored, ""},
    {"budget_duration", FieldRule::Stored, ""},
    {"model_max_budget", FieldRule::Stored, ""},
    {"object_permission", FieldRule::Unenforced, "There is nothing yet that it speaks of."},

    {"expires", FieldRule::Refused, "Say how long the key lives with duration (\"30d\")."},
    {"budget_reset_at", FieldRule::Refused, kReset},
    {"guardrails", FieldRule::Refused, kPolicies},
    {"policies", FieldRule::Refused, kPolicies},
    {"disable_global_guardrails", FieldRule::Refused, kPolicies},
    {"allowed_cache_controls", FieldRule::Refused, "There is no cache in this version: leave the field out."},
    {"allowed_passthrough_routes", FieldRule::Refused, kRoutes},
    {"allowed_vector_store_indexes", FieldRule::Refused, kRoutes},

    {"prompts", FieldRule::NoEffect, ""},
    {"send_invite_email", FieldRule::NoEffect, ""},
};

constexpr KeyField kMetadataFields[] = {
    {"guardrails", FieldRule::Refused, kPolicies},
    {"policies", FieldRule::Refused, kPolicies},
    {"disable_global_guardrails", FieldRule::Refused, kPolicies},
    {"logging", FieldRule::Refused, "Callbacks of keys are not served by this version: leave the field out."},
    {"allowed_passthrough_routes", FieldRule::Refused, kRoutes},
    {"allowed_vector_store_indexes", FieldRule::Refused, kRoutes},
};

}  // namespace

std::span<const KeyField> key_fields() {
  return kKeyFields;
}
std::span<const KeyField> key_metadata_fields() {
  return kMetadataFields;
}

}  // namespace turnpike::api
