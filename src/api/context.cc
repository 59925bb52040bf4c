#include "api/context.h"

#include "base/text.h"

namespace turnpike::api {

std::string author(const Context& context) {
  constexpr std::size_t kNameBytesMax = 256;
  const std::string_view named = base::trim(context.request().find("litellm-changed-by"));
  // Others than administrators would write a name into the audit log that is not theirs.
  if (!named.empty() && administers(*context.caller)) return std::string(named.substr(0, kNameBytesMax));
  return context.caller->user_id.empty() ? "default_user_id" : context.caller->user_id;
}

}  // namespace turnpike::api
