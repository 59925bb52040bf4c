#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"

namespace turnpike::fake_provider {

class Shape;
struct Script;
struct VendorError;

/// What a vendor himself says when he does not answer. How an answer fails on its way (silence, cuts) is told by other
/// directives; `apply_fault` knows names for both.
enum class Fault : std::uint8_t {
  None,
  RateLimit,
  ServerError,
  Overloaded,
  WrongKey,
  NoCredit,
  ContentPolicy,
  ContextWindow,
  NoModel,
};

/// One name of the catalogue of faults, and what it does to a script.
struct NamedFault {
  std::string_view name;
  std::string_view meaning;  // For people.
  void (*apply)(Script& script);
};

/// All there are, in the order in which a report tells them.
///
/// Source: ours; the names are those of `fault=` in a path, a body or a flag.
std::span<const NamedFault> faults();

/// Errors: InvalidRequest for a name nobody knows.
Status apply_fault(Script& script, std::string_view name);

/// How this shape's vendor says it; nothing where he has no such error and answers.
///
/// Source: fault_table.cc says where each row comes from.
std::optional<VendorError> find_vendor_error(const Shape& shape, Fault fault);

}  // namespace turnpike::fake_provider
