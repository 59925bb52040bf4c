#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "net/blocking.h"
#include "net/socket.h"

namespace turnpike::net {

/// Finds the addresses of a host off the I/O thread and remembers them. Callers that ask for the same name at the same
/// time share one look-up; addresses written as numbers need none.
///
/// Limits:    answers are fresh for `ttl`, failures for a second. Older answers are given for `stale` more, while they
///            are looked up again: a name server that is away for a moment costs no call.
/// Errors:    UpstreamConnection with the resolver's own words.
/// Threading: one per I/O thread.
class Resolver {
 public:
  using Answer = Result<std::vector<Address>>;
  /// Looks a name up, blocking: `getaddrinfo` outside of tests.
  using LookUp = Answer (*)(const std::string& host, std::uint16_t port);

  Resolver(EventLoop& loop, std::chrono::seconds ttl, std::chrono::seconds stale, LookUp look_up = nullptr);

  /// The remembered addresses of a name, or nothing.
  const Answer* find(const std::string& host, std::uint16_t port);

  /// Starts a look-up unless one is under way; `meeting` completes when `find` has the answer.
  void look_up(const std::string& host, std::uint16_t port, std::shared_ptr<Rendezvous> meeting);

 private:
  struct Entry {
    Answer answer = std::vector<Address>();
    bool known = false;
    bool asking = false;
    base::Monotonic fresh_until, usable_until;
    std::vector<std::shared_ptr<Rendezvous>> waiting;
  };

  void ask(const std::string& name, Entry& entry, const std::string& host, std::uint16_t port);
  void keep(const std::string& name, Answer answer);

  EventLoop& loop_;
  std::chrono::seconds ttl_, stale_;
  LookUp look_up_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace turnpike::net
