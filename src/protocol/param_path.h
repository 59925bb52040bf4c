#pragma once

#include <string>
#include <string_view>

#include "json/document.h"

namespace turnpike::protocol {

/// Whether an entry of `additional_drop_params` is a path into a parameter ("tools[*].strict", "metadata.run") and not
/// the name of one.
inline bool is_param_path(std::string_view name) {
  return name.find_first_of(".[") != std::string_view::npos;
}

/// The first step of a path: the parameter it goes into.
std::string_view root_of_path(std::string_view path);

/// An object or list as JSON text, without what `path` names: members joined by dots, elements as [2] or [*]. What the
/// path does not find stays as it is.
std::string without_path(const json::Value& value, std::string_view path);

}  // namespace turnpike::protocol
