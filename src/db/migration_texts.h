#pragma once

#include <string_view>

/// The longer steps of the schema, each a file of its own; migrations.cc puts them in order.
namespace turnpike::db {

extern const std::string_view kAccountTree;
extern const std::string_view kEscrow;
extern const std::string_view kPrompts;
extern const std::string_view kReplicaLease;
extern const std::string_view kReports;
extern const std::string_view kTokens;
extern const std::string_view kWindows;
extern const std::string_view kWriteOff;

}  // namespace turnpike::db
