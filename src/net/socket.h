#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/event_loop.h"

struct iovec;

namespace turnpike::net {

/// What came of a try to move bytes without waiting.
struct Io {
  enum class Kind : std::uint8_t { Bytes, End, WantsRead, WantsWrite, Failed };
  Kind kind = Kind::Failed;
  std::size_t bytes = 0;
  int error = 0;  // errno for Failed.
};

enum class Wake : std::uint8_t { Ready, Timeout, Woken };

/// A non-blocking socket of one I/O thread. Its readiness is learnt from edge-triggered events: `read` and `write` are
/// tried only when they can succeed, and a wait costs no system call beyond the loop's own.
///
/// Threading: lives and dies on its loop's thread.
class Socket final : public Watched {
 public:
  static constexpr std::uint8_t kReadable = 1, kWritable = 2;

  /// Takes over `fd`, which must be non-blocking. `writable` when a send may be tried at once.
  Socket(EventLoop& loop, int fd, bool writable);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  int fd() const { return fd_; }
  EventLoop& loop() const { return loop_; }
  bool readable() const { return (ready_ & kReadable) != 0; }
  bool writable() const { return (ready_ & kWritable) != 0; }
  /// The peer has closed its side (FIN or reset); bytes sent before that may still be unread.
  bool peer_closed() const { return peer_closed_; }

  Io read(char* to, std::size_t size);
  Io write(const iovec* pieces, std::size_t count);
  void shutdown_writes();

  /// Waits until one of `interest` holds, `until` has passed, or `wake` was called. One waiter at a time.
  struct Wait {
    Socket& socket;
    std::uint8_t interest;
    base::Monotonic until;
    bool await_ready() const noexcept { return (socket.ready_ & interest) != 0; }
    void await_suspend(std::coroutine_handle<> handle);
    Wake await_resume() const noexcept { return socket.take_wake(); }
  };
  Wait wait(std::uint8_t interest, base::Monotonic until) { return Wait{*this, interest, until}; }
  Wait wait_for(std::uint8_t interest, std::chrono::milliseconds limit) { return wait(interest, loop_.now() + limit); }
  /// Ends the wait in progress, if there is one.
  void wake();

  /// `changed` runs when bytes or a close arrive while nobody waits for them; it may destroy the socket. Null: nobody.
  void watch(void (*changed)(void* context), void* context) {
    watch_ = changed;
    watch_context_ = context;
  }

 private:
  void on_events(std::uint32_t events) override;
  void end_wait(Wake why);
  Wake take_wake() noexcept;

  EventLoop& loop_;
  int fd_;
  std::uint8_t ready_;
  std::uint8_t interest_ = 0;
  bool peer_closed_ = false;
  Wake wake_ = Wake::Ready;
  std::coroutine_handle<> waiter_;
  TimerWheel::Node timer_;
  void (*watch_)(void*) = nullptr;
  void* watch_context_ = nullptr;
};

/// An IPv4 or IPv6 address with a port, as the kernel wants it.
struct Address {
  alignas(8) unsigned char bytes[28] = {};
  std::uint32_t size = 0;

  /// "127.0.0.1", "::1": the text without the port.
  std::string host() const;
  std::uint16_t port() const;
  /// Nothing when `host` is not an address.
  static std::vector<Address> parse(std::string_view host, std::uint16_t port);
};

/// A listening socket. Errors: Unavailable, saying what to do about it.
Result<int> listen_on(const std::string& host, std::uint16_t port, int backlog);
/// The next connection, non-blocking, without delay of small writes; -1 with errno when there is none.
int accept_from(int listener, Address& peer);
/// Starts to connect; -1 with errno when that failed at once. `done` says whether it is connected already.
int start_connect(const Address& to, bool& done);
std::uint16_t local_port(int fd);
/// The pending error of a socket, 0 when there is none.
int take_error(int fd);

}  // namespace turnpike::net
