#include "redis/client.h"

#include "base/log.h"

namespace turnpike::redis {
namespace {

Error not_usable(std::string detail) {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.message = "redis is not available";
  error.detail = std::move(detail);
  return error;
}

}  // namespace

bool Client::usable() const {
  return connection_ != nullptr && !connection_->closed() && !redis_.breaker_.open();
}

Task<Result<Reply>> Client::run(Command command) {
  if (!usable()) co_return base::fail(not_usable("it is left alone"));
  redis_.counters_.commands.fetch_add(1, std::memory_order_relaxed);
  const std::shared_ptr<Connection> connection = connection_;
  Result<Reply> reply = co_await connection->run(std::move(command), redis_.settings_.timeout);
  if (!reply && reply.error().code == Connection::kTimedOut) {
    redis_.counters_.timeouts.fetch_add(1, std::memory_order_relaxed);
    redis_.failed(Breaker::Failure::TimedOut, reply.error());
  }
  if (reply && reply->is_outage()) {
    Error error = not_usable(reply->text);
    redis_.failed(Breaker::Failure::Refused, error);
    co_return base::fail(std::move(error));
  }
  co_return reply;
}

Task<Result<Reply>> Client::run(const Script& script, ScriptCall call) {
  Command known = call.command(script, false);
  Result<Reply> reply = co_await run(std::move(known));
  if (!reply || reply->error_code() != "NOSCRIPT") co_return reply;
  Command whole = call.command(script, true);
  co_return co_await run(std::move(whole));
}

void Client::send(const Script& script, ScriptCall call) {
  base::spawn(send_script(redis_.shared_from_this(), *this, script, std::move(call)));
}

void Client::flush() {
  if (connection_) connection_->flush();
}

void Client::failed(const std::string& why) {
  redis_.failed(Breaker::Failure::Refused, not_usable(why));
}

/// What comes of it concerns the breaker only. `redis` keeps the client alive.
Task<void> Client::send_script(std::shared_ptr<Redis> redis, Client& client, const Script& script, ScriptCall call) {
  (void)co_await client.run(script, std::move(call));
}

Task<void> Client::connect(std::shared_ptr<Redis> redis, Client& client) {
  if (client.connection_ || client.connecting_ || redis->stopping_) co_return;
  client.connecting_ = true;
  redis->begin_work();
  Result<std::shared_ptr<Connection>> opened =
      co_await Connection::open(client.loop_, redis->settings_, redis->settings_.connect_timeout);
  client.connecting_ = false;
  if (!opened) {
    redis->failed(Breaker::Failure::Refused, opened.error());
  } else if (redis->stopping_ || redis->breaker_.open()) {
    (*opened)->close();
  } else {
    client.adopt(std::move(*opened));
  }
  redis->end_work();
}

void Client::adopt(std::shared_ptr<Connection> connection) {
  redis_.counters_.connects.fetch_add(1, std::memory_order_relaxed);
  connection_ = std::move(connection);
  connection_->on_lost([this](const Error& why) {
    connection_.reset();
    redis_.failed(Breaker::Failure::Refused, why);
  });
  if (!greeting_) return;
  for (const Command& command : greeting_()) connection_->send(command);
}

void Client::drop() {
  if (const std::shared_ptr<Connection> connection = std::exchange(connection_, nullptr)) connection->close();
}

Redis::Redis(config::RedisSettings settings, const std::vector<net::IoThread*>& threads, std::vector<Command> probe)
    : settings_(std::move(settings)), probe_(std::move(probe)) {
  for (net::IoThread* const thread : threads) {
    clients_.push_back(std::make_unique<Client>(*this, net::loop_of(*thread)));
  }
}

Redis::~Redis() = default;

void Redis::start() {
  for (const auto& client : clients_) {
    begin_work();
    client->loop_.post([self = shared_from_this(), one = client.get()] {
      base::spawn(Client::connect(self, *one));
      self->end_work();
    });
  }
  std::unique_lock lock(mutex_);
  idle_.wait_for(lock, settings_.connect_timeout, [this] { return working_ == 0; });
}

void Redis::stop() {
  stopping_ = true;
  for (const auto& client : clients_) {
    begin_work();
    client->loop_.post([self = shared_from_this(), one = client.get()] {
      one->drop();
      if (one == self->clients_.front().get()) self->probe_timer_.reset();
      // Once more round the loop, so that who was woken has gone.
      one->loop_.post([self] { self->end_work(); });
    });
  }
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return working_ == 0; });
}

void Redis::begin_work() {
  const std::lock_guard lock(mutex_);
  ++working_;
}

void Redis::end_work() {
  const std::lock_guard lock(mutex_);
  if (--working_ == 0) idle_.notify_all();
}

void Redis::failed(Breaker::Failure failure, const Error& why) {
  if (stopping_ || !breaker_.failed(failure, base::monotonic_now())) return;
  base::log(base::LogLevel::Warning, "redis at {} is left alone until it answers again: {}", settings_.shown(),
            why.detail);
  for (const auto& client : clients_) {
    if (net::current_io_thread() == &client->loop_) {
      client->drop();
    } else {
      client->loop_.post([self = shared_from_this(), one = client.get()] { one->drop(); });
    }
  }
  clients_.front()->loop_.post([self = shared_from_this()] { self->plan_probe(); });
}

void Redis::plan_probe() {
  if (stopping_ || probing_ || !breaker_.open()) return;
  probing_ = true;
  probe_timer_ = clients_.front()->loop_.after(kProbeEvery, [this] { base::spawn(probe(shared_from_this())); });
}

Task<void> Redis::probe(std::shared_ptr<Redis> self) {
  self->begin_work();
  const bool good = co_await self->probe_answered();
  self->probing_ = false;
  self->counters_.probes.fetch_add(1, std::memory_order_relaxed);
  if (self->breaker_.probed(good, base::monotonic_now())) {
    base::log(base::LogLevel::Info, "redis at {} answers again", self->settings_.shown());
    for (const auto& client : self->clients_) {
      client->loop_.post([self, one = client.get()] { base::spawn(Client::connect(self, *one)); });
    }
  } else {
    self->plan_probe();
  }
  self->end_work();
}

Task<bool> Redis::probe_answered() {
  net::EventLoop& loop = clients_.front()->loop_;
  Result<std::shared_ptr<Connection>> opened = co_await Connection::open(loop, settings_, settings_.connect_timeout);
  if (!opened) co_return false;
  bool good = true;
  for (const Command& command : probe_) {
    Command copy = command;
    const Result<Reply> reply = co_await (*opened)->run(std::move(copy), settings_.timeout);
    good = reply && !reply->is_error();
    if (!good) break;
  }
  (*opened)->close();
  co_return good;
}

}  // namespace turnpike::redis
