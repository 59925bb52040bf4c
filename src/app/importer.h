#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "account/key_row.h"
#include "account/record.h"
#include "account/sealed.h"
#include "app/import_report.h"
#include "app/litellm_source.h"
#include "db/database.h"

namespace turnpike::app {

/// Copies the tables of LiteLLM one after the other, in the order in which they refer to each other.
///
/// Source:     spec management-api, 20 and 20.1.
/// Repeatable: a row whose key is there is left as it is; an import that was cut off goes on where it was.
/// Errors:     those of either database; rows that cannot be taken are counted with their reason and go no further.
class Importer {
 public:
  struct Parts {
    LiteLlmSource* source = nullptr;
    db::Database* target = nullptr;
    account::Sealer theirs, ours;  // Of secrets: as they stand there, as they are to stand here.
    bool dry_run = false;
    std::int64_t now_us = 0;
  };
  explicit Importer(Parts parts) : parts_(std::move(parts)) {}

  /// All but the log of calls.
  Status copy();
  /// LiteLLM_SpendLogs as entries of a journal of its own: they are shown and summed by day and touch no budget.
  Status copy_spend_logs(const std::string& host);
  const std::vector<ImportCount>& counts() const { return counts_; }

 private:
  /// A row on its way: what is to be made, and what LiteLLM says of when and by whom.
  struct Pending {
    account::Record record;
    std::int64_t created_us = 0, updated_us = 0;
    std::string created_by = {}, updated_by = {};
  };
  using Prepare = std::function<Result<std::string>(const json::Value& row, account::Record& record)>;
  struct Copy {
    std::string source;
    const account::Table* target;
    std::vector<std::string> key;               // In the order of the target's key.
    std::vector<std::string_view> unused = {};  // Columns that are taken otherwise or have no meaning here.
    Prepare prepare = {};                       // Answers with a reason to leave the row out, or "".
  };

  Status copy_table(const Copy& copy);
  Status copy_members();
  Status copy_keys();
  Status copy_deprecated_keys();
  Status count_config();

  ImportCount& begin_count(const std::string& name);
  Pending read_row(const Copy& copy, const json::Value& row, ImportCount& count);
  Status write(std::vector<Pending>& batch, ImportCount& count);
  Status write_one(account::Records& records, const Pending& row, ImportCount& count) const;
  Status write_keys(std::vector<account::KeyRow>& batch, ImportCount& count);
  Result<account::KeyRow> read_key(const json::Value& row);
  Result<std::string> object_permission(const json::Value& row);
  Status drop_missing_budget(account::Records& records, account::Record& record, ImportCount& count) const;
  void note_unused(const json::Value& row, const Copy& copy, ImportCount& count) const;
  Status in_target(const std::function<Status(account::Records&)>& work);
  /// A JSON text whose strings LiteLLM has sealed, sealed for us.
  Result<std::string> resealed(const json::Value& value, ImportCount& count) const;

  Parts parts_;
  std::vector<ImportCount> counts_;
};

}  // namespace turnpike::app
