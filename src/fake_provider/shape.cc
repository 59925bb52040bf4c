#include "fake_provider/shape.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "base/base64.h"
#include "fake_provider/fault.h"

namespace turnpike::fake_provider {
namespace {

/// What an error inside of a good status says: what the script names, else that the calls are too many.
VendorError error_in_200(const Ask& ask) {
  const Fault named = ask.script.fault == Fault::None ? Fault::RateLimit : ask.script.fault;
  return find_vendor_error(*ask.shape, named).value_or(VendorError{429, "", "", "scripted error", -1});
}

VendorError error_midway(const Ask& ask) {
  return find_vendor_error(*ask.shape, Fault::ServerError).value_or(VendorError{500, "", "", "scripted error", -1});
}

std::vector<float> vector_of(const Ask& ask, std::int64_t number) {
  std::vector<float> values;
  std::uint64_t state = ask.content_hash + static_cast<std::uint64_t>(number);
  for (std::int64_t d = 0; d < ask.dimensions; ++d) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    values.push_back(static_cast<float>(state >> 54) / 1024.0F - 0.5F);
  }
  return values;
}

}  // namespace

std::string_view Shape::whole_type(AskKind) const {
  return "application/json";
}

std::string answer_id(const Ask& ask, std::uint64_t number) {
  if (!ask.script.id.empty()) return ask.script.id;
  return fmt::format("{}-{:016x}{:08x}", ask.kind == AskKind::Completion ? "cmpl" : "chatcmpl", ask.content_hash,
                     number);
}

std::vector<Event> scripted_events(const Answer& answer) {
  const Script& script = answer.ask.script;
  const Shape& shape = *answer.ask.shape;
  if (script.error_in_200) return {shape.error_event(error_in_200(answer.ask))};
  std::vector<Event> events = shape.events(answer);
  const auto shorten = [&](std::int64_t count) {
    if (count >= 0 && static_cast<std::size_t>(count) < events.size()) events.resize(static_cast<std::size_t>(count));
  };
  if (script.malformed_sse && events.size() > 2) events[2] = shape.broken_event();
  shorten(script.cut_after);
  shorten(script.end_after);
  if (script.error_after >= 0) {
    shorten(script.error_after);
    events.push_back(shape.error_event(error_midway(answer.ask)));
  }
  return events;
}

std::string scripted_whole(const Answer& answer) {
  const Script& script = answer.ask.script;
  if (script.error_in_200) return answer.ask.shape->error_in_200(error_in_200(answer.ask));
  std::string body = answer.ask.shape->whole(answer);
  if (script.malformed_json) body.resize(body.size() / 2);
  return body;
}

Ending ending_of(const Answer& answer) {
  if (answer.ask.blocked) return Ending::Refused;
  if (answer.ask.script.tool_calls > 0) return Ending::Tools;
  return answer.tokens.cut_by_limit ? Ending::Length : Ending::Stop;
}

std::string tool_id(const Ask& ask, std::string_view prefix, std::int64_t number) {
  return fmt::format("{}_{:016x}{:02}", prefix, ask.content_hash, number);
}

std::string tool_arguments(std::int64_t number) {
  return fmt::format(R"({{"city":"Town {}"}})", number);
}

std::vector<std::string> tool_argument_pieces(std::int64_t number) {
  return {R"({"city":)", fmt::format(R"("Town {}"}})", number)};
}

std::string sse(std::string_view data) {
  return "data: " + std::string(data) + "\n\n";
}

std::string named_sse(std::string_view name, std::string_view data) {
  return "event: " + std::string(name) + "\n" + sse(data);
}

std::string vector_json(const Ask& ask, std::int64_t number) {
  std::string list = "[";
  for (const float value : vector_of(ask, number)) list += fmt::format("{}{}", list.size() > 1 ? "," : "", value);
  return list + "]";
}

std::string vector_base64(const Ask& ask, std::int64_t number) {
  const std::vector<float> values = vector_of(ask, number);
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return base::to_base64(bytes);
}

std::string vectors_json(const Ask& ask) {
  std::string list;
  for (std::int64_t i = 0; i < ask.inputs; ++i) {
    if (i > 0) list += ',';
    list += vector_json(ask, i);
  }
  return list;
}

std::vector<std::string_view> model_names() {
  return {"fake-model", "fake-embedding", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small"};
}

}  // namespace turnpike::fake_provider
