#include "protocol/operation_reply.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/base64.h"
#include "base/text.h"
#include "json/write.h"
#include "protocol/edits.h"

namespace turnpike::protocol {
namespace {

using domain::Operation;
using domain::Unit;
using json::Kind;
using json::Value;

tl::unexpected<Error> unreadable(const ReplyOptions& options, std::string_view why, std::string_view body) {
  constexpr std::size_t kShownMax = 500;
  return base::fail(ErrorKind::UpstreamMalformed,
                    "litellm.APIError: " + std::string(options.provider_label) +
                        "Exception - the answer cannot be read: " + std::string(why),
                    mask_secrets(body.substr(0, kShownMax)));
}

/// The member that an answer must have.
std::string_view results_name(Operation operation) {
  switch (operation) {
    case Operation::Embedding:
    case Operation::ImageGeneration:
    case Operation::ImageEdit:
      return "data";
    case Operation::Moderation:
    case Operation::Rerank:
      return "results";
    case Operation::Transcription:
    case Operation::Translation:
      return "text";
    case Operation::Chat:
    case Operation::Completion:
    case Operation::Speech:
      break;
  }
  return {};
}

/// "8.47", 8.47: seconds as milliseconds.
std::uint64_t milliseconds_of(const Value& seconds) {
  constexpr double kSecondsMax = 7.0 * 24 * 3600;
  double length = seconds.number().value_or(0);
  if (const auto text = seconds.text()) {
    const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), length);
    if (failed != std::errc() || end != text->data() + text->size()) return 0;
  }
  if (!(length > 0) || length > kSecondsMax) return 0;
  return static_cast<std::uint64_t>(std::llround(length * 1000));
}

/// Puts vectors into the encoding that was asked for, where the provider has another.
Status edit_vectors(const Value& data, bool base64, const ReplyOptions& options, std::string_view body, Edits& edits) {
  for (const Value item : data.elements()) {
    const Value vector = item.find("embedding");
    if (!vector.is(base64 ? Kind::Array : Kind::String)) return {};  // As asked for, or something of its own.
    const std::optional<std::string> other = base64 ? vector_as_base64(vector) : vector_as_list(vector.inner());
    if (!other) return unreadable(options, "a vector is neither numbers nor base64", body);
    edits.replace(vector.range(), *other);
  }
  return {};
}

/// Some say the categories only (Mistral): what callers look at first is whether any of them holds.
void add_flagged(const Value& results, Edits& edits) {
  for (const Value result : results.elements()) {
    const Value categories = result.find("categories");
    if (result.find("flagged") || !categories.is(Kind::Object)) continue;
    bool any = false;
    for (const Value::Pair& category : categories.members()) any |= category.value.boolean().value_or(false);
    edits.insert(result.range().begin + 1, any ? "\"flagged\":true," : "\"flagged\":false,");
  }
}

void move_count(domain::Usage& usage, Unit from, Unit to) {
  const std::uint64_t count = usage.of(from);
  usage.set(from, 0);
  usage.set(to, usage.of(to) + count);
}

void read_audio_usage(const Value& usage, ReplyFacts& facts) {
  if (usage.find("type").text() == "duration") {
    facts.audio_ms = milliseconds_of(usage.find("seconds"));
    return;
  }
  facts.usage = read_usage(usage);
  if (!facts.usage || facts.usage->of(Unit::AudioInputTokens) > 0) return;
  // The details are spelled in the singular here.
  const std::uint64_t heard = usage.find("input_token_details").find("audio_tokens").whole().value_or(0);
  const std::uint64_t input = facts.usage->of(Unit::InputTokens);
  if (heard == 0 || heard > input) return;
  facts.usage->set(Unit::InputTokens, input - heard);
  facts.usage->set(Unit::AudioInputTokens, heard);
}

/// A transcript that is no JSON: text, srt, vtt.
bool is_plain(const ReplyOptions& options, std::string_view body) {
  if (!domain::reads_audio(options.operation)) return false;
  if (options.content_type.empty()) return !base::trim(body).starts_with('{');
  return !options.content_type.starts_with("application/json");
}

}  // namespace

