#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "db/database.h"
#include "price/prices.h"
#include "proof/verify.h"

/// V8 of spec money 9: what each call cost, computed again.
namespace turnpike::proof {

/// What a gateway of today would ask for. A row names the table its prices came from, not the prices themselves.
struct KnownPrices {
  struct Deployment {
    std::string model;  // As it is sent upstream.
    price::Prices prices;
    bool own = false;  // The configuration has its say in them, and may have had another when the call was made.
  };
  std::string table_version;
  std::map<std::string, Deployment, std::less<>> deployments;  // By id.
};

/// Bills again, from its usage, each attempt of kept entries since `since` (unix day) that was made at the prices of
/// the same table through a deployment that still sends the same model. Left out are amounts that are the provider's
/// own, and images and searches of whose size the entry says nothing: those in a chat, and those of earlier versions.
/// Where the configuration has its say in a price a difference is told and is no fault of the books; so is the price of
/// another service tier than the standard one where none is noted, since earlier versions did not.
/// Errors: Unavailable when the database cannot be read.
Result<Check> check_bills(db::Database& database, const KnownPrices& known,
                          std::optional<std::int64_t> since = std::nullopt);

}  // namespace turnpike::proof
