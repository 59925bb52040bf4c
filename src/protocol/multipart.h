#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/document.h"

namespace turnpike::protocol {

constexpr std::size_t kFormPartsMax = 100;
constexpr std::size_t kFormPartHeaderBytesMax = 8 * 1024;
constexpr std::size_t kFormBoundaryMax = 70;
constexpr std::size_t kFormTextBytesMax = 1024 * 1024;  // Of all parts that are no files together.

/// One field of a form, by its places in the body.
struct FormPart {
  std::string name;
  std::optional<std::string> filename;  // A file.
  std::string_view content_type;        // Empty: not said.
  json::Range value;
  json::Range whole;  // From its delimiter to the next one: what is cut when the part goes.
};

/// A multipart/form-data body read in place; nothing is copied but names.
///
/// Source: RFC 7578, RFC 2046 section 5.1; what browsers send for names (percent-escaped quotes).
/// Limits: the constants above (AC-SEC-7).
/// Errors: InvalidRequest, saying what is wrong or which limit was reached.
struct Form {
  std::string boundary;
  std::vector<FormPart> parts;
  std::size_t close = 0;  // Where the closing delimiter begins: another part goes in before it.

  const FormPart* find(std::string_view name) const;
  /// The first part that is a file: by one of the names that callers use.
  const FormPart* find_file(std::string_view name) const;
};

bool is_form(std::string_view content_type);
Result<Form> parse_form(std::string_view content_type, std::string_view body);

/// A part as it goes on the wire, delimiter and all.
std::string form_part(const Form& form, std::string_view name, std::string_view value);

/// The fields of a form that are no files, as one JSON object: numbers, flags and lists where the field is known to
/// hold such, else strings. Files stand there as "". So that whatever reads JSON calls reads forms as well.
std::string form_as_json(const Form& form, std::string_view body);

}  // namespace turnpike::protocol
