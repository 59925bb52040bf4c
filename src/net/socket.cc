#include "net/socket.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace turnpike::net {

Socket::Socket(EventLoop& loop, int fd, bool writable)
    : loop_(loop),
      fd_(fd),
      ready_(writable ? kWritable : std::uint8_t{0}),
      timer_([](void* self) { static_cast<Socket*>(self)->end_wait(Wake::Timeout); }, this) {
  loop_.add(fd_, *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

Socket::~Socket() {
  loop_.remove(fd_, *this);
  ::close(fd_);
}

void Socket::on_events(std::uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ready_ |= kReadable;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) ready_ |= kWritable;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_closed_ = true;
  const bool wanted = waiter_ && (ready_ & interest_) != 0;
  const bool news = watch_ != nullptr && readable() && (interest_ & kReadable) == 0;
  if (wanted && !news) {
    // Nothing may touch the socket after the resume: the coroutine may have destroyed it.
    timer_.disarm();
    wake_ = Wake::Ready;
    std::exchange(waiter_, {}).resume();
    return;
  }
  if (wanted) end_wait(Wake::Ready);
  if (news) watch_(watch_context_);
}

void Socket::end_wait(Wake why) {
  if (!waiter_) return;
  timer_.disarm();
  wake_ = why;
  loop_.defer(std::exchange(waiter_, {}));
}

void Socket::wake() {
  end_wait(Wake::Woken);
}

Wake Socket::take_wake() noexcept {
  interest_ = 0;
  return std::exchange(wake_, Wake::Ready);
}

void Socket::Wait::await_suspend(std::coroutine_handle<> handle) {
  socket.waiter_ = handle;
  socket.interest_ = interest;
  if (until != base::Monotonic::max()) socket.loop_.arm(socket.timer_, until);
}

Io Socket::read(char* to, std::size_t size) {
  for (;;) {
    const ssize_t got = ::recv(fd_, to, size, 0);
    if (got > 0) {
      // A short read has emptied the queue; more bytes bring a new edge. After a close no edge comes: stay readable.
      if (static_cast<std::size_t>(got) < size && !peer_closed_) ready_ &= static_cast<std::uint8_t>(~kReadable);
      return {Io::Kind::Bytes, static_cast<std::size_t>(got), 0};
    }
    if (got == 0) return {Io::Kind::End, 0, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      ready_ &= static_cast<std::uint8_t>(~kReadable);
      return {Io::Kind::WantsRead, 0, 0};
    }
    return {Io::Kind::Failed, 0, errno};
  }
}

Io Socket::write(const iovec* pieces, std::size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = count;
  for (;;) {
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent >= 0) return {Io::Kind::Bytes, static_cast<std::size_t>(sent), 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      ready_ &= static_cast<std::uint8_t>(~kWritable);
      return {Io::Kind::WantsWrite, 0, 0};
    }
    return {Io::Kind::Failed, 0, errno};
  }
}

void Socket::shutdown_writes() {
  ::shutdown(fd_, SHUT_WR);
}

std::string Address::host() const {
  char text[INET6_ADDRSTRLEN] = {};
  sockaddr_storage storage{};
  std::memcpy(&storage, bytes, size);
  if (storage.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, text, sizeof text);
  } else if (storage.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, text, sizeof text);
  }
  const std::string_view view = text;
  constexpr std::string_view kMapped = "::ffff:";  // An IPv4 caller of a dual-stack listener.
  if (view.starts_with(kMapped) && view.find('.') != std::string_view::npos) return std::string(view.substr(7));
  return std::string(view);
}

std::uint16_t Address::port() const {
  sockaddr_storage storage{};
  std::memcpy(&storage, bytes, size);
  return storage.ss_family == AF_INET6 ? ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port)
                                       : ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

std::vector<Address> Address::parse(std::string_view host, std::uint16_t port) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string text(host);
  Address address;
  sockaddr_in four{};
  sockaddr_in6 six{};
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    address.size = sizeof four;
    std::memcpy(address.bytes, &four, sizeof four);
    return {address};
  }
  if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    address.size = sizeof six;
    std::memcpy(address.bytes, &six, sizeof six);
    return {address};
  }
  return {};
}

namespace {

int stream_socket(const Address& address) {
  sockaddr_storage storage{};
  std::memcpy(&storage, address.bytes, address.size);
  return ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

void send_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

const sockaddr* raw(const Address& address) {
  return reinterpret_cast<const sockaddr*>(address.bytes);
}

Result<std::vector<Address>> addresses_to_bind(const std::string& host, std::uint16_t port) {
  std::vector<Address> found = Address::parse(host, port);
  if (!found.empty()) return found;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (failed != 0) {
    return base::fail(ErrorKind::Unavailable,
                      fmt::format("cannot listen on \"{}\": {}. Give an address of this machine "
                                  "with --host, or 0.0.0.0 for all of them",
                                  host, ::gai_strerror(failed)));
  }
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_addrlen > sizeof Address::bytes) continue;
    Address address;
    address.size = entry->ai_addrlen;
    std::memcpy(address.bytes, entry->ai_addr, entry->ai_addrlen);
    found.push_back(address);
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace

Result<int> listen_on(const std::string& host, std::uint16_t port, int backlog) {
  const auto addresses = addresses_to_bind(host, port);
  if (!addresses) return tl::unexpected(addresses.error());
  int reason = EADDRNOTAVAIL;
  for (const Address& address : *addresses) {
    const int fd = stream_socket(address);
    if (fd < 0) {
      reason = errno;
      continue;
    }
    const int on = 1;
    // Lets a restart bind while old connections linger; it does not let two processes listen at once.
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd, raw(address), address.size) == 0 && ::listen(fd, backlog) == 0) return fd;
    reason = errno;
    ::close(fd);
  }
  std::string remedy;
  if (reason == EADDRINUSE) {
    remedy = "another program is using the port: stop it, or choose a different one with --port";
  } else if (reason == EACCES) {
    remedy = "this user may not bind it: choose a port above 1023 with --port";
  } else if (reason == EADDRNOTAVAIL) {
    remedy = "that is not an address of this machine: choose one with --host, or 0.0.0.0 for all of them";
  } else {
    remedy = std::strerror(reason);
  }
  return base::fail(ErrorKind::Unavailable, fmt::format("cannot listen on {}:{}: {}", host, port, remedy));
}

int accept_from(int listener, Address& peer) {
  socklen_t size = sizeof peer.bytes;
  const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(peer.bytes), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -1;
  peer.size = size;
  send_at_once(fd);
  return fd;
}

int start_connect(const Address& to, bool& done) {
  const int fd = stream_socket(to);
  if (fd < 0) return -1;
  send_at_once(fd);
  done = ::connect(fd, raw(to), to.size) == 0;
  if (done || errno == EINPROGRESS) return fd;
  const int reason = errno;
  ::close(fd);
  errno = reason;
  return -1;
}

std::uint16_t local_port(int fd) {
  Address address;
  socklen_t size = sizeof address.bytes;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(address.bytes), &size) != 0) return 0;
  address.size = size;
  return address.port();
}

int take_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace turnpike::net