void read_operation_usage(Operation operation, const Value& usage, ReplyFacts& facts) {
  if (!usage.is(Kind::Object)) return;
  if (domain::reads_audio(operation)) return read_audio_usage(usage, facts);
  facts.usage = read_usage(usage);
  if (!facts.usage) return;
  if (domain::makes_images(operation) && facts.usage->of(Unit::ImageOutputTokens) == 0) {
    move_count(*facts.usage, Unit::OutputTokens, Unit::ImageOutputTokens);
  }
  if (operation == Operation::Speech) move_count(*facts.usage, Unit::OutputTokens, Unit::AudioOutputTokens);
}

Result<ReplyFacts> read_operation_reply(const ReplyOptions& options, bool base64, std::string_view body,
                                        std::string& scratch, std::vector<std::string_view>& pieces) {
  if (is_plain(options, body)) {
    pieces.push_back(body);
    return ReplyFacts{};
  }
  json::Document document;
  if (auto parsed = document.parse(body); !parsed) return unreadable(options, parsed.error().message, body);
  const Value root = document.root();
  if (!root.is(Kind::Object)) return unreadable(options, "it is no JSON object", body);
  if (holds_error(root)) return base::fail(read_error(0, body, options.provider_label, {}));
  enum : std::size_t { kResults, kId, kModel, kUsage, kDuration, kCount };
  const std::string_view results = results_name(options.operation);
  if (results.empty()) return unreadable(options, "it is JSON where sound was asked for", body);
  const std::array<std::string_view, kCount> names = {results, "id", "model", "usage", "duration"};
  std::array<Value, kCount> found;
  root.find_each(names, found);
  if (!found[kResults].is(domain::reads_audio(options.operation) ? Kind::String : Kind::Array)) {
    return unreadable(options, "it has no '" + std::string(results) + "'", body);
  }

  ReplyFacts facts;
  Edits edits;
  facts.id = found[kId].text().value_or("");
  if (const Value& model = found[kModel]; model.is(Kind::String)) {
    facts.model = model.text().value_or("");
    edits.replace(model.range(), json::quoted(options.shown_model));
  }
  read_operation_usage(options.operation, found[kUsage], facts);
  if (facts.audio_ms == 0 && domain::reads_audio(options.operation)) facts.audio_ms = milliseconds_of(found[kDuration]);
  if (domain::makes_images(options.operation)) {
    for ([[maybe_unused]] const Value image : found[kResults].elements()) ++facts.images;
  }
  if (options.operation == Operation::Moderation) add_flagged(found[kResults], edits);
  if (options.operation == Operation::Embedding) {
    if (!found[kModel]) {
      edits.insert(root.range().begin + 1, "\"model\":" + json::quoted(options.shown_model) + ",");
    }
    if (facts.usage && !adds_up(found[kUsage], *facts.usage)) {
      edits.replace(found[kUsage].range(), usage_json(options.operation, *facts.usage));
    }
    if (Status edited = edit_vectors(found[kResults], base64, options, body, edits); !edited) {
      return base::fail(std::move(edited.error()));
    }
  }
  edits.owned_pieces(body, scratch, pieces);
  return facts;
}

std::optional<std::string> vector_as_base64(const Value& numbers) {
  if (!numbers.is(Kind::Array)) return std::nullopt;
  std::string bytes;
  for (const Value number : numbers.elements()) {
    if (!number.is(Kind::Number)) return std::nullopt;
    const std::string_view text = number.raw();
    float value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed == std::errc::invalid_argument) return std::nullopt;  // Too small for a float: 0.
    std::uint32_t word = 0;
    std::memcpy(&word, &value, sizeof word);
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(word >> shift & 0xffU));
  }
  return "\"" + base::to_base64(bytes) + "\"";
}

std::optional<std::string> vector_as_list(std::string_view base64) {
  const std::optional<std::string> bytes = base::from_base64(base64);
  if (!bytes || bytes->size() % sizeof(float) != 0) return std::nullopt;
  std::string list = "[";
  for (std::size_t at = 0; at < bytes->size(); at += sizeof(float)) {
    std::uint32_t word = 0;
    for (std::size_t i = sizeof word; i-- > 0;) word = word << 8 | static_cast<unsigned char>((*bytes)[at + i]);
    float value = 0;
    std::memcpy(&value, &word, sizeof value);
    if (!std::isfinite(value)) return std::nullopt;
    std::array<char, 32> text{};
    const auto [end, failed] = std::to_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc()) return std::nullopt;
    if (at > 0) list.push_back(',');
    list.append(text.data(), end);
  }
  list.push_back(']');
  return list;
}

}  // namespace turnpike::protocol
