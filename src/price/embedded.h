#pragma once

#include <string_view>

namespace turnpike::price {

/// Tables made at build time (`cmake/catalogue.cmake`) and kept in the read-only part of the binary: they cost no start
/// time and no heap, and only the pages that are looked at become resident.
std::string_view embedded_prices();
std::string_view embedded_cl100k_ranks();
std::string_view embedded_o200k_ranks();

}  // namespace turnpike::price
