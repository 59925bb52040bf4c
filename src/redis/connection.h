#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "config/redis_settings.h"
#include "net/stream.h"
#include "redis/command.h"
#include "redis/reply.h"

namespace turnpike::redis {

/// One connection, authorised and on its database. Commands are pipelined: they are sent in the order in which they
/// come, those of one turn of the loop together, and nobody waits for the answers to others.
///
/// Limits:    `kPendingMax` commands without an answer, `kUnsentBytesMax` not yet sent; one more is refused.
/// Errors:    Unavailable: time-out, refused, lost. A time-out costs the connection nothing: the answer is read past.
/// Threading: lives on its loop's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static constexpr std::size_t kPendingMax = 4096;
  static constexpr std::size_t kUnsentBytesMax = 4UL * 1024 * 1024;
  static constexpr const char* kTimedOut = "timed_out";  // The error's code where time was the matter.
  /// Why it has ended, once.
  using Lost = std::function<void(const Error&)>;

  /// Looks up, dials, shakes hands, authorises and chooses the database, all within `limit`.
  static Task<Result<std::shared_ptr<Connection>>> open(net::EventLoop& loop, const config::RedisSettings& settings,
                                                        std::chrono::milliseconds limit);
  explicit Connection(std::unique_ptr<net::Stream> stream);
  ~Connection();

  Task<Result<Reply>> run(Command command, std::chrono::milliseconds limit);
  /// Sends without waiting; the answer is read past. False when there is no room.
  bool send(const Command& command);
  /// Writes what was put now.
  void flush();
  void close();
  bool closed() const { return closed_; }
  void on_lost(Lost lost) { lost_ = std::move(lost); }

 private:
  struct Pending;
  static Task<void> serve(std::shared_ptr<Connection> self);
  static Task<Status> greet(std::shared_ptr<Connection> self, const config::RedisSettings& settings,
                            base::Monotonic until);
  bool put(const Command& command, Pending* pending);
  Status read_replies();
  Status write_unsent();
  void answer(Reply reply);
  void lose(const Error& why);

  std::unique_ptr<net::Stream> stream_;
  ReplyReader reader_;
  std::string unsent_;
  std::deque<Pending*> pending_;     // In the order sent; null: nobody waits any more.
  std::uint64_t first_pending_ = 0;  // The number of pending_.front().
  bool flush_planned_ = false;
  bool closed_ = false;
  Lost lost_;
};

}  // namespace turnpike::redis
