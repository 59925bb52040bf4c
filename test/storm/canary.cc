#include "canary.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace turnpike::storm {

Canary::Canary() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  // Connected to itself.
  if (::bind(socket_, any, size) != 0 || ::getsockname(socket_, any, &size) != 0 || ::connect(socket_, any, size) != 0)
    throw std::runtime_error("no canary: the loopback device takes no datagrams");
}

Canary::~Canary() {
  ::close(socket_);
}

void Canary::stay_here() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

void Canary::fly() const {
  // What arrives may be answered by the kernel itself (a connection takes three steps), behind the canary.
  constexpr int kSteps = 4;
  char byte = 0;
  for (int i = 0; i < kSteps; ++i) {
    if (::send(socket_, &byte, 1, 0) != 1 || ::recv(socket_, &byte, 1, 0) != 1)
      throw std::runtime_error("the canary has not come back");
  }
}

}  // namespace turnpike::storm
