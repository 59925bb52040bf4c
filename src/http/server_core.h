#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "http/server.h"
#include "net/event_loop.h"

namespace turnpike::http {

class ServerConnection;

/// What the listener and all connections of a server share. Connections keep it alive.
///
/// Threading: options and callbacks are never written after the start; `connections` belong to the shard's thread.
struct ServerCore {
  struct Shard {
    net::EventLoop* loop = nullptr;
    std::atomic<std::uint32_t> open{0};
    std::vector<ServerConnection*> connections;
  };

  Server::Options options;
  Handler handler;
  ErrorBody error_body;
  ServerCounters counters;
  std::atomic<std::size_t> body_bytes_max{0};  // That of the options until `set_body_bytes_max`.
  std::atomic<bool> draining{false};           // Replies say that they are the last of their connection.
  std::atomic<bool> listener_gone{false};      // Who is between requests is waited for no longer than `last_request`.
  std::atomic<std::chrono::milliseconds> last_request{};
  std::vector<std::unique_ptr<Shard>> shards;
};

}  // namespace turnpike::http
