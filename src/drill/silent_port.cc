#include "drill/silent_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace turnpike::drill {
namespace {

/// A queue of length 0 takes one connection; the rest is for kernels that take a few more.
constexpr int kFillers = 4;

Error no_port() {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.message = std::string("no port on 127.0.0.1: ") + std::strerror(errno);
  return error;
}

}  // namespace

Result<SilentPort> SilentPort::open() {
  SilentPort port;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return base::fail(no_port());
  port.sockets_.push_back(listener);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, any, size) != 0 || ::listen(listener, 0) != 0 || ::getsockname(listener, any, &size) != 0) {
    return base::fail(no_port());
  }
  port.port_ = ntohs(address.sin_port);
  for (int i = 0; i < kFillers; ++i) {
    const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (filler < 0) return base::fail(no_port());
    port.sockets_.push_back(filler);
    static_cast<void>(::connect(filler, any, sizeof address));  // Under way for ever, but for the first.
  }
  return port;
}

SilentPort::SilentPort(SilentPort&& other) noexcept : sockets_(std::exchange(other.sockets_, {})), port_(other.port_) {}

SilentPort::~SilentPort() {
  for (const int socket : sockets_) ::close(socket);
}

}  // namespace turnpike::drill
