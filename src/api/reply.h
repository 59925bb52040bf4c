#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "json/write.h"
#include "protocol/error_face.h"

namespace turnpike::api {

/// The whole answer of a route that is not an inference route.
struct Reply {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::string fields;  // Rendered header lines.
};

Reply json_reply(std::string body);

/// For answers that hold a secret or an administrator's view: no cache may keep them.
Reply private_json_reply(std::string body);

/// The OpenAI envelope of spec http-api 5.
Reply error_reply(const Error& error, protocol::Compat compat);
/// The same, and its text once more under `detail`.
Reply management_error_reply(const Error& error, protocol::Compat compat);

/// 400 that names the field at fault.
tl::unexpected<Error> refuse_field(std::string_view field, std::string message);
/// A PermissionDenied that names the field by which the caller asks for what is not his.
tl::unexpected<Error> forbid_field(std::string_view field, std::string message);

}  // namespace turnpike::api
