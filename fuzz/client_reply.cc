// Feeds bytes to the client as a provider's answer, cut where the input says, over a real socket: what the caller reads
// must not depend on the cuts, no byte beyond the answer may be read into it, and nothing is kept that did not end
// well.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/client_pool.h"
#include "http/incoming_reply.h"

namespace {

using namespace turnpike;
using namespace turnpike::http;

void require(bool truth) {
  if (!truth) std::abort();
}

struct Seen {
  int status = 0;
  std::string body, error;
  std::size_t kept = 0;
};

Task<void> read(std::shared_ptr<ClientPool> pool, std::unique_ptr<Connection> connection, bool whole, bool head,
                Seen& seen) {
  Cancel cancel;
  Timeouts timeouts;
  timeouts.deadline = base::monotonic_now() + std::chrono::seconds(5);
  IncomingReply reply(pool, std::move(connection), ExchangeClock(timeouts, base::monotonic_now()), cancel);
  reply.expect_no_body(head);
  bool untouched = false;
  if (Status read = co_await reply.read_head(untouched); !read) {
    seen.error = read.error().message;
    co_return;
  }
  seen.status = reply.status();
  for (const Field& field : reply.fields()) require(!field.name.empty());
  if (whole) {
    const auto body = co_await reply.read_all(1 << 20);
    body ? (void)(seen.body = *body) : (void)(seen.error = body.error().message);
    co_return;
  }
  for (;;) {
    const auto slice = co_await reply.read();
    if (!slice) seen.error = slice.error().message;
    if (!slice || slice->empty()) co_return;
    seen.body += *slice;
  }
}

Task<void> feed(net::EventLoop& loop, int provider, std::string_view bytes, std::size_t cut) {
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    if (!part.empty()) require(::send(provider, part.data(), part.size(), MSG_NOSIGNAL) != 0);
    // One turn of the loop, so that the reader sees this part alone.
    struct Turn {
      net::EventLoop& owner;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) {
        owner.post([handle] { handle.resume(); });
      }
      void await_resume() const noexcept {}
    };
    for (int i = 0; i < 3; ++i) co_await Turn{loop};
  }
  ::close(provider);
}

Task<void> both(net::EventLoop& loop, std::string_view bytes, std::size_t cut, bool whole, bool head, Seen& seen) {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  const auto pool = std::make_shared<ClientPool>(loop, Client::Options{});
  auto connection = std::make_unique<Connection>(loop, ends[0]);
  const Origin origin{false, "a", 80, true, {}};
  pool->adopt(origin, *connection);
  base::spawn(feed(loop, ends[1], bytes, cut));
  co_await read(pool, std::move(connection), whole, head, seen);
  seen.kept = pool->counters.idle;
  loop.stop();
}

Seen run(std::string_view bytes, std::size_t cut, bool whole, bool head) {
  Seen seen;
  net::EventLoop loop(0);
  loop.post([&] { base::spawn(both(loop, bytes, cut, whole, head, seen)); });
  loop.run();
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMost = 32 * 1024;  // Less than the socket buffers.
  if (size < 3 || size > kMost) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::size_t cut = (data[0] * 256u + data[1]) % (bytes.size() + 1);
  const bool whole = (data[2] & 1) != 0;
  const bool head = (data[2] & 2) != 0;
  const Seen at_once = run(bytes, bytes.size(), whole, head);
  const Seen in_parts = run(bytes, cut, whole, head);
  require(at_once.status == in_parts.status);
  // How far a broken body was read depends on the cuts; a sound one does not.
  require(at_once.error.empty() == in_parts.error.empty());
  if (at_once.error.empty()) require(at_once.body == in_parts.body);
  if (!at_once.error.empty()) require(at_once.kept == 0 && in_parts.kept == 0);
  return 0;
}
