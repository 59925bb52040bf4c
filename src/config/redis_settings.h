#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace turnpike::config {

/// The Redis (or Valkey) that replicas share.
struct RedisSettings {
  std::string host;  // Empty: there is none.
  std::uint16_t port = 6379;
  std::int64_t database = 0;
  std::string user;  // Of an ACL; empty: the server's default user.
  base::Secret password;
  bool tls = false;
  bool tls_verify = true;       // REDIS_SSL_CERT_REQS: none switches it off,
  bool tls_verify_name = true;  // REDIS_SSL_CHECK_HOSTNAME this alone.
  std::string ca_file, certificate_file, key_file;
  std::chrono::milliseconds timeout{20};           // turnpike.redis_timeout: of one command.
  std::chrono::milliseconds connect_timeout{200};  // Of a new connection, until it may be used.

  bool used() const { return !host.empty(); }
  std::string shown() const;  // "redis://host:6379/0": what people may see.
  bool operator==(const RedisSettings& other) const;
};

/// redis://[[user]:password@]host[:port][/database], rediss:// for TLS, as redis-py reads it; %XX for what is special.
/// Of its query `db`, `ssl_cert_reqs`, `ssl_check_hostname`, `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` count.
/// Errors: InvalidRequest; the message never repeats the URL.
Result<RedisSettings> parse_redis_url(std::string_view url);

}  // namespace turnpike::config
