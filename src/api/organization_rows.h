#pragma once

#include <string>

#include "api/record_route.h"

namespace turnpike::api {

/// Errors: NotFound in LiteLLM's words.
Result<account::Record> get_organization(account::Records& records, const std::string& id);

/// As whole objects: an organisation with its members, teams and budget, a membership with its budget.
Status write_organization(json::Writer& writer, const Context& context, account::Records& records,
                          const account::Record& row);
Status write_membership(json::Writer& writer, const Context& context, account::Records& records,
                        const account::Record& row);

}  // namespace turnpike::api
