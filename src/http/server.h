#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "http/message.h"
#include "net/io_threads.h"

namespace turnpike::http {

/// One request and the writer of its one reply. A call holds an exchange and never a connection: HTTP/2 and WebSocket
/// will bring exchanges of their own.
///
/// Threading: lives on one I/O thread.
/// Errors:    CallerGone from any write after the caller has closed.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const Request& request() const = 0;
  virtual net::IoThread& thread() const = 0;

  /// Sends the whole reply with one gather write (head and body together). HEAD sends the head alone.
  virtual Task<Status> reply(const ReplyHead& head, Pieces body) = 0;

  /// Starts a streamed reply: the head is kept and leaves together with the first write.
  virtual void begin_stream(const ReplyHead& head) = 0;
  /// Sends one chunk holding all pieces; resumes when the kernel has taken it (the caller's own pace: back-pressure).
  virtual Task<Status> write(Pieces pieces) = 0;
  /// A few bytes between two writes of a streamed reply, when nothing is under way: nobody waits for them, and what the
  /// kernel leaves of them goes in front of the next write. False when this was not the moment.
  virtual bool slip_in(std::string_view) { return false; }
  /// Sends the last pieces and the terminal chunk in one write.
  virtual Task<Status> finish(Pieces last) = 0;
  /// Ends the connection without a terminal chunk: the caller sees a cut.
  virtual void cut() = 0;

  /// Nothing has been sent yet: an error can still have its own status.
  virtual bool head_sent() const = 0;
  virtual bool caller_gone() const = 0;
  /// The server is ending what is left (`Server::interrupt_all`): the caller is there and should be told.
  virtual bool interrupted() const { return false; }
  /// `action` runs once, on this thread, when the caller closes before the reply has ended or the server interrupts the
  /// exchange; an empty one takes it back.
  virtual void on_gone(std::function<void()> action) = 0;
};

/// Answers one request. The exchange outlives the task; a handler that returns without a reply has a bug, which becomes
/// a 500. Exceptions become a 500 too and are logged.
using Handler = std::function<Task<void>(Exchange&)>;

/// Turns a framing or limit error into a reply body (the caller's dialect is not known yet): set by `api`.
using ErrorBody = std::function<std::string(int status, std::string_view message)>;

struct ServerLimits {
  std::size_t header_bytes_max = 64 * 1024;
  std::size_t header_count_max = 100;
  std::size_t body_bytes_max = 100 * 1024 * 1024;
  std::chrono::milliseconds header_timeout{30'000};  // From the first byte of a request to the end of its head.
  std::chrono::milliseconds body_timeout{60'000};    // Without a byte of the body.
  std::size_t body_bytes_per_second_min = 1024;      // On average, once `body_timeout` has passed.
  std::chrono::milliseconds keepalive_timeout{75'000};
  std::chrono::milliseconds write_stall_timeout{300'000};  // The caller takes no byte.
  std::size_t connections_max = 100'000;
};

struct ServerCounters {
  std::atomic<std::uint64_t> connections_open{0};
  std::atomic<std::uint64_t> connections_total{0};
  std::atomic<std::uint64_t> requests_open{0};
  std::atomic<std::uint64_t> requests_total{0};
  std::atomic<std::uint64_t> rejected_framing{0};
  std::atomic<std::uint64_t> limit_header_bytes{0}, limit_body_bytes{0}, limit_header_timeout{0}, limit_body_timeout{0},
      limit_connections{0}, limit_write_stall{0}, limit_keepalive{0};
};

/// HTTP/1.1 over one listening socket; connections go to the I/O thread that has the fewest.
class Server {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 4000;  // 0: any free one; `port()` says which.
    ServerLimits limits;
    bool cors = true;  // Any origin, no credentials; preflight is answered here.
  };
  /// Errors: Unavailable with the reason and the remedy (port taken, address not ours).
  static Result<std::unique_ptr<Server>> listen(net::IoThreads& threads, Options options, Handler handler,
                                                ErrorBody error_body);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  virtual const ServerCounters& counters() const = 0;

  /// Bodies whose head is read from now on may be this large; from any thread.
  virtual void set_body_bytes_max(std::size_t bytes) = 0;

  /// Graceful end (AC-STOP-1), in two steps, from any thread. `begin_drain`: every reply says `Connection: close`, so
  /// that callers who keep connections go elsewhere while there is time; nothing else is closed yet. `last_request`:
  /// how long after its latest reply a connection that was told it is kept may still bring a request, once nobody
  /// listens.
  virtual void begin_drain(std::chrono::milliseconds last_request) = 0;
  /// Closes the listener, idle connections and, after their reply, busy ones. `requests_open` falls to zero when the
  /// last exchange has ended, `connections_open` when nobody can ask any more.
  virtual void stop_listening() = 0;
  /// Asks what is left to end: every open exchange sees `on_gone` and `interrupted`, and can still answer.
  virtual void interrupt_all() = 0;
  /// Ends what is left: every open exchange sees `on_gone`, and its caller a cut.
  virtual void abort_all() = 0;
};

}  // namespace turnpike::http
