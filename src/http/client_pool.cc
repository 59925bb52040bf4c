#include "http/client_pool.h"

#include <algorithm>

namespace turnpike::http {

ClientPool::ClientPool(net::EventLoop& loop_in, Client::Options options_in)
    : loop(loop_in), options(options_in), resolver(loop_in, options_in.dns_ttl, options_in.dns_stale) {}

ClientPool::~ClientPool() = default;

ClientPool::Entry& ClientPool::entry(const Origin& origin) {
  Entry& found = entries_[origin];
  found.pool = this;
  return found;
}

std::unique_ptr<Connection> ClientPool::take(const Origin& origin) {
  std::vector<std::unique_ptr<Connection>>& idle = entry(origin).idle;
  while (!idle.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle.back());
    idle.pop_back();
    --counters.idle;
    connection->socket.watch(nullptr, nullptr);
    // Bytes or a close while nobody asked: the provider is done with this connection.
    const bool stale = connection->socket.peer_closed() || (connection->socket.readable() && !connection->tls()) ||
                       loop.now() - connection->idle_since > options.idle_timeout;
    if (stale) continue;
    connection->reused = true;
    ++counters.reused;
    return connection;
  }
  return nullptr;
}

void ClientPool::adopt(const Origin& origin, Connection& connection) {
  connection.home = &entry(origin);
}

void ClientPool::give_back(std::unique_ptr<Connection> connection) {
  if (connection->socket.peer_closed()) return;
  std::vector<std::unique_ptr<Connection>>& idle = static_cast<Entry*>(connection->home)->idle;
  for (;;) {
    const bool full = idle.size() >= options.idle_per_origin_max;
    if (!full && (idle.empty() || loop.now() - idle.front()->idle_since <= options.idle_timeout)) break;
    if (full) ++counters.idle_evicted;
    idle.erase(idle.begin());
    --counters.idle;
  }
  connection->idle_since = loop.now();
  connection->socket.watch(&ClientPool::closed, connection.get());
  idle.push_back(std::move(connection));
  ++counters.idle;
}

void ClientPool::closed(void* context) {
  auto* const connection = static_cast<Connection*>(context);
  // TLS 1.3 tickets arrive after the answer: bytes on an idle TLS connection are no close.
  if (connection->tls() && !connection->socket.peer_closed()) return;
  Entry& home = *static_cast<Entry*>(connection->home);
  const auto place = std::find_if(home.idle.begin(), home.idle.end(),
                                  [connection](const auto& kept) { return kept.get() == connection; });
  if (place == home.idle.end()) return;
  --home.pool->counters.idle;
  home.idle.erase(place);
}

}  // namespace turnpike::http
