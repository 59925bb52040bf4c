#include "redis/connection.h"

#include <fmt/format.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "net/resolver.h"
#include "net/slab.h"

namespace turnpike::redis {
namespace {

Error unavailable(std::string detail) {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.message = "redis is not available";
  error.detail = std::move(detail);
  return error;
}

Task<Result<std::vector<net::Address>>> resolve(net::EventLoop& loop, const config::RedisSettings& settings,
                                                base::Monotonic until) {
  std::vector<net::Address> numeric = net::Address::parse(settings.host, settings.port);
  if (!numeric.empty()) co_return numeric;
  net::Resolver resolver(loop, std::chrono::seconds(1), std::chrono::seconds(1));
  const auto meeting = std::make_shared<net::Rendezvous>(loop);
  resolver.look_up(settings.host, settings.port, meeting);
  co_await meeting->wait(until);
  const net::Resolver::Answer* const answer = resolver.find(settings.host, settings.port);
  if (answer == nullptr) co_return base::fail(unavailable("its name was not resolved in time"));
  if (!*answer) co_return base::fail(unavailable(answer->error().message));
  co_return *answer;
}

/// Reads the roots of trust off the I/O thread, unless they are there.
Task<void> load_trust(net::EventLoop& loop, const net::Trust& trust, base::Monotonic until) {
  if (net::Stream::trust_loaded(trust)) co_return;
  const auto meeting = std::make_shared<net::Rendezvous>(loop);
  net::run_blocking([trust, meeting, mailbox = loop.mailbox()]() mutable {
    net::Stream::load_trust(trust);
    mailbox->post([meeting = std::move(meeting)] { meeting->complete(net::Wake::Ready); });
  });
  co_await meeting->wait(until);
}

net::TlsTarget tls_target(const config::RedisSettings& settings) {
  net::TlsTarget target;
  target.host = settings.host;
  target.trust.verify = settings.tls_verify;
  target.trust.verify_name = settings.tls_verify && settings.tls_verify_name;
  target.trust.ca_file = settings.ca_file;
  target.trust.certificate_file = settings.certificate_file;
  target.trust.key_file = settings.key_file;
  return target;
}

Task<Status> shake_hands(net::Stream& stream, const config::RedisSettings& settings, base::Monotonic until) {
  const net::TlsTarget target = tls_target(settings);
  co_await load_trust(stream.socket.loop(), target.trust, until);
  if (Status started = stream.start_tls(target, nullptr, nullptr); !started) {
    co_return base::fail(unavailable(started.error().message + ", " + started.error().detail));
  }
  for (;;) {
    const net::Io io = stream.handshake();
    if (io.kind == net::Io::Kind::Bytes) co_return Status{};
    if (io.kind != net::Io::Kind::WantsRead && io.kind != net::Io::Kind::WantsWrite) {
      co_return base::fail(unavailable(stream.tls_failure()));
    }
    const std::uint8_t interest = io.kind == net::Io::Kind::WantsRead ? net::Socket::kReadable : net::Socket::kWritable;
    if (co_await stream.socket.wait(interest, until) == net::Wake::Timeout) {
      co_return base::fail(unavailable("the TLS handshake takes too long"));
    }
  }
}

Task<Result<std::unique_ptr<net::Stream>>> dial(net::EventLoop& loop, const config::RedisSettings& settings,
                                                base::Monotonic until) {
  const Result<std::vector<net::Address>> addresses = co_await resolve(loop, settings, until);
  if (!addresses) co_return base::fail(addresses.error());
  Error last = unavailable("its name has no address");
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    // An address that swallows packets must leave time for the others.
    const base::Monotonic own_until = loop.now() + (until - loop.now()) / static_cast<int>(addresses->size() - i);
    bool done = false;
    const int fd = net::start_connect((*addresses)[i], done);
    if (fd < 0) {
      last = unavailable(std::strerror(errno));
      continue;
    }
    auto stream = std::make_unique<net::Stream>(loop, fd);
    if (!done && co_await stream->socket.wait(net::Socket::kWritable, own_until) == net::Wake::Timeout) {
      last = unavailable("it does not accept a connection in time");
      continue;
    }
    if (const int error = net::take_error(fd); error != 0) {
      last = unavailable(std::strerror(error));
      continue;
    }
    if (settings.tls) {
      if (Status shaken = co_await shake_hands(*stream, settings, until); !shaken) {
        co_return base::fail(std::move(shaken.error()));
      }
    }
    co_return stream;
  }
  co_return base::fail(std::move(last));
}

}  // namespace

/// A command whose answer somebody waits for; lives in that somebody's coroutine.
struct Connection::Pending {
  Pending(Connection& connection, base::Monotonic end) : home(connection), until(end) {}
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() { forget(); }

  bool await_ready() const noexcept { return result.has_value(); }
  void await_suspend(std::coroutine_handle<> handle) {
    waiter = handle;
    home.stream_->socket.loop().arm(timer, until);
  }
  Result<Reply> await_resume() { return std::move(*result); }

  void end(Result<Reply> with) {
    result = std::move(with);
    timer.disarm();
    if (waiter) home.stream_->socket.loop().defer(std::exchange(waiter, {}));
  }
  /// The answer, when it comes, is read past.
  void forget() {
    if (!result && number >= home.first_pending_) home.pending_[number - home.first_pending_] = nullptr;
  }
  static void time_out(void* context) {
    auto& self = *static_cast<Pending*>(context);
    self.forget();
    Error error = unavailable("no answer in time");
    error.code = kTimedOut;
    self.end(base::fail(std::move(error)));
  }

  Connection& home;
  base::Monotonic until;
  std::uint64_t number = 0;
  std::coroutine_handle<> waiter;
  std::optional<Result<Reply>> result;
  net::TimerWheel::Node timer{&Pending::time_out, this};
};

