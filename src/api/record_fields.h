#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/record.h"
#include "base/result.h"
#include "json/document.h"

/// Bodies of management routes that make or change a record.
namespace turnpike::api {

/// A field of a route's body. A field that is a column of the table is read by its kind and written into the record.
struct BodyField {
  std::string_view name;
  enum class Rule : std::uint8_t {
    Column,      // Into the column of the same name.
    Metadata,    // Into `metadata` (spec management-api 2.2, "stored in metadata").
    Own,         // The route reads it itself.
    Unenforced,  // Into the column or metadata; named in x-turnpike-unenforced-fields.
  } rule = Rule::Column;
};

/// What a body did to a record.
struct Applied {
  std::vector<std::string> ignored;     // Unknown members, in the body's order: x-turnpike-ignored-fields.
  std::vector<std::string> unenforced;  // Stored and not in force in this version: x-turnpike-unenforced-fields.
};

/// Writes the members of `body` into `row`; what is not named stays. Null clears a nullable column and stands for
/// "not given" elsewhere.
///
/// Errors: InvalidRequest with `param` = the field: wrong type, negative amount or limit, impossible duration, a member
///         that is there twice.
Result<Applied> apply_fields(const json::Value& body, std::span<const BodyField> fields, account::Record& row);

/// The members of one `metadata` object laid over another: what a body sends replaces, metadata-stored fields are kept.
std::string merged_metadata(std::string_view old_json, std::string_view sent_json);

/// A member of a metadata object as compact JSON; empty where there is none, or one that asks for nothing.
std::string metadata_member(std::string_view metadata_json, std::string_view name);

/// The models that aliases of `after_json` lead to and the same aliases of `before_json` do not. Both are objects of
/// texts.
std::vector<std::string> new_targets(std::string_view before_json, std::string_view after_json);

/// Single members of a body, for fields with the rule Own. Null and absent: nothing.
/// Errors: InvalidRequest naming the field when it is of another type.
Result<std::optional<std::string>> text_member(const json::Value& body, std::string_view name);
Result<std::string> needed_text(const json::Value& body, std::string_view name);
Result<std::optional<bool>> flag_member(const json::Value& body, std::string_view name);
Result<std::optional<Money>> amount_member(const json::Value& body, std::string_view name);
Result<std::optional<std::uint64_t>> whole_member(const json::Value& body, std::string_view name);
Result<std::optional<std::int64_t>> token_member(const json::Value& body, std::string_view name);
Result<std::optional<std::vector<std::string>>> list_member(const json::Value& body, std::string_view name);

/// A soft budget in tokens is below the hard one. Errors: InvalidRequest, param soft_budget_tokens.
Status check_token_budgets(std::optional<std::int64_t> soft, std::optional<std::int64_t> hard);
Status check_token_budgets(const account::Record& row);

/// Header lines for what `applied` says; nothing where it says nothing.
void tell_applied(const Applied& applied, std::string& fields);

}  // namespace turnpike::api
