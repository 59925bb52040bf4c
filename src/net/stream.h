#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/socket.h"

struct iovec;
struct ssl_st;
struct ssl_session_st;

namespace turnpike::net {

/// A session ticket that lets the next TLS connection to the same place skip most of the handshake.
using TlsSession = std::shared_ptr<ssl_session_st>;

/// Whom a TLS connection trusts, and as whom it comes. Files are PEM and are read once per process.
struct Trust {
  bool verify = true;            // Whether the certificate is checked at all,
  bool verify_name = true;       // and whether it must be that of the host asked for.
  std::string ca_file;           // Empty: the system's roots.
  std::string certificate_file;  // Of ours, for servers that ask for one; empty: none.
  std::string key_file;          // Empty: in the certificate's file.
  auto operator<=>(const Trust&) const = default;
};

struct TlsTarget {
  std::string host;
  Trust trust;
  std::string_view alpn;  // Protocols in wire format ("\x08http/1.1"); empty: none are offered.
};

/// A connection that we have dialled, plain or TLS.
///
/// Threading: lives on one I/O thread.
class Stream {
 public:
  Stream(EventLoop& loop, int fd);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Whether the roots of `trust` have been read; if not, `load_trust` reads them (blocking, any thread). A failure
  /// shows in `start_tls`.
  static bool trust_loaded(const Trust& trust);
  static void load_trust(const Trust& trust);

  /// Prepares TLS; `session` may be null. New tickets are put into `*tickets`, which may be null and outlives this.
  /// Errors: UpstreamConnection when roots or certificate cannot be read.
  Status start_tls(const TlsTarget& target, const TlsSession& session, TlsSession* tickets);
  /// One step of the handshake: Bytes when it has ended, Wants*, Failed.
  Io handshake();
  bool resumed() const;
  /// Why the handshake failed, in words for people.
  std::string tls_failure() const;

  Io read(char* to, std::size_t size);
  Io write(const iovec* pieces, std::size_t count);
  bool tls() const { return ssl_ != nullptr; }
  /// Bytes that TLS has decrypted already: no event will announce them.
  bool has_pending() const;

  Socket socket;

 private:
  ssl_st* ssl_ = nullptr;
};

}  // namespace turnpike::net
