#include "http/connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

namespace turnpike::http {
namespace {

/// TLS reads and writes through the socket, so that its readiness stays known.
BIO_METHOD* socket_bio() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "turnpike socket");
    BIO_meth_set_read(method, [](BIO* bio, char* to, int size) -> int {
      auto* const socket = static_cast<net::Socket*>(BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      const net::Io io = socket->read(to, static_cast<std::size_t>(size));
      if (io.kind == net::Io::Kind::Bytes) return static_cast<int>(io.bytes);
      if (io.kind == net::Io::Kind::WantsRead) BIO_set_retry_read(bio);
      if (io.kind == net::Io::Kind::Failed) errno = io.error;
      return io.kind == net::Io::Kind::End ? 0 : -1;
    });
    BIO_meth_set_write(method, [](BIO* bio, const char* from, int size) -> int {
      auto* const socket = static_cast<net::Socket*>(BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      const iovec piece{const_cast<char*>(from), static_cast<std::size_t>(size)};
      const net::Io io = socket->write(&piece, 1);
      if (io.kind == net::Io::Kind::Bytes) return static_cast<int>(io.bytes);
      if (io.kind == net::Io::Kind::WantsWrite) BIO_set_retry_write(bio);
      if (io.kind == net::Io::Kind::Failed) errno = io.error;
      return -1;
    });
    BIO_meth_set_ctrl(method, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
    return method;
  }();
  return kMethod;
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* const tickets = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (tickets == nullptr) return 0;
  *tickets = TlsSession(session, [](SSL_SESSION* owned) { SSL_SESSION_free(owned); });
  return 1;  // Ours now.
}

/// One context per policy and process: reading the system's roots takes tens of milliseconds.
struct Contexts {
  std::mutex mutex;
  std::map<std::pair<bool, std::string>, SSL_CTX*> all;

  SSL_CTX* find(const Origin& origin) {
    const std::lock_guard lock(mutex);
    const auto found = all.find({origin.verify, origin.ca_file});
    return found == all.end() ? nullptr : found->second;
  }
};

Contexts& contexts() {
  // Kept to the end of the process: I/O threads may outlive static objects.
  static auto& instance = *new Contexts;
  return instance;
}

SSL_CTX* make_context(const Origin& origin) {
  SSL_CTX* made = SSL_CTX_new(TLS_client_method());
  if (made == nullptr) return nullptr;
  SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
  SSL_CTX_set_mode(made,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // One receive may bring several records: without this each costs two system calls.
  SSL_CTX_set_read_ahead(made, 1);
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(made, &on_new_session);
  SSL_CTX_set_verify(made, origin.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!origin.verify) return made;
  const bool roots = origin.ca_file.empty() ? SSL_CTX_set_default_verify_paths(made) == 1
                                            : SSL_CTX_load_verify_locations(made, origin.ca_file.c_str(), nullptr) == 1;
  if (roots) return made;
  SSL_CTX_free(made);
  return nullptr;
}

net::Io io_of(SSL* ssl, int result) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return {net::Io::Kind::WantsRead, 0, 0};
    case SSL_ERROR_WANT_WRITE:
      return {net::Io::Kind::WantsWrite, 0, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {net::Io::Kind::End, 0, 0};
    default:
      return {net::Io::Kind::Failed, 0, errno};
  }
}

}  // namespace

Connection::Connection(net::EventLoop& loop, int fd) : socket(loop, fd, false) {}

Connection::~Connection() {
  if (ssl_ == nullptr) return;
  // Without a recorded shutdown OpenSSL would make the session non-resumable.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

bool Connection::trust_loaded(const Origin& origin) {
  return contexts().find(origin) != nullptr;
}

void Connection::load_trust(const Origin& origin) {
  SSL_CTX* const made = make_context(origin);
  ERR_clear_error();
  if (made == nullptr) return;
  Contexts& known = contexts();
  const std::lock_guard lock(known.mutex);
  const bool kept = known.all.emplace(std::pair(origin.verify, origin.ca_file), made).second;
  if (!kept) SSL_CTX_free(made);
}

Status Connection::start_tls(const Origin& origin, const TlsSession& session, TlsSession* tickets) {
  SSL_CTX* const context = contexts().find(origin);
  if (context == nullptr) {
    return base::fail(ErrorKind::UpstreamConnection, "the trust roots for TLS cannot be read",
                      "ca file: " + origin.ca_file);
  }
  ssl_ = SSL_new(context);
  BIO* const bio = BIO_new(socket_bio());
  BIO_set_data(bio, &socket);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, tickets);
  const bool numeric = !net::Address::parse(origin.host, origin.port).empty();
  if (numeric) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), origin.host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_, origin.host.c_str());
    SSL_set1_host(ssl_, origin.host.c_str());
  }
  constexpr unsigned char kAlpn[] = "\x08http/1.1";
  SSL_set_alpn_protos(ssl_, kAlpn, sizeof kAlpn - 1);
  if (session) SSL_set_session(ssl_, session.get());
  SSL_set_connect_state(ssl_);
  return {};
}

net::Io Connection::handshake() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return {net::Io::Kind::Bytes, 0, 0};
  return io_of(ssl_, result);
}

bool Connection::resumed() const {
  return ssl_ != nullptr && SSL_session_reused(ssl_) == 1;
}

std::string Connection::tls_failure() const {
  if (const long verified = SSL_get_verify_result(ssl_); verified != X509_V_OK) {
    return std::string("the provider's certificate is not trusted: ") + X509_verify_cert_error_string(verified);
  }
  if (const char* reason = ERR_reason_error_string(ERR_peek_error()))
    return std::string("the TLS handshake failed: ") + reason;
  return "the TLS handshake failed: the provider closed the connection";
}

bool Connection::has_pending() const {
  return ssl_ != nullptr && SSL_has_pending(ssl_) == 1;
}

net::Io Connection::read(char* to, std::size_t size) {
  if (ssl_ == nullptr) return socket.read(to, size);
  ERR_clear_error();
  errno = 0;
  const int got = SSL_read(ssl_, to, static_cast<int>(std::min<std::size_t>(size, 1 << 30)));
  if (got > 0) return {net::Io::Kind::Bytes, static_cast<std::size_t>(got), 0};
  return io_of(ssl_, got);
}

net::Io Connection::write(const iovec* pieces, std::size_t count) {
  if (ssl_ == nullptr) return socket.write(pieces, count);
  std::size_t sent = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (pieces[i].iov_len == 0) continue;
    ERR_clear_error();
    errno = 0;
    const int wrote =
        SSL_write(ssl_, pieces[i].iov_base, static_cast<int>(std::min<std::size_t>(pieces[i].iov_len, 1 << 30)));
    if (wrote <= 0) return sent > 0 ? net::Io{net::Io::Kind::Bytes, sent, 0} : io_of(ssl_, wrote);
    sent += static_cast<std::size_t>(wrote);
    if (static_cast<std::size_t>(wrote) < pieces[i].iov_len) break;
  }
  return {net::Io::Kind::Bytes, sent, 0};
}

}  // namespace turnpike::http
