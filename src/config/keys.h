#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/node.h"

namespace turnpike::config {

enum class Type : std::uint8_t { Any, Bool, Integer, Number, Time, Bytes, Price, Text, Texts, List, Map };

/// What this version does with a key.
enum class Standing : std::uint8_t {
  Honoured,  // In force.
  Harmless,  // Known, nothing to do here: a notice says why.
  NotYet,    // Known and not in force yet: a warning says so.
  Protects,  // Guards somebody and is not enforced yet: stops the start unless it is named as allowed.
  Refused,   // Cannot be served at all: stops the start with the reason.
};

/// A key of the file. In `path` "[]" stands for every element of a list and "*" for every name of a map.
struct Key {
  std::string_view path;
  Type type = Type::Any;
  Standing standing = Standing::Honoured;
  std::string_view note;  // Completes the sentence of the standing; empty for Honoured.
};

/// Every key of docs/config.md, in its order. THE table: a key that is not here is unknown.
std::span<const Key> keys();
std::span<const Key> turnpike_keys();  // Its part below turnpike, the last.
std::span<const Key> jwt_keys();       // Its part below general_settings.litellm_jwtauth.

/// The row for a path as a node has it ("model_list[3].litellm_params.rpm"), or null.
const Key* find_key(std::string_view node_path);

struct KeyCheck {
  std::vector<Diagnostic> diagnostics;
  std::vector<std::string> unenforced;  // One line per protecting key that was let through.
};

/// Holds the whole tree to the table: wrong types, unknown keys with the nearest known name, keys that are not in
/// force. Off values (false, null, empty) of a protecting key ask for nothing. A finding that repeats (a key on every
/// deployment) is one line with a count.
KeyCheck check_keys(const Node& root, std::span<const std::string> allow_unenforced, bool allow_all = false);

}  // namespace turnpike::config
