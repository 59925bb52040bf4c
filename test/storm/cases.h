#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/id.h"
#include "pipeline/test_pipeline.h"
#include "weather.h"

namespace turnpike::storm {

inline constexpr std::size_t kDeployments = 4;
inline constexpr const char* kIds[kDeployments] = {"a1", "a2", "b1", "b2"};
inline constexpr const char* kGroups[2] = {"a", "b"};
/// Two deployments to a group.
constexpr std::size_t group_of(std::size_t deployment) {
  return deployment / 2;
}

/// What a caller does wrong: every provider refuses it, and it says nothing of the provider.
enum class Mistake : std::uint8_t { None, BadRequest, TooLong, Policy };

/// What one caller wants, and how patient he is.
struct Ask {
  std::uint32_t number = 0;
  std::size_t group = 0;
  bool stream = false;
  std::size_t prompt_bytes = 0;
  std::size_t words = 0;  // Of the answer.
  Mistake mistake = Mistake::None;
  std::optional<int> retries;       // num_retries of the request,
  std::optional<double> timeout_s;  // its timeout,
  bool no_fallbacks = false;        // disable_fallbacks,
  bool own_fallbacks = false;       // and fallbacks of its own.
  std::optional<std::int64_t> hangs_up_after_us;
};
Ask draw_ask(std::uint32_t number, base::Random& random);
/// The request's body; it holds the call's number, by which the providers know it.
std::string body_of(const Ask& ask);
std::uint32_t number_in(std::string_view body);

/// One request as its provider saw it: what it sent, and what it bills for that.
struct Served {
  std::size_t deployment = 0;
  Fault fault = Fault::None;
  std::int64_t begun_us = 0;
  bool answering = false;                      // Some of the body of a 200 has been sent, and it is no error's.
  bool whole = false;                          // All of it, to its proper end.
  bool partial = false;                        // Broken inside of one piece: how much of `text` went out nobody knows.
  bool let_go = false;                         // The gateway closed first,
  bool left = false;                           // because the caller had hung up.
  std::int64_t answering_us = 0, sent_us = 0;  // When the first of it was sent, and the latest.
  std::string text;                            // The answer as far as it was sent.
  std::optional<std::uint64_t> input, output;  // What it said that it used.
};

/// A call from its beginning to its judgement.
struct Case {
  Ask ask;
  std::unique_ptr<pipeline::FakeExchange> exchange;
  std::int64_t left_us = 0;  // When the caller hung up; 0: never.
  int records = 0;           // How often its end was told.
  std::vector<std::shared_ptr<Served>> served;

  void leave(std::int64_t now_us);
};

/// The calls under way, by number: what callers and providers know of each other.
class Cases {
 public:
  Case& open(Ask ask);
  /// Null: it has been closed.
  Case* find(std::uint32_t number);
  void close(std::uint32_t number);
  std::size_t size() const { return open_.size(); }

  /// A provider is asked for this call. What was on its way when the caller left is nobody's mistake.
  void note_asked(std::uint32_t number, std::int64_t now_us);
  /// How often one was for a call that had ended, or whose caller had gone.
  std::size_t asked_in_vain() const { return asked_in_vain_; }

 private:
  std::unordered_map<std::uint32_t, Case> open_;
  std::unordered_map<std::uint32_t, std::int64_t> left_us_;  // Of those that were left.
  std::size_t asked_in_vain_ = 0;
};

}  // namespace turnpike::storm
