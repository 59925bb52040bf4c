#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "account/record.h"
#include "domain/caller.h"

/// Requests and tokens per minute and calls at a time, as rows of keys and of whom they belong to say them.
namespace turnpike::account {

/// What the columns of a row say (`rpm_limit`, `tpm_limit`, `max_parallel_requests`); nothing for one it does not have.
domain::RateLimits rate_limits_of(const Record& row);

/// What the row of the linked budget says, where `own` is silent. Errors: the database's.
Status complete_from_budget(Records& records, const std::optional<std::string>& budget_id, domain::RateLimits& own);

/// What `rpm_limit_type` and `tpm_limit_type` of the metadata say of them.
void add_limit_types(std::string_view metadata_json, domain::CallerLimits& limits);

/// Adds `whole` if it limits anything.
void add_limits(const domain::CallerLimits& whole, std::vector<domain::CallerLimits>& into);

/// The limits per model that `metadata` names (`model_rpm_limit`, `model_tpm_limit`: model to number) and those of
/// `model_max_budget` (model to {rpm_limit, tpm_limit}); `of`: whose they are, of a kind that has some per model.
void add_model_limits(std::string_view metadata_json, std::string_view model_max_budget_json,
                      const domain::CallerLimits& of, std::vector<domain::CallerLimits>& into);

}  // namespace turnpike::account
