#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::storm {

/// The dialects of the storm's providers.
enum class Shape : std::uint8_t { OpenAi, Anthropic };

/// What a provider says that it used.
struct Tokens {
  std::uint64_t input = 0;
  std::uint64_t output = 0;
};

/// A piece of a streamed answer, and what has been said once it is out.
struct Piece {
  std::string bytes;
  std::string_view text;               // What the answer grows by.
  std::optional<std::uint64_t> input;  // Counts that it names for good.
  std::optional<std::uint64_t> output;
};

/// Errors of providers, in the words that count.
enum class Refusal : std::uint8_t { Broken, Overloaded, TooMany, WrongKey, NoCredit, BadRequest, TooLong, Policy };
struct Refused {
  int status;
  std::string body;
};

/// The answer whose text is `words`, whole; without `tokens` it says nothing of usage.
std::string whole_answer(Shape shape, const std::vector<std::string>& words, const std::optional<Tokens>& tokens);
/// The same as a stream: its head first, then a piece for each word, then its end.
std::vector<Piece> streamed_answer(Shape shape, const std::vector<std::string>& words,
                                   const std::optional<Tokens>& tokens);
/// An event of a stream that nobody can read, and one that says that something went wrong.
std::string malformed_event(Shape shape);
std::string error_event(Shape shape);
/// The body of an error, also as it stands in a 200.
Refused refused(Shape shape, Refusal refusal);

/// `count` words that no JSON needs to escape.
std::vector<std::string> words_of(std::uint64_t seed, std::size_t count);

}  // namespace turnpike::storm
