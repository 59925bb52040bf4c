#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "fake_provider/ask.h"

namespace turnpike::fake_provider {

/// How a call ended at the provider.
enum class Served : std::uint8_t {
  Whole,    // The last byte of a good answer was taken by the kernel.
  Error,    // A scripted or deserved error status.
  Broken,   // Cut, truncated or turned into an error half-way, as scripted.
  Aborted,  // The other side hung up first.
};

/// What was served, so that a ledger can be compared with it (`GET /account`).
///
/// Units:     tokens of whole answers only; what broken and aborted answers had sent is not counted.
/// Limits:    `answers_max` answers are listed one by one; 0 lists none.
/// Threading: one shard per I/O thread, each with a lock that only `render` and `reset` contend for.
class Account {
 public:
  Account(std::size_t threads, std::size_t answers_max);

  void began(std::size_t thread);
  void ended(std::size_t thread, Served how, int status, std::string_view key_label, std::string_view model,
             std::string_view id, const Tokens& tokens);

  std::string render() const;
  void reset();

 private:
  struct Sums {
    std::uint64_t calls = 0;
    std::uint64_t prompt = 0, cached = 0, completion = 0, reasoning = 0;
    void add(const Tokens& tokens);
    void add(const Sums& other);
  };
  struct Answer {
    std::string id;
    std::string model;
    Tokens tokens;
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::uint64_t begun = 0;
    std::uint64_t by_end[4] = {};
    std::map<int, std::uint64_t> by_status;
    std::map<std::string, Sums, std::less<>> by_model;
    std::map<std::string, Sums, std::less<>> by_key;
    Sums all;
    std::vector<Answer> answers;
  };
  std::vector<Shard> shards_;
  std::size_t answers_max_;
};

}  // namespace turnpike::fake_provider
