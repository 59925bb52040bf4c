#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/caller.h"
#include "pipeline/gateway.h"

namespace turnpike::api {

/// Which names a list of models is to hold.
struct ListOptions {
  bool wildcards = false;           // return_wildcard_routes: the patterns themselves too.
  bool access_groups = false;       // include_model_access_groups
  bool only_access_groups = false;  // only_model_access_groups
};

/// The models `caller` may call (null: everybody's view), each once, in the order of the configuration; a pattern is
/// expanded to the models of its provider that the price catalogue knows (spec http-api 3.4).
std::vector<std::string> callable_models(const pipeline::Snapshot& snapshot, const domain::Caller* caller,
                                         const ListOptions& options);

}  // namespace turnpike::api
