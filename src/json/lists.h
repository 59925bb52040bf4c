#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace turnpike::json {

/// A JSON list of strings, as columns of the database hold them.
std::string write_list(const std::vector<std::string>& texts);
/// The strings of one; whatever else stands in it is passed over.
std::vector<std::string> read_list(std::string_view json_text);

}  // namespace turnpike::json
