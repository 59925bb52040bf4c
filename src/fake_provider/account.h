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

struct TokenSums {
  std::uint64_t calls = 0;
  std::uint64_t prompt = 0, cached = 0, completion = 0, reasoning = 0;  // Cached and reasoning are parts.

  void add(const Tokens& tokens);
  void add(const TokenSums& other);
};

/// What calls came to: all of them, or those of one label.
struct Statement {
  std::uint64_t calls = 0;
  std::uint64_t whole = 0, errors = 0, broken = 0, aborted = 0;
  std::map<int, std::uint64_t> by_status;
  TokenSums served;  // Of whole answers.
  /// Of answers that broke or were hung up on: the prompt, and what of the completion had been sent. An answer of which
  /// nothing had left is not among them.
  TokenSums unfinished;

  std::uint64_t open() const { return calls - whole - errors - broken - aborted; }
  void add(const Statement& other);
};

/// One whole answer.
struct ServedAnswer {
  std::string id;
  std::string model;
  std::string label;
  Tokens tokens;
};

/// The account of everything since the start or the last reset.
struct FullStatement : Statement {
  std::map<std::string, TokenSums, std::less<>> by_model;
  std::map<std::string, TokenSums, std::less<>> by_key;
  std::map<std::string, Statement, std::less<>> by_label;  // Calls without a label are not in it.
  std::vector<ServedAnswer> answers;                       // Per I/O thread, in the order of their ends.

  std::string to_json() const;
};

/// A call that has ended, as it is booked.
struct EndedCall {
  Served how = Served::Whole;
  int status = 200;
  std::string_view label;
  std::string_view key_label;
  std::string_view model;
  std::string_view id;
  Tokens tokens;
  bool begun_answer = false;  // Something of an answer had left.
};

/// What was served, so that a ledger can be compared with it (`GET /account`).
///
/// Limits:    `answers_max` answers are listed one by one; 0 lists none.
/// Threading: one shard per I/O thread, each with a lock that only `state` and `reset` contend for.
class Account {
 public:
  Account(std::size_t threads, std::size_t answers_max);

  void began(std::size_t thread, std::string_view label);
  void ended(std::size_t thread, const EndedCall& call);

  FullStatement state() const;
  void reset();

 private:
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    FullStatement booked;
  };
  std::vector<Shard> shards_;
  std::size_t answers_max_;
};

}  // namespace turnpike::fake_provider
