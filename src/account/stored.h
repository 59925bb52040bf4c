#pragma once

#include <string>

#include "account/sealed.h"
#include "base/result.h"
#include "config/stored.h"
#include "db/database.h"
#include "json/document.h"

/// Models and credentials of the database (store_model_in_db), as the configuration reads them.
namespace turnpike::account {

/// A JSON value as the configuration sees one of its file; numbers keep their decimal text.
config::Node node_of(const json::Value& value);

/// One element of `model_list`, of a row's columns with its secrets opened. Errors: InvalidRequest for what is no
/// object.
Result<config::Node> model_node(const std::string& model_id, const std::string& model_name,
                                const std::string& litellm_params_json, const std::string& model_info_json);

struct StoredRows {
  config::Stored stored;
  std::vector<std::string>
      broken;               // One line per row that cannot be read, with its name: "stored model gpt (id): ...".
  std::string fingerprint;  // Equal rows, equal fingerprint.
};

struct Resealed {
  std::int64_t models = 0, credentials = 0;
};

/// Every secret of the database opened with `from` and sealed with `to`, all of them or none. Blocks.
/// Errors: Unavailable naming the row and the member that `from` does not open.
Result<Resealed> reseal(db::Database& database, const Sealer& from, const Sealer& to);

/// All rows but the blocked ones. Blocks: not for I/O threads. Errors: the database's.
Result<StoredRows> read_stored(db::Database& database, const Sealer& sealer);

}  // namespace turnpike::account
