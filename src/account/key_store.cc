#include "account/key_store.h"

#include <utility>

#include "account/key_records.h"

namespace turnpike::account {

KeyStore::KeyStore(db::Database& database, std::function<void(const std::string&)> on_change)
    : database_(database), on_change_(std::move(on_change)) {}

Task<Result<std::optional<KeyRow>>> KeyStore::find(std::string hash) {
  auto found = std::make_shared<std::optional<KeyRow>>();
  std::function<Status(db::Transaction&)> work = [found,
                                                  hash = std::move(hash)](db::Transaction& transaction) -> Status {
    Result<std::optional<KeyRow>> row = find_key(transaction, hash);
    if (!row) return base::fail(std::move(row.error()));
    *found = std::move(*row);
    return {};
  };
  if (Status done = co_await database_.read(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  co_return std::move(*found);
}

Task<Result<KeyPage>> KeyStore::list(KeyQuery query) {
  auto page = std::make_shared<KeyPage>();
  std::function<Status(db::Transaction&)> work = [page,
                                                  query = std::move(query)](db::Transaction& transaction) -> Status {
    Result<KeyPage> read = list_keys(transaction, query);
    if (!read) return base::fail(std::move(read.error()));
    *page = std::move(*read);
    return {};
  };
  if (Status done = co_await database_.read(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  co_return std::move(*page);
}

Task<Result<KeyRow>> KeyStore::create(KeyRow row) {
  auto made = std::make_shared<KeyRow>(std::move(row));
  std::function<Status(db::Transaction&)> work = [made](db::Transaction& transaction) -> Status {
    const Actor actor{made->created_by, {}, {}, made->created_us};
    Records records(transaction, actor);
    Result<KeyRow> created = create_key(records, *made);
    if (!created) return base::fail(std::move(created.error()));
    *made = std::move(*created);
    return {};
  };
  if (Status done = co_await database_.transact(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  on_change_(made->hash);
  co_return std::move(*made);
}

}  // namespace turnpike::account
