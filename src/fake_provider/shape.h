#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fake_provider/answer.h"
#include "fake_provider/ask.h"

namespace turnpike::fake_provider {

constexpr std::int64_t kCreated = 1'700'000'000;  // A fixed day: answers are the same in every run.

/// The dialect of one kind of vendor, told from his side.
class Shape {
 public:
  virtual ~Shape() = default;

  virtual std::string_view name() const = 0;
  /// A whole good answer.
  virtual std::string whole(const Answer& answer) const = 0;
  virtual std::string_view whole_type(AskKind kind) const;
  /// The events of a good stream in the order in which they leave.
  virtual std::vector<Event> events(const Answer& answer) const = 0;
  virtual std::string_view stream_type() const { return "text/event-stream"; }

  /// The body of an error that has a status of its own; what goes into its head is appended to `fields`.
  virtual std::string error(const VendorError& error, std::string& fields) const = 0;
  /// The body of an answer that says 200 and is an error.
  virtual std::string error_in_200(const VendorError& error) const {
    std::string fields;  // Nothing of them is in the head of a good answer.
    return this->error(error, fields);
  }
  /// The same inside of a stream.
  virtual Event error_event(const VendorError& error) const = 0;
  /// An event that nobody can read.
  virtual Event broken_event() const = 0;

  virtual bool says_retry_after_in_head() const { return true; }
  /// Whether usage tells these apart: where it does not, they are not accounted for either.
  virtual bool counts_cached() const { return true; }
  virtual bool counts_reasoning() const { return false; }
};

const Shape& openai_shape();
const Shape& azure_shape();
const Shape& watsonx_shape();
const Shape& anthropic_shape();
const Shape& gemini_shape();
const Shape& vertex_shape();
const Shape& vertex_claude_shape();
const Shape& vertex_openai_shape();  // Mistral and AI21 in rawPredict.
const Shape& bedrock_shape();
const Shape& bedrock_claude_shape();  // InvokeModel
const Shape& cohere_shape();
const Shape& ollama_shape();

/// The answer's id where the script gives none: the same for the same content, then a number that tells repetitions
/// apart.
std::string answer_id(const Ask& ask, std::uint64_t number);

/// The events as they leave: a good stream, and what the script breaks of it.
std::vector<Event> scripted_events(const Answer& answer);
/// A whole answer, or what the script puts in its place.
std::string scripted_whole(const Answer& answer);

/// Why a text ends, before each vendor says it in his own word.
enum class Ending : std::uint8_t { Stop, Length, Tools, Refused };
Ending ending_of(const Answer& answer);

/// Pieces that several shapes share.
std::string tool_id(const Ask& ask, std::string_view prefix, std::int64_t number);
std::string tool_arguments(std::int64_t number);  // An object: {"city":"Town 1"}
/// The same, cut as it is streamed.
std::vector<std::string> tool_argument_pieces(std::int64_t number);
std::string sse(std::string_view data);
std::string named_sse(std::string_view name, std::string_view data);
/// "[0.25,-0.5]"; values are exact in binary and short in decimal, so that base64 says the same.
std::string vector_json(const Ask& ask, std::int64_t number);
std::string vector_base64(const Ask& ask, std::int64_t number);
/// The same for each input, with commas.
std::string vectors_json(const Ask& ask);
/// Names for a list of models.
std::vector<std::string_view> model_names();

}  // namespace turnpike::fake_provider
