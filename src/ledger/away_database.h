#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "db/database.h"

namespace turnpike::ledger {

/// A database that can be away.
class Away : public db::Database {
 public:
  explicit Away(db::Database& real) : real_(real) {}
  Task<Status> transact(std::function<Status(db::Transaction&)> work) override {
    return real_.transact(std::move(work));
  }
  Status transact_now(const std::function<Status(db::Transaction&)>& work) override {
    if (away) return base::fail(ErrorKind::Unavailable, "away");
    return real_.transact_now(work);
  }
  bool is_shared() const override { return real_.is_shared(); }
  std::string description() const override { return "away"; }
  bool reachable() const override { return !away; }
  std::atomic<bool> away{false};

 private:
  db::Database& real_;
};

}  // namespace turnpike::ledger
