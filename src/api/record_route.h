#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/permission.h"
#include "api/record_fields.h"
#include "api/records.h"
#include "domain/budget_window.h"
#include "json/document.h"

/// What the routes of organisations, users, budgets, customers and tags have in common.
namespace turnpike::api {

/// Makes the answer inside the transaction, on the database's thread; `body` is the request's ("{}" where it is empty).
using RecordAnswer = std::function<Result<Reply>(account::Records& records, const json::Value& body)>;

/// Runs `answer` in one transaction (records.h); an error of it undoes what it did.
Task<Result<Reply>> answer_with_body(const Context& context, RecordAnswer answer);

/// Rows of a list that has no pages.
constexpr std::uint64_t kListRowsMax = 1000;

/// An id for a row that is made without one.
std::string new_id(const account::Records& records);

/// 404 under LiteLLM's words.
tl::unexpected<Error> no_such(std::string_view param, std::string message);
/// 409.
tl::unexpected<Error> exists_already(std::string_view param, std::string message);

/// The models, limits and names of `body`, as `grant_within` compares them. Errors: a member of another type.
Result<Grant> read_grant(const json::Value& body, Grant::To to, bool is_new);

/// When a budget that is given `duration` now begins anew, on the clocks of `litellm_settings.timezone`.
std::int64_t next_reset(const Context& context, const std::string& duration);
/// Errors: InvalidRequest for a word that is no mode.
Status check_budget(const account::Record& budget);
/// Sets `budget_reset_at` where `body` sends another `budget_duration` and no `budget_reset_at` of its own.
Status follow_duration(const Context& context, const json::Value& body, account::Record& row);

/// The members of a budget object; what is not in force in this version is named to whoever sends it.
std::span<const BodyField> budget_fields();
/// The row of the budget object, or null. Errors: the database's.
Status write_budget_member(json::Writer& writer, account::Records& records,
                           const std::optional<std::string>& budget_id);

/// The spend in force: booked plus settled in this process.
Money live_spend(const Context& context, const account::Record& row);
/// `write_record` with the live spend.
void write_live(json::Writer& writer, const Context& context, const account::Record& row,
                std::span<const std::string_view> hidden = {});

/// The budget object behind an entity that has no limits of its own (organisation, member, end user, tag).
///
/// `row.budget_id` becomes the `budget_id` of the body, which must exist; where the body sends members of a budget
/// instead, the linked object is changed, for all who share it, or one is made. `always`: one is made in any case.
/// Errors: both at once (400), and those of the fields.
Status link_budget(const Context& context, account::Records& records, const json::Value& body, bool always,
                   account::Record& row, Applied& applied);

/// `names` of a body: a list of texts that is there and not empty.
Result<std::vector<std::string>> needed_list(const json::Value& body, std::string_view name);

}  // namespace turnpike::api
