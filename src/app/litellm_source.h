#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "account/record.h"
#include "base/result.h"
#include "db/postgres_connection.h"
#include "json/document.h"

/// A LiteLLM database as it is read by name: which tables and columns there are depends on its age.
namespace turnpike::app {

class LiteLlmSource {
 public:
  /// Reads the list of tables. Errors: no URL of PostgreSQL, the server away, no tables of LiteLLM there.
  static Result<std::unique_ptr<LiteLlmSource>> open(const std::string& url);

  bool has(std::string_view table) const { return columns_.find(table) != columns_.end(); }
  bool has(std::string_view table, std::string_view column) const;
  const std::string& shown() const { return shown_; }

  using Row = json::Value;
  /// Every row in the order of its key, some hundred at a time. `key`: the columns of the primary key. `after`: only
  /// rows behind this key. A table that is not there has no rows.
  Status each(std::string_view table, const std::vector<std::string>& key, const std::function<Status(const Row&)>& row,
              std::vector<std::string> after = {});
  /// The rows in which `column` is `value`.
  Status where(std::string_view table, std::string_view column, const std::string& value,
               const std::function<Status(const Row&)>& row);

 private:
  LiteLlmSource() = default;
  Result<std::vector<std::string>> texts(const std::string& sql, const std::vector<db::Value>& values);

  std::unique_ptr<db::PostgresConnection> connection_;
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> columns_;
  std::string shown_;
  std::atomic<bool> stop_{false};
};

// Values of a row, whatever its release wrote them as.

/// A JSON value that may stand inside of a string, once or twice (spec management 20.1 point 6). Empty: none.
std::string nested_json(const json::Value& value);
std::string text_of(const json::Value& value);
std::optional<Money> money_of(const json::Value& value);
/// "2026-02-16T10:00:00.123": without a zone, UTC.
std::optional<std::int64_t> time_of(const json::Value& value);
std::vector<std::string> texts_of(const json::Value& value);
/// Puts what the row says under the column's name into the record.
void take_column(const json::Value& row, const account::Column& column, account::Record& record);

}  // namespace turnpike::app
