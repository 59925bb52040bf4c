#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"
#include "http/message.h"
#include "http/public_address.h"
#include "net/io_threads.h"

namespace turnpike::http {

/// Where a request goes: one pool of keep-alive connections per I/O thread and origin.
struct Origin {
  bool tls = false;
  std::string host;
  std::uint16_t port = 80;
  bool verify = true;   // ssl_verify: false is for tests and private roots only.
  std::string ca_file;  // Empty: the system's roots.

  std::string key() const;  // "https://host:port", with verify and ca_file where they differ from the default.
  /// Appends the value of Host: the port only where it is not the scheme's own. Signatures cover it.
  void append_host(std::string& out) const;
  bool operator==(const Origin&) const = default;
};

/// "https://api.openai.com/v1" -> origin and path prefix ("/v1", no trailing slash). Errors: InvalidRequest.
struct BaseUrl {
  Origin origin;
  std::string path;
};
Result<BaseUrl> parse_base_url(std::string_view url);

/// The time-outs of one attempt (AC-TIME-1). Each error names the limit: Timeout, message "connect_timeout of 10 s
/// ...".
struct Timeouts {
  std::chrono::milliseconds connect{10'000};
  std::optional<std::chrono::milliseconds> first_byte;  // stream_timeout: of a streamed answer; unset: the total.
  std::optional<std::chrono::milliseconds> idle;        // stream_idle_timeout: between bytes of a streamed answer.
  base::Monotonic deadline = base::Monotonic::max();    // timeout: the whole call.
  std::chrono::milliseconds total{6'000'000};           // What `deadline` was made from, for the message.
};

/// Lets somebody outside end an operation in flight (caller gone, deadline, shutdown). One per call; on one thread.
class Cancel {
 public:
  void request();
  bool requested() const { return requested_; }
  /// For the operation in flight: what to do on request; replaced by the next, cleared with an empty function.
  void set_action(std::function<void()> action);

 private:
  bool requested_ = false;
  std::function<void()> action_;
};

struct Outgoing {
  const Origin* origin = nullptr;
  std::string_view method = "POST";
  std::string_view path;    // With query.
  std::string_view fields;  // Rendered lines, without Host, Content-Length, Connection.
  Pieces body;              // Sent with the head in one gather write (flattened first over TLS).
  Timeouts timeouts;
  /// Null: every address. Else the request travels on a connection of its own, to an address that was asked for:
  /// InvalidRequest when the host has one that is not allowed.
  const AddressFilter* addresses = nullptr;
};

/// An answer being received. Its connection goes back to the pool when the body has been read to its end and is closed
/// otherwise, by the destructor.
class Incoming {
 public:
  virtual ~Incoming() = default;
  virtual int status() const = 0;
  virtual std::string_view find(std::string_view name) const = 0;
  virtual const Fields& fields() const = 0;
  /// The body's length if the head says it.
  virtual std::optional<std::uint64_t> length() const = 0;

  /// The next slice of the body, de-chunked: what one read brought. Empty at the end. Reads no further than asked: the
  /// provider is held back by TCP. The view lives until the next read.
  /// Errors: UpstreamTruncated (closed early), Timeout (named), CallerGone (cancelled), UpstreamMalformed.
  virtual Task<Result<std::string_view>> read() = 0;
  /// The rest of the body, padded by kBodyPadding readable bytes; the view lives as long as this object.
  /// Errors: as read; UpstreamMalformed above `bytes_max`.
  virtual Task<Result<std::string_view>> read_all(std::size_t bytes_max) = 0;
  /// `action` runs once, when a `read_all` that has a part of the body waits for more.
  virtual void on_partial(std::function<void()> action) = 0;
  /// What a `read_all` that failed had received of the body.
  virtual std::string_view received() const = 0;
  /// Moves the end of the attempt's time.
  virtual void set_deadline(base::Monotonic deadline) = 0;
  /// The body has been read to its end, framing and all.
  virtual bool ended() const = 0;
};

/// Written by the client's thread, read by any.
struct ClientCounters {
  std::atomic<std::uint64_t> connects{0}, reused{0}, stale_retries{0}, tls_full{0}, tls_resumed{0};
  std::atomic<std::uint64_t> idle{0};          // Connections waiting in the pools now.
  std::atomic<std::uint64_t> idle_evicted{0};  // Closed because `idle_per_origin_max` others waited.
  std::atomic<std::uint64_t> limit_header{0};  // Heads above `header_bytes_max` or `header_count_max`.
  std::atomic<std::uint64_t> limit_body{0};    // Bodies above the `bytes_max` of `read_all`.
  std::atomic<std::uint64_t> timeout_connect{0}, timeout_first_byte{0}, timeout_idle{0}, timeout_total{0};
};

/// The pools of one I/O thread.
class Client {
 public:
  struct Options {
    std::size_t idle_per_origin_max = 256;
    std::chrono::seconds idle_timeout{50};
    std::size_t header_bytes_max = 64 * 1024;
    std::size_t header_count_max = 256;
    std::chrono::seconds dns_ttl{30};     // Older addresses are used while they are looked up again,
    std::chrono::seconds dns_stale{300};  // for so long.
  };
  static std::unique_ptr<Client> make(net::IoThread& thread, Options options);
  virtual ~Client() = default;

  /// Sends the request and waits for the head of the answer (1xx skipped). A reused connection that fails before any
  /// byte of an answer is replaced by a fresh one, once. Redirects are answers, never followed.
  /// Errors: UpstreamConnection (refused, reset, DNS, TLS: message says which), Timeout (named), CallerGone.
  virtual Task<Result<std::unique_ptr<Incoming>>> send(const Outgoing& request, Cancel& cancel) = 0;
  virtual const ClientCounters& counters() const = 0;
};

}  // namespace turnpike::http
