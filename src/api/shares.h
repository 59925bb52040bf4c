#pragma once

#include <string_view>

#include "account/key_row.h"
#include "account/record.h"
#include "api/context.h"
#include "json/document.h"

/// What keys and teams have of limits that others have as well: rpm_limit_type, tpm_limit_type, metadata.priority.
namespace turnpike::api {

/// LiteLLM's words: guaranteed_throughput, best_effort_throughput, dynamic. Null asks for nothing. `shown`: the field
/// as the caller wrote it.
Status check_limit_type(std::string_view shown, const json::Value& value);
/// The same of both members of a metadata object.
Status check_limit_types(std::string_view metadata_json);

/// Whether a type is more than the best that limits leave: it takes from others, or passes a limit.
bool asks_for_more(std::string_view metadata_json);

/// Whose calls come first is for administrators to say: of `metadata.priority`, as it was and as it is to be.
Status may_set_priority(const domain::Caller& caller, std::string_view before_json, std::string_view after_json);

/// account::keep_promises, with what the deployments that are served now can take.
Status keep_promises(account::Records& records, const Context& context, const account::KeyRow& key);
Status keep_promises(account::Records& records, const Context& context, const account::Record& team);

}  // namespace turnpike::api
