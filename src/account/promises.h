#pragma once

#include <functional>
#include <map>
#include <string>

#include "account/key_row.h"
#include "account/record.h"
#include "domain/caller.h"

/// What is promised to keys and teams (`rpm_limit_type`, `tpm_limit_type`: guaranteed_throughput) has to be there: the
/// promises to keys of a team fit into what the team has, those to teams and keys of an organisation into what that
/// has, and all for one model into what its deployments can take. Keys that have expired are promised nothing.
namespace turnpike::account {

/// Requests and tokens per minute, for all models and for some.
struct Throughput {
  domain::RateLimits all;
  std::map<std::string, domain::RateLimits> by_model;
  bool operator==(const Throughput&) const = default;
};

/// What metadata and limits promise; empty where the types do not say so.
Throughput promised(const domain::RateLimits& limits, std::string_view metadata_json);

/// What the deployments of a model can take; nothing where it is not known.
using CapacityOf = std::function<domain::RateLimits(const std::string& model)>;

/// Errors: InvalidRequest in LiteLLM's words ("Allocated RPM limit=60 + Key RPM limit=60 is greater than team RPM
///         limit=100"), `param` the limit.
Status keep_promises(Records& records, const KeyRow& key, const CapacityOf& capacity_of);
/// The team as it is to be: what it is promised, and what its keys are promised of it.
Status keep_promises(Records& records, const Record& team, const CapacityOf& capacity_of);

}  // namespace turnpike::account
