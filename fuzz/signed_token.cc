#include "account/jwt_claims.h"
#include "account/jwt_verify.h"

// A token and the key set it is held to, cut at the first line end; claims as they would stand in one that holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike::account;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = text.find('\n');
  const std::string_view token = text.substr(0, cut);
  const std::string_view rest = cut == std::string_view::npos ? std::string_view() : text.substr(cut + 1);
  const turnpike::Result<JwkSet> keys = parse_jwks(rest);
  if (keys) static_cast<void>(verify_jwt(token, *keys, {{"gw"}, {}, 5}, 1'700'000'000));
  static_cast<void>(read_jwt_head(token));
  turnpike::config::JwtSettings settings;
  settings.team_id_jwt_field = "team.id";
  settings.team_ids_jwt_field = "groups";
  settings.user_id_jwt_field = "sub";
  settings.roles_jwt_field = "roles";
  settings.role_mappings = {{"admin", "proxy_admin"}, {"team", "team"}};
  settings.jwt_litellm_role_map = {{"*a*b*", "internal_user"}};
  settings.enforce_scope_based_access = true;
  settings.scope_mappings = {{"chat", std::vector<std::string>{"gpt"}, std::nullopt}};
  static_cast<void>(read_identity(rest, settings));
  return 0;
}
