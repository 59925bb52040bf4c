#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "config/redis_settings.h"
#include "net/io_threads.h"
#include "redis/breaker.h"
#include "redis/connection.h"

namespace turnpike::redis {

class Redis;

/// What one I/O thread asks of the server: one connection, made again when the breaker has closed. While it is not
/// usable nothing is sent and nobody waits.
class Client {
 public:
  /// The first commands of each new connection; their answers are read past.
  using Greeting = std::function<std::vector<Command>()>;

  Client(Redis& redis, net::EventLoop& loop) : redis_(redis), loop_(loop) {}

  bool usable() const;
  /// Errors: Unavailable, within `redis_timeout` and some milliseconds; the breaker has heard of it.
  Task<Result<Reply>> run(Command command);
  /// The same for a script that the server may have forgotten.
  Task<Result<Reply>> run(const Script& script, ScriptCall call);
  /// Sends it without waiting, behind what was sent before. `script` outlives the client.
  void send(const Script& script, ScriptCall call);
  /// What was sent leaves now, not at the end of the turn: before the caller is told what it speaks of.
  void flush();
  /// The server answers, but not with sense: it is left alone. On the client's thread.
  void failed(const std::string& why);
  /// Before `Redis::start`, or on the client's thread.
  void greet_with(Greeting greeting) { greeting_ = std::move(greeting); }
  net::EventLoop& loop() const { return loop_; }

 private:
  friend class Redis;
  static Task<void> send_script(std::shared_ptr<Redis> redis, Client& client, const Script& script, ScriptCall call);
  static Task<void> connect(std::shared_ptr<Redis> redis, Client& client);
  void adopt(std::shared_ptr<Connection> connection);
  void drop();

  Redis& redis_;
  net::EventLoop& loop_;
  Greeting greeting_;
  std::shared_ptr<Connection> connection_;
  bool connecting_ = false;
};

struct Counters {
  std::atomic<std::uint64_t> connects{0}, commands{0}, timeouts{0}, no_room{0}, probes{0};
};

/// The server that replicas share, as this process sees it: a client per I/O thread and one breaker.
///
/// When the breaker opens, all who wait on it are released with an error in the same turn of their loops; a probe of
/// its own connection finds out when the server is back.
class Redis : public std::enable_shared_from_this<Redis> {
 public:
  static constexpr std::chrono::milliseconds kProbeEvery{500};

  /// `probe`: what has to be answered, without an error and in time, before the server is used again.
  Redis(config::RedisSettings settings, const std::vector<net::IoThread*>& threads, std::vector<Command> probe);
  ~Redis();

  /// Connects on every thread; waits until each has tried, at most as long as connecting may take.
  void start();
  /// Closes all. From outside of the I/O threads, before they end.
  void stop();

  Client& client(const net::IoThread& thread) { return *clients_[thread.index()]; }
  const Breaker& breaker() const { return breaker_; }
  const Counters& counters() const { return counters_; }
  const config::RedisSettings& settings() const { return settings_; }

  /// Something that is said by the server or not said in time makes it useless. On an I/O thread.
  void failed(Breaker::Failure failure, const Error& why);

 private:
  friend class Client;
  void plan_probe();
  static Task<void> probe(std::shared_ptr<Redis> self);
  Task<bool> probe_answered();
  void begin_work();
  void end_work();

  const config::RedisSettings settings_;
  const std::vector<Command> probe_;
  std::vector<std::unique_ptr<Client>> clients_;
  Breaker breaker_;
  Counters counters_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<net::IoThread::Timer> probe_timer_;  // Of the first thread.
  bool probing_ = false;                               // Of the first thread.
  std::mutex mutex_;                                   // Guards working_: connections being made.
  std::condition_variable idle_;
  int working_ = 0;
};

}  // namespace turnpike::redis
