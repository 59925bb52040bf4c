#pragma once

#include <memory>
#include <string>

#include "http/client.h"
#include "net/socket.h"

struct iovec;
struct ssl_st;
struct ssl_session_st;

namespace turnpike::http {

/// A session ticket that lets the next TLS connection to the same origin skip most of the handshake.
using TlsSession = std::shared_ptr<ssl_session_st>;

/// One connection to a provider, plain or TLS, and what is needed to reuse it.
///
/// Threading: lives on one I/O thread.
class Connection {
 public:
  Connection(net::EventLoop& loop, int fd);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Whether the roots that `origin` is verified with have been read; if not, `load_trust` reads them (blocking, any
  /// thread). A failure shows in `start_tls`.
  static bool trust_loaded(const Origin& origin);
  static void load_trust(const Origin& origin);

  /// Prepares TLS for `origin`; `session` may be null. New tickets are put into `*tickets`, which outlives this.
  /// Errors: UpstreamConnection when the trust roots cannot be read.
  Status start_tls(const Origin& origin, const TlsSession& session, TlsSession* tickets);
  /// One step of the handshake: Bytes when it has ended, Wants*, Failed.
  net::Io handshake();
  bool resumed() const;
  /// Why the handshake failed, in words for people.
  std::string tls_failure() const;

  net::Io read(char* to, std::size_t size);
  net::Io write(const iovec* pieces, std::size_t count);
  bool tls() const { return ssl_ != nullptr; }
  /// Bytes that TLS has decrypted already: no event will announce them.
  bool has_pending() const;

  net::Socket socket;
  void* home = nullptr;  // The pool's entry for its origin.
  bool reused = false;
  bool sent_whole = true;  // False when the answer began before the request had been sent: never reused.
  base::Monotonic idle_since;

 private:
  ssl_st* ssl_ = nullptr;
};

}  // namespace turnpike::http
