#pragma once

#include <string>
#include <string_view>

#include "account/record.h"
#include "account/sealed.h"
#include "api/context.h"
#include "base/task.h"
#include "json/document.h"

/// What the routes of stored models and credentials have in common.
namespace turnpike::api {

/// For secrets of the database.
account::Sealer sealer_of(const Context& context);

/// Errors: 500 with LiteLLM's hint where store_model_in_db is off; Unavailable without a key to seal with.
Status may_store(const Context& context);

/// `reply` once the change is in force on this replica.
Task<Result<Reply>> in_force(const Context& context, Task<Result<Reply>> reply);

/// `old_json` with the members of `sent` laid over it; null takes a member away.
std::string merged_object(std::string_view old_json, const json::Value& sent);

}  // namespace turnpike::api
