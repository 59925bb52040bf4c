#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>

#include "http/client.h"
#include "http/loopback.h"

namespace turnpike::http::client_tls_test {
namespace {

using loopback::Peer;
using loopback::ScriptedServer;

/// A key and a certificate for "localhost", signed by itself, made anew for each run; the file is its own trust root.
struct Identity {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  std::string file;

  Identity() {
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME* const name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    X509_EXTENSION* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());
    char path[] = "/tmp/turnpike-ca-XXXXXX";
    const int fd = ::mkstemp(path);
    file = path;
    FILE* const out = ::fdopen(fd, "w");
    PEM_write_X509(out, certificate);
    ::fclose(out);
  }
  ~Identity() {
    ::unlink(file.c_str());
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

struct Seen {
  std::string server_name;
  bool resumed = false;
};

/// Answers one request per TLS connection.
class TlsProvider {
 public:
  explicit TlsProvider(const Identity& identity, std::string answer)
      : context_(SSL_CTX_new(TLS_server_method())), answer_(std::move(answer)) {
    SSL_CTX_use_certificate(context_, identity.certificate);
    SSL_CTX_use_PrivateKey(context_, identity.key);
  }
  ~TlsProvider() { SSL_CTX_free(context_); }

  void serve(Peer& caller) {
    SSL* const ssl = SSL_new(context_);
    SSL_set_fd(ssl, caller.fd());
    if (SSL_accept(ssl) == 1) {
      Seen now;
      if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) now.server_name = name;
      now.resumed = SSL_session_reused(ssl) == 1;
      char bytes[65536];
      std::string request;
      while (request.find("{}") == std::string::npos) {
        const int got = SSL_read(ssl, bytes, sizeof bytes);
        if (got <= 0) break;
        request.append(bytes, static_cast<std::size_t>(got));
      }
      seen.push_back(now);
      SSL_write(ssl, answer_.data(), static_cast<int>(answer_.size()));
      if (say_goodbye) SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
  }
  std::vector<Seen> seen;
  bool say_goodbye = true;

 private:
  SSL_CTX* context_;
  std::string answer_;
};

struct Outcome {
  std::optional<ErrorKind> error;
  std::string message, body;
};

Task<void> call(Client& client, const Origin& origin, Outcome& result) {
  Cancel cancel;
  const std::string_view pieces[] = {"{", "}"};
  Outgoing request;
  request.origin = &origin;
  request.path = "/";
  request.body = pieces;
  auto incoming = co_await client.send(request, cancel);
  if (!incoming) {
    result.error = incoming.error().kind;
    result.message = incoming.error().message;
    co_return;
  }
  const auto body = co_await (*incoming)->read_all(1 << 20);
  if (body) {
    result.body = *body;
  } else {
    result.error = body.error().kind;
  }
}

struct Fixture {
  Identity identity;
  std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(1);
  std::unique_ptr<Client> client = Client::make(*threads->all().front(), {});
  Origin origin;
  Fixture() {
    origin.tls = true;
    origin.host = "localhost";
    origin.ca_file = identity.file;
  }
  Outcome run() {
    Outcome result;
    loopback::run_on(*threads->all().front(), [&] { return call(*client, origin, result); });
    return result;
  }
};

constexpr const char* kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

TEST(ClientTls, VerifiesNamesTheHostAndResumesAfterADroppedConnection) {
  Fixture fixture;
  TlsProvider provider(fixture.identity, kAnswer);
  ScriptedServer server([&](Peer& caller, int) { provider.serve(caller); });
  fixture.origin.port = server.port();
  for (int i = 0; i < 3; ++i) {
    const Outcome result = fixture.run();
    EXPECT_EQ(result.body, "ok") << result.message;
  }
  EXPECT_EQ(fixture.client->counters().tls_full, 1u);
  EXPECT_EQ(fixture.client->counters().tls_resumed, 2u);
  ASSERT_EQ(provider.seen.size(), 3u);
  EXPECT_EQ(provider.seen[0].server_name, "localhost");
  EXPECT_FALSE(provider.seen[0].resumed);
  EXPECT_TRUE(provider.seen[2].resumed);
}

TEST(ClientTls, RefusesWhatItCannotTrustUnlessToldNotToVerify) {
  Fixture fixture;
  TlsProvider provider(fixture.identity, kAnswer);
  ScriptedServer server([&](Peer& caller, int) { provider.serve(caller); });
  fixture.origin.port = server.port();
  fixture.origin.ca_file.clear();  // The system's roots do not know it.
  const Outcome refused = fixture.run();
  EXPECT_EQ(refused.error, ErrorKind::UpstreamConnection);
  EXPECT_NE(refused.message.find("not trusted"), std::string::npos) << refused.message;
  fixture.origin.verify = false;
  EXPECT_EQ(fixture.run().body, "ok");
}

TEST(ClientTls, ReadsTrustOnceAndSaysWhenItCannot) {
  Fixture fixture;
  TlsProvider provider(fixture.identity, kAnswer);
  ScriptedServer server([&](Peer& caller, int) { provider.serve(caller); });
  fixture.origin.port = server.port();
  EXPECT_EQ(fixture.run().body, "ok");
  ::unlink(fixture.identity.file.c_str());
  fixture.client = Client::make(*fixture.threads->all().front(), {});
  EXPECT_EQ(fixture.run().body, "ok");
  fixture.origin.ca_file += ".missing";
  const Outcome refused = fixture.run();
  EXPECT_EQ(refused.error, ErrorKind::UpstreamConnection);
  EXPECT_NE(refused.message.find("trust roots"), std::string::npos) << refused.message;
}

TEST(ClientTls, RefusesACertificateForAnotherName) {
  Fixture fixture;
  TlsProvider provider(fixture.identity, kAnswer);
  ScriptedServer server([&](Peer& caller, int) { provider.serve(caller); });
  fixture.origin.port = server.port();
  fixture.origin.host = "127.0.0.1";
  EXPECT_EQ(fixture.run().error, ErrorKind::UpstreamConnection);
  EXPECT_TRUE(provider.seen.empty() || fixture.client->counters().tls_full == 0);
}

TEST(ClientTls, ABodyThatEndsWithItsConnectionNeedsTheGoodbye) {
  for (const bool goodbye : {true, false}) {
    Fixture fixture;
    TlsProvider provider(fixture.identity, "HTTP/1.1 200 OK\r\n\r\nall of it");
    provider.say_goodbye = goodbye;
    ScriptedServer server([&](Peer& caller, int) { provider.serve(caller); });
    fixture.origin.port = server.port();
    const Outcome result = fixture.run();
    if (goodbye) {
      EXPECT_EQ(result.body, "all of it");
    } else {
      EXPECT_EQ(result.error, ErrorKind::UpstreamTruncated);
    }
  }
}

}  // namespace
}  // namespace turnpike::http::client_tls_test