Connection::Connection(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}
Connection::~Connection() = default;

Task<Result<std::shared_ptr<Connection>>> Connection::open(net::EventLoop& loop, const config::RedisSettings& settings,
                                                           std::chrono::milliseconds limit) {
  const base::Monotonic until = loop.now() + limit;
  Result<std::unique_ptr<net::Stream>> stream = co_await dial(loop, settings, until);
  if (!stream) co_return base::fail(std::move(stream.error()));
  auto connection = std::make_shared<Connection>(std::move(*stream));
  base::spawn(serve(connection));
  if (Status greeted = co_await greet(connection, settings, until); !greeted) {
    connection->close();
    co_return base::fail(std::move(greeted.error()));
  }
  co_return connection;
}

Task<Status> Connection::greet(std::shared_ptr<Connection> self, const config::RedisSettings& settings,
                               base::Monotonic until) {
  std::vector<Command> commands;
  const std::string& password = settings.password.reveal();
  if (!settings.user.empty()) {
    commands.push_back({"AUTH", settings.user, password});
  } else if (!password.empty()) {
    commands.push_back({"AUTH", password});
  }
  if (settings.database != 0) commands.push_back({"SELECT", std::to_string(settings.database)});
  commands.push_back({"PING"});
  for (Command& command : commands) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - self->stream_->socket.loop().now());
    const Result<Reply> reply = co_await self->run(std::move(command), left);
    if (!reply) co_return base::fail(reply.error());
    if (reply->is_error()) co_return base::fail(unavailable(reply->text));
  }
  co_return Status{};
}

Task<Result<Reply>> Connection::run(Command command, std::chrono::milliseconds limit) {
  const std::shared_ptr<Connection> self = shared_from_this();
  Pending pending(*self, stream_->socket.loop().now() + limit);
  if (!put(command, &pending)) co_return base::fail(unavailable("too many commands wait for it"));
  co_return co_await pending;
}

bool Connection::send(const Command& command) {
  return put(command, nullptr);
}

bool Connection::put(const Command& command, Pending* pending) {
  const bool room = pending_.size() < kPendingMax && unsent_.size() + command.bytes().size() <= kUnsentBytesMax;
  if (closed_ || !room) {
    if (pending != nullptr) pending->result = base::fail(unavailable("no room"));
    return false;
  }
  if (pending != nullptr) pending->number = first_pending_ + pending_.size();
  pending_.push_back(pending);
  unsent_ += command.bytes();
  if (!flush_planned_) {
    flush_planned_ = true;
    stream_->socket.loop().post([self = shared_from_this()] { self->flush(); });
  }
  return true;
}

void Connection::flush() {
  flush_planned_ = false;
  if (closed_ || unsent_.empty()) return;
  if (const Status written = write_unsent(); !written) {
    lose(written.error());
  } else if (!unsent_.empty()) {
    stream_->socket.wake();  // So that `serve` waits for room as well.
  }
}

/// Reads what comes and writes what could not be written at once, until the end.
Task<void> Connection::serve(std::shared_ptr<Connection> self) {
  while (!self->closed_) {
    Status moved = self->read_replies();
    if (moved) moved = self->write_unsent();
    if (!moved) self->lose(moved.error());
    if (self->closed_) co_return;
    const int interest = net::Socket::kReadable | (self->unsent_.empty() ? 0 : net::Socket::kWritable);
    co_await self->stream_->socket.wait(static_cast<std::uint8_t>(interest), base::Monotonic::max());
  }
}

Status Connection::read_replies() {
  const net::Block block = net::Block::take();
  while (stream_->socket.readable() || stream_->has_pending()) {
    const net::Io io = stream_->read(block.data(), net::Block::kBytes);
    if (io.kind == net::Io::Kind::End) return base::fail(unavailable("it closed the connection"));
    if (io.kind == net::Io::Kind::Failed) return base::fail(unavailable(std::strerror(io.error)));
    if (io.kind != net::Io::Kind::Bytes) return {};
    if (Status fed = reader_.feed({block.data(), io.bytes}); !fed) return fed;
    for (;;) {
      Result<std::optional<Reply>> reply = reader_.next();
      if (!reply) return base::fail(std::move(reply.error()));
      if (!*reply) break;
      if (pending_.empty()) return base::fail(unavailable("it answers what nobody asked"));
      answer(std::move(**reply));
    }
  }
  return {};
}

Status Connection::write_unsent() {
  while (!unsent_.empty()) {
    const iovec piece{unsent_.data(), unsent_.size()};
    const net::Io io = stream_->write(&piece, 1);
    if (io.kind == net::Io::Kind::Failed) return base::fail(unavailable(std::strerror(io.error)));
    if (io.kind == net::Io::Kind::End) return base::fail(unavailable("it closed the connection"));
    if (io.kind != net::Io::Kind::Bytes) return {};
    unsent_.erase(0, io.bytes);
  }
  return {};
}

void Connection::answer(Reply reply) {
  Pending* const first = pending_.front();
  pending_.pop_front();
  ++first_pending_;
  if (first != nullptr) first->end(std::move(reply));
}

void Connection::close() {
  lost_ = nullptr;
  lose(unavailable("given up"));
}

void Connection::lose(const Error& why) {
  if (closed_) return;
  closed_ = true;
  const std::shared_ptr<Connection> self = shared_from_this();
  for (Pending* const pending : std::exchange(pending_, {})) {
    ++first_pending_;
    if (pending != nullptr) pending->end(base::fail(why));
  }
  stream_->socket.wake();
  stream_->socket.shutdown_writes();
  if (lost_) std::exchange(lost_, nullptr)(why);
}

}  // namespace turnpike::redis
