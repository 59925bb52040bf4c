#include "http/server.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <thread>

#include "base/log.h"
#include "http/server_connection.h"
#include "http/server_core.h"
#include "net/socket.h"

namespace turnpike::http {
namespace {

/// The listening socket: lives on the first I/O thread and deals connections out.
class Listener final : public net::Watched {
 public:
  Listener(std::shared_ptr<ServerCore> core, net::EventLoop& loop, int fd)
      : core_(std::move(core)), loop_(loop), fd_(fd) {
    loop_.add(fd_, *this, EPOLLIN);
  }
  ~Listener() {
    loop_.remove(fd_, *this);
    ::close(fd_);
  }

  void on_events(std::uint32_t) override { accept_all(); }

  void accept_all() {
    for (;;) {
      net::Address peer;
      const int fd = net::accept_from(fd_, peer);
      if (fd >= 0) {
        deal(fd, peer);
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or memory: the backlog waits, and no new edge would tell us to look again.
      base::log(base::LogLevel::Warning, "cannot accept a connection ({}); trying again in 100 ms",
                std::generic_category().message(errno));
      loop_.arm_after(retry_, std::chrono::milliseconds(100));
      return;
    }
  }

 private:
  void deal(int fd, const net::Address& peer) {
    ServerCounters& counters = core_->counters;
    ServerCore::Shard* least = core_->shards.front().get();
    std::size_t open = 0;
    for (const auto& shard : core_->shards) {
      const std::uint32_t load = shard->open.load(std::memory_order_relaxed);
      open += load;
      if (load < least->open.load(std::memory_order_relaxed)) least = shard.get();
    }
    if (open >= core_->options.limits.connections_max) {
      counters.limit_connections.fetch_add(1, std::memory_order_relaxed);
      ::close(fd);
      return;
    }
    least->open.fetch_add(1, std::memory_order_relaxed);
    if (least->loop == &loop_) {
      ServerConnection::start(core_, *least, fd, peer);
      return;
    }
    least->loop->post([core = core_, least, fd, peer] { ServerConnection::start(core, *least, fd, peer); });
  }

  std::shared_ptr<ServerCore> core_;
  net::EventLoop& loop_;
  int fd_;
  net::TimerWheel::Node retry_{[](void* self) { static_cast<Listener*>(self)->accept_all(); }, this};
};

class ServerImpl final : public Server {
 public:
  ServerImpl(std::shared_ptr<ServerCore> core, int fd) : core_(std::move(core)), port_(net::local_port(fd)) {
    first().post(
        [slot = listener_, core = core_, loop = &first(), fd] { *slot = std::make_unique<Listener>(core, *loop, fd); });
  }
  ~ServerImpl() override {
    stop_listening();
    abort_all();
    if (net::current_io_thread() == nullptr) {
      // When the destructor returns the port is free and, if the handlers end in time, no call is under way.
      const auto closed = std::make_shared<std::promise<void>>();
      first().post([closed] { closed->set_value(); });
      closed->get_future().wait();
      const auto until = base::monotonic_now() + std::chrono::seconds(5);
      while (core_->counters.connections_open.load(std::memory_order_acquire) != 0 && base::monotonic_now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }

  std::uint16_t port() const override { return port_; }
  const ServerCounters& counters() const override { return core_->counters; }

  void set_body_bytes_max(std::size_t bytes) override { core_->body_bytes_max.store(bytes); }

  void begin_drain(std::chrono::milliseconds last_request) override {
    core_->last_request.store(last_request);
    core_->draining.store(true);
  }

  void stop_listening() override {
    core_->draining.store(true);
    core_->listener_gone.store(true);
    first().post([slot = listener_] {
      if (*slot) (*slot)->accept_all();  // Whoever is in the backlog has been promised a connection.
      slot->reset();
    });
    on_each_shard([](ServerCore::Shard& shard) {
      for (ServerConnection* connection : shard.connections) connection->hurry_idle();
    });
  }

  void interrupt_all() override {
    on_each_shard([](ServerCore::Shard& shard) { each(shard, &ServerConnection::interrupt); });
  }

  void abort_all() override {
    on_each_shard([](ServerCore::Shard& shard) { each(shard, &ServerConnection::abort); });
  }

 private:
  net::EventLoop& first() { return *core_->shards.front()->loop; }

  static void each(ServerCore::Shard& shard, void (ServerConnection::*act)()) {
    // An action may end other connections: work on a copy and skip what has gone.
    const std::vector<ServerConnection*> open = shard.connections;
    for (ServerConnection* connection : open) {
      if (std::find(shard.connections.begin(), shard.connections.end(), connection) != shard.connections.end())
        (connection->*act)();
    }
  }

  void on_each_shard(void (*work)(ServerCore::Shard&)) {
    for (const auto& shard : core_->shards) {
      shard->loop->post([core = core_, target = shard.get(), work] { work(*target); });
    }
  }

  std::shared_ptr<ServerCore> core_;
  std::uint16_t port_;
  // What is inside is touched on the first thread only, and may outlive this object by a moment.
  std::shared_ptr<std::unique_ptr<Listener>> listener_ = std::make_shared<std::unique_ptr<Listener>>();
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(net::IoThreads& threads, Options options, Handler handler,
                                               ErrorBody error_body) {
  constexpr int kBacklog = 4096;
  const auto fd = net::listen_on(options.host, options.port, kBacklog);
  if (!fd) return tl::unexpected(fd.error());
  auto core = std::make_shared<ServerCore>();
  core->options = std::move(options);
  core->body_bytes_max = core->options.limits.body_bytes_max;
  core->handler = std::move(handler);
  core->error_body = std::move(error_body);
  for (net::IoThread* thread : threads.all()) {
    auto shard = std::make_unique<ServerCore::Shard>();
    shard->loop = &net::loop_of(*thread);
    core->shards.push_back(std::move(shard));
  }
  return std::make_unique<ServerImpl>(std::move(core), *fd);
}

}  // namespace turnpike::http
