#include "http/client.h"

#include <fmt/core.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "http/client_pool.h"
#include "http/incoming_reply.h"
#include "http/patient_wait.h"

namespace turnpike::http {

void Cancel::request() {
  requested_ = true;
  if (action_) std::exchange(action_, {})();
}

void Cancel::set_action(std::function<void()> action) {
  action_ = std::move(action);
}

namespace {

Error connection_error(std::string_view what, std::string detail = {}) {
  Error error;
  error.kind = ErrorKind::UpstreamConnection;
  error.message = "litellm.APIConnectionError: " + std::string(what);
  error.detail = std::move(detail);
  return error;
}

std::string_view words_of(int error) {
  switch (error) {
    case ECONNREFUSED:
      return "the provider refused the connection: check that it runs and that api_base names its host and port";
    case ECONNRESET:
      return "the provider reset the connection";
    case ENETUNREACH:
    case EHOSTUNREACH:
      return "the provider's network cannot be reached";
    case ETIMEDOUT:
      return "the provider does not answer";
    default:
      return "the connection to the provider failed";
  }
}

net::Trust trust_of(const Origin& origin) {
  net::Trust trust;
  trust.verify = origin.verify;
  trust.ca_file = origin.ca_file;
  return trust;
}

/// All, not some: a name that also stands for an address nearby is a trick or a mistake.
bool all_allowed(const std::vector<net::Address>& addresses, const AddressFilter* filter) {
  if (filter == nullptr) return true;
  return std::all_of(addresses.begin(), addresses.end(),
                     [filter](const net::Address& address) { return filter->allows(address); });
}

/// Pieces of one request, without an allocation for the usual few.
class PieceList {
 public:
  explicit PieceList(std::size_t count) {
    if (count > few_.size()) many_.resize(count);
  }
  void add(std::string_view bytes) {
    if (!bytes.empty()) data()[count_++] = {const_cast<char*>(bytes.data()), bytes.size()};
  }
  iovec* data() { return many_.empty() ? few_.data() : many_.data(); }
  std::size_t size() const { return count_; }

 private:
  std::array<iovec, 8> few_;
  std::vector<iovec> many_;
  std::size_t count_ = 0;
};

class PooledClient final : public Client {
 public:
  PooledClient(net::IoThread& thread, Options options)
      : pool_(std::make_shared<ClientPool>(net::loop_of(thread), options)) {}
  ~PooledClient() override {
    // Idle sockets belong to their thread, wherever this object ends.
    net::EventLoop& loop = pool_->loop;
    if (net::current_io_thread() != &loop) loop.post([pool = std::move(pool_)] {});
  }

  Task<Result<std::unique_ptr<Incoming>>> send(const Outgoing& request, Cancel& cancel) override;
  const ClientCounters& counters() const override { return pool_->counters; }

 private:
  Task<Result<std::vector<net::Address>>> resolve(const Origin& origin, ExchangeClock::Limit limit, Cancel& cancel);
  Task<Result<std::unique_ptr<Connection>>> dial(const Outgoing& request, const ExchangeClock& clock, Cancel& cancel);
  Task<Status> load_trust(const Origin& origin, ExchangeClock::Limit limit, Cancel& cancel);
  Task<Status> shake_hands(Connection& connection, const Origin& origin, ExchangeClock::Limit limit, Cancel& cancel);
  Task<Status> write_request(Connection& connection, const Outgoing& request, const ExchangeClock& clock,
                             Cancel& cancel);

