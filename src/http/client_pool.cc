#include "http/client_pool.h"

#include <algorithm>

namespace turnpike::http {

ClientPool::ClientPool(net::EventLoop& loop_in, Client::Options options_in)
    : loop(loop_in), options(options_in), resolver(loop_in, options_in.dns_ttl) {}

ClientPool::~ClientPool() = default;

ClientPool::Entry& ClientPool::entry(const Origin& origin) {
  return entries_[origin];
}

std::unique_ptr<Connection> ClientPool::take(const Origin& origin) {
  std::vector<std::unique_ptr<Idle>>& idle = entry(origin).idle;
  while (!idle.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle.back()->connection);
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

void ClientPool::give_back(const Origin& origin, std::unique_ptr<Connection> connection) {
  if (connection->socket.peer_closed()) return;
  std::vector<std::unique_ptr<Idle>>& idle = entry(origin).idle;
  while (!idle.empty() && (idle.size() >= options.idle_per_origin_max ||
                           loop.now() - idle.front()->connection->idle_since > options.idle_timeout)) {
    idle.erase(idle.begin());
    --counters.idle;
  }
  connection->idle_since = loop.now();
  auto kept = std::make_unique<Idle>();
  kept->pool = this;
  kept->origin = origin;
  kept->connection = std::move(connection);
  kept->connection->socket.watch(&ClientPool::closed, kept.get());
  idle.push_back(std::move(kept));
  ++counters.idle;
}

void ClientPool::closed(void* context) {
  auto* const idle = static_cast<Idle*>(context);
  // TLS 1.3 tickets arrive after the answer: bytes on an idle TLS connection are no close.
  if (idle->connection->tls() && !idle->connection->socket.peer_closed()) return;
  idle->pool->drop(idle);
}

void ClientPool::drop(Idle* idle) {
  std::vector<std::unique_ptr<Idle>>& all = entry(idle->origin).idle;
  const auto place = std::find_if(all.begin(), all.end(), [idle](const auto& kept) { return kept.get() == idle; });
  if (place == all.end()) return;
  all.erase(place);
  --counters.idle;
}

}  // namespace turnpike::http
