#include "drill/silent_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace turnpike::drill::silent_port_test {
namespace {

TEST(SilentPort, NeitherTakesNorRefusesAConnection) {
  const Result<SilentPort> port = SilentPort::open();
  ASSERT_TRUE(port);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  pollfd waiting{socket, POLLOUT, 0};
  EXPECT_EQ(::poll(&waiting, 1, 150), 0) << "the connection is still under way";
  ::close(socket);
}

}  // namespace
}  // namespace turnpike::drill::silent_port_test
