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
    return base::fail(ErrorKind::UpstreamConnection,
                      "the provider's host name cannot be resolved: check api_base and this machine's DNS",
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

Resolver::Resolver(EventLoop& loop, std::chrono::seconds ttl, std::chrono::seconds stale, LookUp look_up)
    : loop_(loop), ttl_(ttl), stale_(stale), look_up_(look_up != nullptr ? look_up : &ask_system) {}

const Resolver::Answer* Resolver::find(const std::string& host, std::uint16_t port) {
  const std::string name = name_of(host, port);
  const auto found = entries_.find(name);
  if (found == entries_.end() || !found->second.known) return nullptr;
  Entry& entry = found->second;
  if (loop_.now() <= entry.fresh_until) return &entry.answer;
  if (!entry.answer || loop_.now() > entry.usable_until) return nullptr;
  ask(name, entry, host, port);
  return &entry.answer;
}

void Resolver::look_up(const std::string& host, std::uint16_t port, std::shared_ptr<Rendezvous> meeting) {
  const std::string name = name_of(host, port);
  Entry& entry = entries_[name];
  entry.waiting.push_back(std::move(meeting));
  ask(name, entry, host, port);
}

void Resolver::ask(const std::string& name, Entry& entry, const std::string& host, std::uint16_t port) {
  if (std::exchange(entry.asking, true)) return;
  run_waiting([this, alive = std::weak_ptr<bool>(alive_), mailbox = loop_.mailbox(), ask = look_up_, host, port, name] {
    auto answer = std::make_shared<Answer>(ask(host, port));
    mailbox->post([this, alive, name, answer] {
      if (!alive.expired()) keep(name, std::move(*answer));
    });
  });
}

void Resolver::keep(const std::string& name, Answer answer) {
  constexpr std::chrono::seconds kFailureTtl{1};
  Entry& entry = entries_[name];
  entry.asking = false;
  const bool worse = !answer && entry.known && entry.answer && loop_.now() <= entry.usable_until;
  if (answer || !worse) {
    entry.fresh_until = loop_.now() + (answer ? ttl_ : kFailureTtl);
    entry.usable_until = entry.fresh_until + stale_;
    entry.answer = std::move(answer);
    entry.known = true;
  } else {
    entry.fresh_until = loop_.now() + kFailureTtl;
  }
  for (const auto& waiting : std::exchange(entry.waiting, {})) waiting->complete(Wake::Ready);
}

}  // namespace turnpike::net
