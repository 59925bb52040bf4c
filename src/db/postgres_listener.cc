#include "db/postgres_listener.h"

#include "base/log.h"
#include "base/thread_name.h"

namespace turnpike::db {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenConnections{500};
constexpr milliseconds kLook{60'000};  // Cut short when the listener ends.

}  // namespace

PostgresListener::PostgresListener(PostgresUrl url, std::string channel, std::function<void(std::string_view)> heard)
    : url_(std::move(url)), channel_(std::move(channel)), heard_(std::move(heard)), thread_([this] {
        base::name_background_thread("listener");
        follow();
      }) {}

PostgresListener::~PostgresListener() {
  stop_ = true;
  thread_.join();
}

void PostgresListener::follow() {
  while (!stop_ && follow_once()) {
    for (milliseconds slept{0}; slept < kBetweenConnections && !stop_; slept += milliseconds(50)) {
      std::this_thread::sleep_for(milliseconds(50));
    }
  }
}

bool PostgresListener::follow_once() {
  const auto connection = PostgresConnection::open(url_, {}, stop_);
  if (!connection) return true;
  const Result<bool> pooler = (*connection)->behind_pooler();
  if (!pooler) return true;
  if (*pooler) {
    base::log(base::LogLevel::Info, "database: a pooler stands before {}, so news is asked for instead of listened to",
              url_.shown);
    return false;
  }
  if (!(*connection)->listen(channel_)) return true;
  hears_ = true;
  heard_({});
  while (!stop_) {
    const Result<std::vector<std::string>> told = (*connection)->await_notices(kLook);
    if (!told) break;
    for (const std::string& text : *told) heard_(text);
  }
  hears_ = false;
  return !stop_;
}

}  // namespace turnpike::db
