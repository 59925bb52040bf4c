#pragma once

#include <cstddef>
#include <string>

#include "json/document.h"

namespace turnpike::json {

/// The text of `document` in which no string value is longer than `bytes_max` bytes as written; of a longer one the
/// beginning stays, and how many bytes were left out. Names of members stay as they are. Neither characters nor escapes
/// are cut through.
std::string shorten_strings(const Document& document, std::size_t bytes_max);

}  // namespace turnpike::json
