#include "net/resolver.h"

#include <fmt/core.h>
#include <netdb.h>

#include <cstring>

namespace turnpike::net {
namespace {

Resolver::Answer ask_system(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (failed != 0) {
    return base::fail(ErrorKind::UpstreamConnection, "the provider's host name cannot be resolved",
                      fmt::format("DNS: {}: {}", host, ::gai_strerror(failed)));
  }
  std::vector<Address> found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_addrlen > sizeof Address::bytes) continue;
    Address address;
    address.size = entry->ai_addrlen;
    std::memcpy(address.bytes, entry->ai_addr, entry->ai_addrlen);
    found.push_back(address);
  }
  ::freeaddrinfo(list);
  return found;
}

std::string name_of(const std::string& host, std::uint16_t port) {
  return host + ':' + std::to_string(port);
}

}  // namespace

Resolver::Resolver(EventLoop& loop, std::chrono::seconds ttl, LookUp look_up)
    : loop_(loop), ttl_(ttl), look_up_(look_up != nullptr ? look_up : &ask_system) {}

const Resolver::Answer* Resolver::find(const std::string& host, std::uint16_t port) {
  const auto found = entries_.find(name_of(host, port));
  if (found == entries_.end() || !found->second.known || found->second.fresh_until < loop_.now()) return nullptr;
  return &found->second.answer;
}

void Resolver::look_up(const std::string& host, std::uint16_t port, std::shared_ptr<Rendezvous> meeting) {
  const std::string name = name_of(host, port);
  Entry& entry = entries_[name];
  entry.waiting.push_back(std::move(meeting));
  if (std::exchange(entry.asking, true)) return;
  run_blocking(
      [this, alive = std::weak_ptr<bool>(alive_), mailbox = loop_.mailbox(), ask = look_up_, host, port, name] {
        auto answer = std::make_shared<Answer>(ask(host, port));
        mailbox->post([this, alive, name, answer] {
          if (alive.expired()) return;
          Entry& asked = entries_[name];
          asked.asking = false;
          asked.known = true;
          asked.answer = std::move(*answer);
          asked.fresh_until = loop_.now() + (asked.answer ? ttl_ : std::chrono::seconds(1));
          for (const auto& waiting : std::exchange(asked.waiting, {})) waiting->complete(Wake::Ready);
        });
      });
}

}  // namespace turnpike::net
