#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "db/database.h"

/// Many rows as one array for each column: what PostgreSQL reads far faster than as many parameters.
namespace turnpike::db {

/// "$1, $2, $3"
std::string places(std::size_t count);

/// `values` are rows of `width` values, one after the other. A column holds whole numbers or texts, and nulls beside
/// them.
///
/// "unnest($1::bigint[], $2::text[])": the rows again, in their order, as a table; and its parameters.
std::string unnest_text(const std::vector<Value>& values, std::size_t width);
std::vector<Value> array_values(const std::vector<Value>& values, std::size_t width);

}  // namespace turnpike::db
