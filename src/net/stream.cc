#include "net/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

namespace turnpike::net {
namespace {

/// TLS reads and writes through the socket, so that its readiness stays known.
BIO_METHOD* socket_bio() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "turnpike socket");
    BIO_meth_set_read(method, [](BIO* bio, char* to, int size) -> int {
      auto* const socket = static_cast<Socket*>(BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      const Io io = socket->read(to, static_cast<std::size_t>(size));
      if (io.kind == Io::Kind::Bytes) return static_cast<int>(io.bytes);
      if (io.kind == Io::Kind::WantsRead) BIO_set_retry_read(bio);
      if (io.kind == Io::Kind::Failed) errno = io.error;
      return io.kind == Io::Kind::End ? 0 : -1;
    });
    BIO_meth_set_write(method, [](BIO* bio, const char* from, int size) -> int {
      auto* const socket = static_cast<Socket*>(BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      const iovec piece{const_cast<char*>(from), static_cast<std::size_t>(size)};
      const Io io = socket->write(&piece, 1);
      if (io.kind == Io::Kind::Bytes) return static_cast<int>(io.bytes);
      if (io.kind == Io::Kind::WantsWrite) BIO_set_retry_write(bio);
      if (io.kind == Io::Kind::Failed) errno = io.error;
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
  std::map<Trust, SSL_CTX*> all;

  SSL_CTX* find(const Trust& trust) {
    const std::lock_guard lock(mutex);
    const auto found = all.find(trust);
    return found == all.end() ? nullptr : found->second;
  }
};

Contexts& contexts() {
  // Kept to the end of the process: I/O threads may outlive static objects.
  static auto& instance = *new Contexts;
  return instance;
}

/// Our own certificate, for servers that ask for one.
bool use_certificate(SSL_CTX* context, const Trust& trust) {
  if (trust.certificate_file.empty()) return true;
  const std::string& key = trust.key_file.empty() ? trust.certificate_file : trust.key_file;
  return SSL_CTX_use_certificate_chain_file(context, trust.certificate_file.c_str()) == 1 &&
         SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) == 1;
}

bool use_roots(SSL_CTX* context, const Trust& trust) {
  if (!trust.verify) return true;
  return trust.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                               : SSL_CTX_load_verify_locations(context, trust.ca_file.c_str(), nullptr) == 1;
}

SSL_CTX* make_context(const Trust& trust) {
  SSL_CTX* made = SSL_CTX_new(TLS_client_method());
  if (made == nullptr) return nullptr;
  SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
  SSL_CTX_set_mode(made,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // One receive may bring several records: without this each costs two system calls.
  SSL_CTX_set_read_ahead(made, 1);
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(made, &on_new_session);
  SSL_CTX_set_verify(made, trust.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (use_roots(made, trust) && use_certificate(made, trust)) return made;
  SSL_CTX_free(made);
  return nullptr;
}

Io io_of(SSL* ssl, int result) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return {Io::Kind::WantsRead, 0, 0};
    case SSL_ERROR_WANT_WRITE:
      return {Io::Kind::WantsWrite, 0, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Io::Kind::End, 0, 0};
    default:
      return {Io::Kind::Failed, 0, errno};
  }
}

}  // namespace

Stream::Stream(EventLoop& loop, int fd) : socket(loop, fd, false) {}

Stream::~Stream() {
  if (ssl_ == nullptr) return;
  // Without a recorded shutdown OpenSSL would make the session non-resumable.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

bool Stream::trust_loaded(const Trust& trust) {
  return contexts().find(trust) != nullptr;
}

void Stream::load_trust(const Trust& trust) {
  SSL_CTX* const made = make_context(trust);
  ERR_clear_error();
  if (made == nullptr) return;
  Contexts& known = contexts();
  const std::lock_guard lock(known.mutex);
  const bool kept = known.all.emplace(trust, made).second;
  if (!kept) SSL_CTX_free(made);
}

Status Stream::start_tls(const TlsTarget& target, const TlsSession& session, TlsSession* tickets) {
  SSL_CTX* const context = contexts().find(target.trust);
  if (context == nullptr) {
    const Trust& trust = target.trust;
    return trust.certificate_file.empty()
               ? base::fail(ErrorKind::UpstreamConnection, "the trust roots for TLS cannot be read",
                            "ca file: " + trust.ca_file)
               : base::fail(ErrorKind::UpstreamConnection, "the trust roots or our certificate for TLS cannot be read",
                            "ca file: " + trust.ca_file + ", certificate: " + trust.certificate_file);
  }
  ssl_ = SSL_new(context);
  BIO* const bio = BIO_new(socket_bio());
  BIO_set_data(bio, &socket);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, tickets);
  const bool numeric = !Address::parse(target.host, 0).empty();
  if (numeric && target.trust.verify_name) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), target.host.c_str());
  } else if (!numeric) {
    SSL_set_tlsext_host_name(ssl_, target.host.c_str());
    if (target.trust.verify_name) SSL_set1_host(ssl_, target.host.c_str());
  }
  if (!target.alpn.empty()) {
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(target.alpn.data()),
                        static_cast<unsigned>(target.alpn.size()));
  }
  if (session) SSL_set_session(ssl_, session.get());
  SSL_set_connect_state(ssl_);
  return {};
}

Io Stream::handshake() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return {Io::Kind::Bytes, 0, 0};
  return io_of(ssl_, result);
}

bool Stream::resumed() const {
  return ssl_ != nullptr && SSL_session_reused(ssl_) == 1;
}

std::string Stream::tls_failure() const {
  if (const long verified = SSL_get_verify_result(ssl_); verified != X509_V_OK) {
    return std::string("the certificate is not trusted: ") + X509_verify_cert_error_string(verified);
  }
  if (const char* reason = ERR_reason_error_string(ERR_peek_error()))
    return std::string("the TLS handshake failed: ") + reason;
  return "the TLS handshake failed: the other side closed the connection";
}

bool Stream::has_pending() const {
  return ssl_ != nullptr && SSL_has_pending(ssl_) == 1;
}

Io Stream::read(char* to, std::size_t size) {
  if (ssl_ == nullptr) return socket.read(to, size);
  ERR_clear_error();
  errno = 0;
  const int got = SSL_read(ssl_, to, static_cast<int>(std::min<std::size_t>(size, 1 << 30)));
  if (got > 0) return {Io::Kind::Bytes, static_cast<std::size_t>(got), 0};
  return io_of(ssl_, got);
}

Io Stream::write(const iovec* pieces, std::size_t count) {
  if (ssl_ == nullptr) return socket.write(pieces, count);
  std::size_t sent = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (pieces[i].iov_len == 0) continue;
    ERR_clear_error();
    errno = 0;
    const int wrote =
        SSL_write(ssl_, pieces[i].iov_base, static_cast<int>(std::min<std::size_t>(pieces[i].iov_len, 1 << 30)));
    if (wrote <= 0) return sent > 0 ? Io{Io::Kind::Bytes, sent, 0} : io_of(ssl_, wrote);
    sent += static_cast<std::size_t>(wrote);
    if (static_cast<std::size_t>(wrote) < pieces[i].iov_len) break;
  }
  return {Io::Kind::Bytes, sent, 0};
}

}  // namespace turnpike::net
