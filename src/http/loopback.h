#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/task.h"
#include "net/io_threads.h"
#include "net/socket.h"

/// For the tests of this folder: raw blocking sockets on the loopback, and a way to run a coroutine on an I/O thread.
namespace turnpike::http::loopback {

constexpr int kPatienceMs = 10'000;

/// One end of a connection, read and written without any HTTP.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Peer() { close(); }

  static Peer connect(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      ::close(fd);
      return Peer(-1);
    }
    return Peer(fd);
  }

  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  /// Closes with a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// What has arrived by now or arrives within `patience_ms`; empty at the end or when nothing comes.
  std::string read_some(int patience_ms = kPatienceMs) {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, patience_ms) <= 0) return {};
    char bytes[65536];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : std::string();
  }
  /// Reads until `text` has been seen, or the end.
  std::string read_until(std::string_view text) {
    std::string all;
    while (all.find(text) == std::string::npos) {
      const std::string some = read_some();
      if (some.empty()) break;
      all += some;
    }
    return all;
  }
  std::string read_to_end() {
    std::string all;
    for (;;) {
      const std::string some = read_some();
      if (some.empty()) return all;
      all += some;
    }
  }

 private:
  int fd_;
};

/// Serves connections one after the other with a script, on a thread of its own.
class ScriptedServer {
 public:
  using Script = std::function<void(Peer& caller, int connection)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    fd_ = net::listen_on("127.0.0.1", 0, 16).value();
    ::fcntl(fd_, F_SETFL, 0);
    port_ = net::local_port(fd_);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return port_; }

 private:
  void serve() {
    for (int connection = 0;; ++connection) {
      const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      Peer caller(fd);
      script_(caller, connection);
    }
  }
  Script script_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// Runs a coroutine on `thread` and waits for its end.
inline void run_on(net::IoThread& thread, const std::function<Task<void>()>& make) {
  struct Runner {
    static Task<void> run(const std::function<Task<void>()>& body, std::shared_ptr<std::promise<void>> finished) {
      co_await body();
      finished->set_value();
    }
  };
  const auto done = std::make_shared<std::promise<void>>();
  thread.post([&make, done] { base::spawn(Runner::run(make, done)); });
  done->get_future().wait();
}

}  // namespace turnpike::http::loopback