  std::shared_ptr<ClientPool> pool_;
};

Task<Result<std::vector<net::Address>>> PooledClient::resolve(const Origin& origin, ExchangeClock::Limit limit,
                                                              Cancel& cancel) {
  std::vector<net::Address> numeric = net::Address::parse(origin.host, origin.port);
  if (!numeric.empty()) co_return numeric;
  net::Resolver& resolver = pool_->resolver;
  if (const net::Resolver::Answer* known = resolver.find(origin.host, origin.port)) co_return *known;
  const auto meeting = std::make_shared<net::Rendezvous>(pool_->loop);
  cancel.set_action([meeting] { meeting->complete(net::Wake::Woken); });
  resolver.look_up(origin.host, origin.port, meeting);
  const net::Wake wake = co_await meeting->wait(limit.when);
  cancel.set_action({});
  if (cancel.requested()) co_return base::fail(ExchangeClock::cancelled());
  if (Status ready = outcome_of(wake, limit, pool_->counters); !ready) co_return base::fail(std::move(ready.error()));
  const net::Resolver::Answer* answer = resolver.find(origin.host, origin.port);
  if (answer == nullptr)
    co_return base::fail(
        connection_error("the provider's host name cannot be resolved: check api_base and this machine's DNS"));
  if (!*answer) co_return base::fail(connection_error(answer->error().message, answer->error().detail));
  co_return *answer;
}

/// Reads the roots of trust off the I/O thread, where they take tens of milliseconds, unless they are there.
Task<Status> PooledClient::load_trust(const Origin& origin, ExchangeClock::Limit limit, Cancel& cancel) {
  const net::Trust trust = trust_of(origin);
  if (Connection::trust_loaded(trust)) co_return Status{};
  const auto meeting = std::make_shared<net::Rendezvous>(pool_->loop);
  cancel.set_action([meeting] { meeting->complete(net::Wake::Woken); });
  net::run_blocking([trust, meeting, mailbox = pool_->loop.mailbox()]() mutable {
    Connection::load_trust(trust);
    mailbox->post([meeting = std::move(meeting)] { meeting->complete(net::Wake::Ready); });
  });
  const net::Wake wake = co_await meeting->wait(limit.when);
  cancel.set_action({});
  co_return outcome_of(cancel.requested() ? net::Wake::Woken : wake, limit, pool_->counters);
}

Task<Status> PooledClient::shake_hands(Connection& connection, const Origin& origin, ExchangeClock::Limit limit,
                                       Cancel& cancel) {
  if (Status ready = co_await load_trust(origin, limit, cancel); !ready) co_return ready;
  net::TlsSession& tickets = pool_->tickets(origin);
  const net::TlsTarget target{origin.host, trust_of(origin), "\x08http/1.1"};
  if (Status started = connection.start_tls(target, tickets, &tickets); !started) co_return started;
  for (;;) {
    const net::Io io = connection.handshake();
    if (io.kind == net::Io::Kind::Bytes) break;
    if (io.kind != net::Io::Kind::WantsRead && io.kind != net::Io::Kind::WantsWrite) {
      co_return base::fail(connection_error(connection.tls_failure(), origin.key()));
    }
    const std::uint8_t interest = io.kind == net::Io::Kind::WantsRead ? net::Socket::kReadable : net::Socket::kWritable;
    const ExchangeClock::Limit patience = limit;
    const net::Wake wake = co_await PatientWait(connection.socket, interest, patience.when, cancel);
    if (Status ready = outcome_of(wake, patience, pool_->counters); !ready) co_return ready;
  }
  ++(connection.resumed() ? pool_->counters.tls_resumed : pool_->counters.tls_full);
  co_return Status{};
}

/// The dialler: the one place that opens connections.
Task<Result<std::unique_ptr<Connection>>> PooledClient::dial(const Outgoing& request, const ExchangeClock& clock,
                                                             Cancel& cancel) {
  const Origin& origin = *request.origin;
  const ExchangeClock::Limit limit = clock.connecting(pool_->loop.now());
  Result<std::vector<net::Address>> addresses = co_await resolve(origin, limit, cancel);
  if (!addresses) co_return base::fail(std::move(addresses.error()));
  if (!all_allowed(*addresses, request.addresses)) {
    co_return base::fail(ErrorKind::InvalidRequest, "the host has an address that may not be asked", origin.key());
  }
  Error last = connection_error("the provider's host name has no address", origin.key());
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const net::Address& address = (*addresses)[i];
    // An address that swallows packets must leave time for the others.
    const auto share = (limit.when - pool_->loop.now()) / static_cast<int>(addresses->size() - i);
    const ExchangeClock::Limit own{pool_->loop.now() + share, limit.name, limit.length};
    bool done = false;
    const int fd = net::start_connect(address, done);
    if (fd < 0) {
      last = connection_error(words_of(errno), origin.key());
      continue;
    }
    auto connection = std::make_unique<Connection>(pool_->loop, fd);
    pool_->adopt(origin, *connection);
    ++pool_->counters.connects;
    if (!done) {
      const net::Wake wake = co_await PatientWait(connection->socket, net::Socket::kWritable, own.when, cancel);
      if (Status ready = outcome_of(wake, own, pool_->counters); !ready) {
        last = std::move(ready.error());
        if (last.kind == ErrorKind::Timeout) continue;
        co_return base::fail(std::move(last));
      }
    }
    if (const int error = net::take_error(fd); error != 0) {
      last = connection_error(words_of(error), origin.key());
      continue;
    }
    if (origin.tls) {
      if (Status shaken = co_await shake_hands(*connection, origin, limit, cancel); !shaken) {
        co_return base::fail(std::move(shaken.error()));
      }
    }
    co_return connection;
  }
  co_return base::fail(std::move(last));
}

Task<Status> PooledClient::write_request(Connection& connection, const Outgoing& request, const ExchangeClock& clock,
                                         Cancel& cancel) {
  std::uint64_t body_bytes = 0;
  for (const std::string_view piece : request.body) body_bytes += piece.size();
  const Origin& origin = *request.origin;
  // The thread's spare text is taken for the time of the send and put back with its room.
  thread_local std::string spare;
  std::string head = std::move(spare);
  head.clear();
  head.append(request.method).append(" ").append(request.path).append(" HTTP/1.1\r\nHost: ");
  origin.append_host(head);
  head.append("\r\n").append(request.fields);
  if (body_bytes > 0 || request.method == "POST")
    head.append("Content-Length: ").append(std::to_string(body_bytes)).append("\r\n");
  head.append("\r\n");

  PieceList list(request.body.size() + 1);
  if (origin.tls) {
    // TLS makes a record of each write: one buffer, one record.
    for (const std::string_view piece : request.body) head.append(piece);
    list.add(head);
  } else {
    list.add(head);
    for (const std::string_view piece : request.body) list.add(piece);
  }
  iovec* const pieces = list.data();
  constexpr std::size_t kPiecesPerSend = 64;
  std::size_t first = 0;
  while (first < list.size()) {
    const net::Io io = connection.write(pieces + first, std::min(list.size() - first, kPiecesPerSend));
    if (io.kind == net::Io::Kind::Bytes) {
      std::size_t sent = io.bytes;
      while (first < list.size() && sent >= pieces[first].iov_len) sent -= pieces[first++].iov_len;
      if (first < list.size()) {
        pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + sent;
        pieces[first].iov_len -= sent;
      }
      continue;
    }
    if (io.kind == net::Io::Kind::Failed || io.kind == net::Io::Kind::End) {
      // Whoever refuses a large body answers and closes before having read it: the answer may be here already.
      connection.sent_whole = false;
      if (connection.socket.readable()) co_return Status{};
      co_return base::fail(connection_error(words_of(io.error == EPIPE ? ECONNRESET : io.error)));
    }
    const std::uint8_t interest = io.kind == net::Io::Kind::WantsRead || !connection.tls()
                                      ? net::Socket::kReadable | net::Socket::kWritable
                                      : net::Socket::kWritable;
    const ExchangeClock::Limit patience = clock.first_byte();
    const net::Wake wake = co_await PatientWait(connection.socket, interest, patience.when, cancel);
    if (Status ready = outcome_of(wake, patience, pool_->counters); !ready) co_return ready;
    if (!connection.tls() && connection.socket.readable() && !connection.socket.writable()) {
      connection.sent_whole = false;  // Answered before all was sent.
      co_return Status{};
    }
  }
  constexpr std::size_t kSpareBytesMax = 16 * 1024;
  if (head.capacity() <= kSpareBytesMax) spare = std::move(head);
  co_return Status{};
}

Task<Result<std::unique_ptr<Incoming>>> PooledClient::send(const Outgoing& request, Cancel& cancel) {
  const Origin& origin = *request.origin;
  ExchangeClock clock(request.timeouts, pool_->loop.now());
  for (bool fresh = request.addresses != nullptr;; fresh = true) {
    if (cancel.requested()) co_return base::fail(ExchangeClock::cancelled());
    std::unique_ptr<Connection> connection = fresh ? nullptr : pool_->take(origin);
    if (!connection) {
      Result<std::unique_ptr<Connection>> dialled = co_await dial(request, clock, cancel);
      if (!dialled) co_return base::fail(std::move(dialled.error()));
      connection = std::move(*dialled);
    }
    const bool reused = connection->reused;
    Status written = co_await write_request(*connection, request, clock, cancel);
    clock.sent(pool_->loop.now());
    bool untouched = true;
    if (written) {
      auto incoming = std::make_unique<IncomingReply>(pool_, std::move(connection), clock, cancel);
      incoming->expect_no_body(request.method == "HEAD");
      written = co_await incoming->read_head(untouched);
      if (written) co_return std::unique_ptr<Incoming>(std::move(incoming));
    }
    // The provider may close an idle connection just when it is used again: once more on a fresh one.
    const bool stale = reused && untouched && written.error().kind == ErrorKind::UpstreamConnection;
    if (!stale) co_return base::fail(std::move(written.error()));
    ++pool_->counters.stale_retries;
  }
}

}  // namespace

std::unique_ptr<Client> Client::make(net::IoThread& thread, Options options) {
  return std::make_unique<PooledClient>(thread, options);
}

}  // namespace turnpike::http
