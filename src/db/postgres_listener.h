#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "db/postgres_connection.h"

namespace turnpike::db {

/// A connection and a thread of its own that wait for notifications on one channel. Lost connections are made again,
/// and an empty text is heard then, since news may have been missed. Ends by itself behind a pooler, which hands none
/// on.
class PostgresListener final : public Listening {
 public:
  PostgresListener(PostgresUrl url, std::string channel, std::function<void(std::string_view)> heard);
  ~PostgresListener() override;
  bool hears() const override { return hears_.load(std::memory_order_relaxed); }

 private:
  void follow();
  /// One connection's life. False: there is no use in another.
  bool follow_once();

  const PostgresUrl url_;
  const std::string channel_;
  const std::function<void(std::string_view)> heard_;
  std::atomic<bool> stop_{false}, hears_{false};
  std::thread thread_;
};

}  // namespace turnpike::db
