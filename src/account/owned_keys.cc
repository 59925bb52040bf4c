#include "account/owned_keys.h"

#include "account/key_records.h"
#include "account/key_rows.h"

namespace turnpike::account {

Result<std::vector<KeyRow>> keys_of(Records& records, std::initializer_list<KeyOwner> owners) {
  std::string sql = select_key();
  std::vector<db::Value> values;
  for (const KeyOwner& owner : owners) {
    values.emplace_back(std::string(owner.value));
    sql += (values.size() == 1 ? " WHERE k." : " AND k.") + std::string(owner.column) + " = $" +
           std::to_string(values.size());
  }
  const auto rows = records.transaction().run(sql + " ORDER BY k.created_us, k.hash", values);
  if (!rows) return base::fail(rows.error());
  return read_key_rows(records.transaction(), *rows, records.actor().now_us);
}

Status remove_keys(Records& records, const std::vector<KeyRow>& keys) {
  for (const KeyRow& row : keys) {
    if (Status removed = remove_key(records, row); !removed) return removed;
  }
  return {};
}

}  // namespace turnpike::account
