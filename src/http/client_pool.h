#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "http/client.h"
#include "http/connection.h"
#include "net/resolver.h"

namespace turnpike::http {

/// The idle connections of one I/O thread, by origin: the one used last is taken first.
class ClientPool {
 public:
  ClientPool(net::EventLoop& loop, Client::Options options);
  ~ClientPool();

  /// A healthy idle connection, or null.
  std::unique_ptr<Connection> take(const Origin& origin);
  /// Names the origin of a new connection, before it is first given back.
  void adopt(const Origin& origin, Connection& connection);
  /// Keeps a connection whose answer has been read to its end.
  void give_back(std::unique_ptr<Connection> connection);
  net::TlsSession& tickets(const Origin& origin) { return entry(origin).session; }

  net::EventLoop& loop;
  Client::Options options;
  net::Resolver resolver;
  ClientCounters counters;

 private:
  struct Entry {
    ClientPool* pool = nullptr;
    std::vector<std::unique_ptr<Connection>> idle;  // Last in, first out.
    net::TlsSession session;
  };
  struct HashOfOrigin {
    std::size_t operator()(const Origin& origin) const {
      return std::hash<std::string_view>()(origin.host) * 31 + origin.port;
    }
  };
  Entry& entry(const Origin& origin);
  static void closed(void* connection);

  std::unordered_map<Origin, Entry, HashOfOrigin> entries_;
};

}  // namespace turnpike::http
