#include "protocol/openai_stream.h"

#include <cstring>

#include "base/text.h"
#include "json/write.h"
#include "protocol/answer_error.h"
#include "protocol/error_face.h"
#include "protocol/openai_chunk.h"
#include "protocol/openai_error.h"
#include "protocol/openai_reply.h"
#include "protocol/sse_decoder.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

constexpr std::size_t kEventBytesMax = 4 << 20;
constexpr std::size_t kWholeBodyMax = 8 << 20;
constexpr std::size_t kIdBytesMax = 256;

json::Range whole(const Value::Pair& pair) {
  return {pair.key.range().begin, pair.value.range().end};
}

/// The members of a chunk that we look at.
struct Chunk {
  Value id;
  Value object;
  Value created;
  Value model;
  Value choices;
  Value usage;
  Value x_groq_usage;
  Value service_tier;
  Value citations;
  Value search_results;
};

}  // namespace

struct OpenAiStream::State {
  explicit State(StreamOptions given)
      : options(std::move(given)),
        decoder(kEventBytesMax),
        choices(options.operation, options.fallback_id, options.count_text, options.quirks),
        quoted_model(json::quoted(options.shown_model)),
        object(options.operation == domain::Operation::Completion ? "\"text_completion\""
                                                                  : "\"chat.completion.chunk\"") {
    constexpr std::size_t kBeyondSmall = 256;
    out.reserve(kBeyondSmall);  // Never in the string's own small buffer: `out` is swapped while pieces point into it.
  }

  enum class Form : std::uint8_t { Unknown, Events, Whole };

  Status take(const std::vector<SseEvent>& taken);
  Status take_event(const SseEvent& event);
  Status take_chunk(std::string_view json);
  Status take_whole_body();
  bool complete() const { return choices.all_finished(options.choices); }
  Status end();
  void learn(const Chunk& chunk);
  void edit_head(const Value& root, const Chunk& chunk);
  void end_event(std::size_t begin);
  void append_event(std::string_view json);
  void append_made_chunk(std::string_view elements);
  void append_usage_event();
  void settle_identity();
  const std::string& plain_text();

  StreamOptions options;
  SseDecoder decoder;
  StreamChoices choices;
  std::string quoted_model;
  std::string_view object;
  Form form = Form::Unknown;
  std::string front;  // Bytes before the form is known, then the whole body if it is no event stream.

  std::string id;         // Shown and recorded; the first the provider gives.
  std::string quoted_id;  // Fixed when the first chunk leaves.
  std::string created;
  bool identity_settled = false;

  std::optional<domain::Usage> usage;
  std::string usage_text;   // The `usage` object for the caller.
  std::string usage_chunk;  // The provider's own usage chunk, head edited, if it sent one by itself.
  std::string service_tier;
  std::string text;  // Un-escaped copy of the choices' first `text_raw_bytes` raw bytes.
  std::size_t text_raw_bytes = 0;
  bool done = false;
  bool owes_usage = false;
  bool content_seen = false;

  std::vector<SseEvent> events;
  Edits edits;
  std::string out;
  std::string given_out;  // What `out` held before the last events were written.
};

// Made anew only when there is more: views into it stay good until then.
const std::string& OpenAiStream::State::plain_text() {
  const std::string& raw = choices.raw_text();
  if (text_raw_bytes != raw.size()) {
    text_raw_bytes = raw.size();
    text = json::unescape(raw).value_or(raw);
  }
  return text;
}

// The provider's id and time hold for the whole stream, ours where it gives none.
void OpenAiStream::State::settle_identity() {
  if (identity_settled) return;
  identity_settled = true;
  if (quoted_id.empty()) {
    id = options.fallback_id;
    quoted_id = json::quoted(id);
  }
  if (created.empty()) created = std::to_string(options.created_s);
}

void OpenAiStream::State::learn(const Chunk& chunk) {
  if (quoted_id.empty() && chunk.id.is(Kind::String) && !chunk.id.inner().empty() &&
      chunk.id.inner().size() <= kIdBytesMax) {
    quoted_id = chunk.id.raw();
    id = chunk.id.text().value_or("");
  }
  if (created.empty() && chunk.created.is(Kind::Number)) {
    constexpr double kFirstMilliseconds = 1e11;  // The year 5138 in seconds, 1973 in milliseconds.
    double seconds = chunk.created.number().value_or(0);
    if (seconds >= kFirstMilliseconds) seconds /= 1000;
    if (seconds >= 1 && seconds < kFirstMilliseconds) created = std::to_string(static_cast<std::int64_t>(seconds));
  }
  if (chunk.service_tier.is(Kind::String)) service_tier = chunk.service_tier.text().value_or("");
  const Value& said = chunk.usage.is(Kind::Object) ? chunk.usage : chunk.x_groq_usage;
  if (auto read = read_usage(said)) {
    usage_text = shown_usage(options.operation, said, *read).value_or(std::string(said.raw()));
    usage = std::move(read);
  }
}

// Plans the edits of everything outside `choices`.
void OpenAiStream::State::edit_head(const Value& root, const Chunk& chunk) {
  std::string added;
  const auto set = [&](const Value& value, std::string_view name, std::string_view wanted) {
    if (!value) {
      added.append("\"").append(name).append("\":").append(wanted).append(",");
    } else if (value.raw() != wanted) {
      edits.replace(value.range(), wanted);
    }
  };
  set(chunk.id, "id", quoted_id);
  set(chunk.object, "object", object);
  set(chunk.created, "created", created);
  set(chunk.model, "model", quoted_model);
  if (options.include_usage) set(chunk.usage, "usage", "null");
  if (const std::string_view tier = shown_tier(chunk.service_tier.inner()); !tier.empty()) {
    edits.replace(chunk.service_tier.range(), json::quoted(tier));
  }
  if (!added.empty()) edits.insert(root.range().begin + 1, added);
}

// Line ends between the tokens of a chunk (pretty-printed JSON, several `data:` lines) would end the event's line.
void OpenAiStream::State::end_event(std::size_t begin) {
  for (char* c = out.data() + begin; c != out.data() + out.size(); ++c) {
    c = static_cast<char*>(std::memchr(c, '\n', static_cast<std::size_t>(out.data() + out.size() - c)));
    if (c == nullptr) break;
    *c = ' ';
  }
  out += "\n\n";
}

void OpenAiStream::State::append_event(std::string_view json) {
  const std::size_t begin = out.size();
  out += "data: ";
  edits.apply(json, out);
  end_event(begin);
}

void OpenAiStream::State::append_made_chunk(std::string_view elements) {
  out.append("data: {\"id\":").append(quoted_id).append(",\"object\":").append(object);
  out.append(",\"created\":").append(created).append(",\"model\":").append(quoted_model);
  out.append(",\"choices\":[").append(elements).append("]");
  if (options.include_usage) out += ",\"usage\":null";
  out += "}\n\n";
}

Status OpenAiStream::State::take_chunk(std::string_view json) {
  json::Document document;
  if (auto parsed = document.parse(json); !parsed)
    return unreadable_stream(options.provider_label, parsed.error().message, json);
  const Value root = document.root();
  if (!root.is(Kind::Object)) return unreadable_stream(options.provider_label, "an event is no JSON object", json);

  edits.clear();
  Chunk chunk;
  Remover remover(edits);
  bool suspicious = false;
  for (const Value::Pair& pair : root.members()) {
    const std::string_view key = pair.key.inner();
    bool keep = true;
    if (key == "id") {
      chunk.id = pair.value;
    } else if (key == "object") {
      chunk.object = pair.value;
      suspicious |= pair.value.inner() == "error";
    } else if (key == "created") {
      chunk.created = pair.value;
    } else if (key == "model") {
      chunk.model = pair.value;
    } else if (key == "choices") {
      chunk.choices = pair.value;
    } else if (key == "usage") {
      chunk.usage = pair.value;
      keep = options.include_usage;
    } else if (key == "x_groq") {
      chunk.x_groq_usage = pair.value.find("usage");
      keep = !chunk.x_groq_usage;
    } else if (key == "service_tier") {
      chunk.service_tier = pair.value;
    } else if (key == "citations") {
      chunk.citations = pair.value;
    } else if (key == "search_results") {
      chunk.search_results = pair.value;
    } else if (key == "error" || key == "base_resp" || key == "detail" || key == "errors") {
      suspicious = true;
    }
    if (keep) {
      remover.keep(whole(pair));
    } else {
      remover.remove(whole(pair));
    }
  }
  remover.finish();
  if (suspicious && holds_error(root)) return base::fail(read_error(0, json, options.provider_label, {}));
  learn(chunk);

  if (chunk.choices.elements().empty()) {
    // Pings, Azure's filter results, usage. Only usage is worth keeping, for the end.
    if (options.include_usage && usage && chunk.usage.is(Kind::Object) && chunk.choices.is(Kind::Array)) {
      usage_chunk = json;
    }
    return {};
  }

  if (options.quirks.cites) choices.sources().read(chunk.citations, chunk.search_results);
  const StreamChoices::Outcome outcome = choices.edit(chunk.choices, edits);
  if (!outcome.broke_off.empty()) return base::fail(broke_off_error(outcome.broke_off, options.provider_label));
  if (!outcome.any_left) return {};
  settle_identity();
  if (!outcome.before.empty()) append_made_chunk(outcome.before);
  edit_head(root, chunk);
  append_event(json);
  content_seen |= outcome.content;
  return {};
}

void OpenAiStream::State::append_usage_event() {
  if (usage_text.empty()) return;
  json::Document document;
  if (!usage_chunk.empty() && document.parse(usage_chunk)) {
    // The provider's own chunk, with what it says besides (service tier, fingerprint).
    Chunk chunk;
    const Value root = document.root();
    chunk.id = root.find("id");
    chunk.object = root.find("object");
    chunk.created = root.find("created");
    chunk.model = root.find("model");
    chunk.service_tier = root.find("service_tier");
    edits.clear();
    const Value said = root.find("usage");
    if (said.raw() != usage_text) edits.replace(said.range(), usage_text);
    const bool asked = std::exchange(options.include_usage, false);
    edit_head(root, chunk);
    options.include_usage = asked;
    append_event(usage_chunk);
    return;
  }
  const std::size_t begin = out.size();
  out.append("data: {\"id\":").append(quoted_id).append(",\"object\":").append(object);
  out.append(",\"created\":").append(created).append(",\"model\":").append(quoted_model);
  out.append(",\"choices\":[],\"usage\":").append(usage_text).append("}");
  end_event(begin);
}

// The stream is complete: what is still owed, in order.
Status OpenAiStream::State::end() {
  if (!choices.any()) {
    return ended_empty(options.provider_label);
  }
  settle_identity();
  for (const std::string& element : choices.finish_rest()) append_made_chunk(element);
  content_seen = true;
  done = true;
  if (options.include_usage && (!usage || usage->input_unsaid || usage->output_unsaid)) {
    owes_usage = true;
    return {};
  }
  if (options.include_usage) append_usage_event();
  out += "data: [DONE]\n\n";
  return {};
}

Status OpenAiStream::State::take_event(const SseEvent& event) {
  const std::string_view data = base::trim(event.data);
  if (event.name == "error") return base::fail(read_error(0, data, options.provider_label, {}));
  if (data.empty()) return {};
  if (data.starts_with("[DONE]")) return end();  // Only one line end behind it joins what follows to it.
  return take_chunk(data);
}

Status OpenAiStream::State::take(const std::vector<SseEvent>& taken) {
  for (const SseEvent& event : taken) {
    if (done) break;
    if (auto status = take_event(event); !status) return status;
  }
  return {};
}

// The provider ignored `stream` or failed in another dress: HTML of a proxy, a JSON error, a whole reply.
Status OpenAiStream::State::take_whole_body() {
  json::Document document;
  if (!document.parse(front)) {
    if (base::trim(front).starts_with('<')) {
      return page_for_stream(options.provider_label, front);
    }
    return ended_early(options.provider_label);
  }
  Value root = document.root();
  if (root.is(Kind::Array)) {
    for (const Value element : root.elements()) {
      root = element;
      break;
    }
  }
  if (holds_error(root)) return base::fail(read_error(0, front, options.provider_label, {}));
  if (!root.find("choices").is(Kind::Array))
    return unreadable_stream(options.provider_label, "it is no event stream", front);

  // A whole reply: the same bytes as one chunk.
  Edits renamed;
  for (const Value choice : root.find("choices").elements()) {
    for (const Value::Pair& pair : choice.members()) {
      if (pair.key.inner() == "message") renamed.replace(pair.key.range(), "\"delta\"");
    }
  }
  std::string as_chunk;
  renamed.apply(front, as_chunk);
  if (auto taken = take_chunk(as_chunk); !taken) return taken;
  return end();
}

OpenAiStream::OpenAiStream(StreamOptions options) : state_(std::make_unique<State>(std::move(options))) {}
OpenAiStream::~OpenAiStream() = default;

Status OpenAiStream::feed(std::string_view bytes, std::vector<std::string_view>& pieces) {
  State& state = *state_;
  state.out.clear();
  if (state.done) return {};
  if (state.form == State::Form::Unknown) {
    // The first byte that is neither space nor byte order mark tells events from a whole body.
    state.front += bytes;
    std::string_view seen = state.front;
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (seen.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(seen)) return {};
    if (seen.starts_with(kByteOrderMark)) seen.remove_prefix(kByteOrderMark.size());
    seen = base::trim(seen);
    if (seen.empty()) return {};
    const bool whole_body = seen[0] == '{' || seen[0] == '[' || seen[0] == '<';
    state.form = whole_body ? State::Form::Whole : State::Form::Events;
    bytes = {};
    if (whole_body) return {};
  } else if (state.form == State::Form::Whole) {
    if (state.front.size() + bytes.size() > kWholeBodyMax) {
      return unreadable_stream(state.options.provider_label, "it is no event stream", state.front);
    }
    state.front += bytes;
    return {};
  }
  state.events.clear();
  Status status =
      state.front.empty() ? state.decoder.feed(bytes, state.events) : state.decoder.feed(state.front, state.events);
  // Events before the fault are good.
  if (auto taken = state.take(state.events); !taken) status = taken;
  state.front.clear();
  if (!state.out.empty()) pieces.push_back(state.out);
  return status;
}

Status OpenAiStream::finish(std::vector<std::string_view>& pieces) {
  State& state = *state_;
  state.out.clear();
  if (state.done) return {};
  Status status;
  if (state.form == State::Form::Whole) {
    status = state.take_whole_body();
  } else {
    state.events.clear();
    status = state.decoder.finish(state.events);
    const Status taken = state.take(state.events);
    // Half an event is a stream cut off, not a provider that cannot write JSON.
    if (!taken && taken.error().kind != ErrorKind::UpstreamMalformed) {
      status = taken;
    } else if (!state.done) {
      status = state.complete() ? state.end() : Status(ended_early(state.options.provider_label));
    }
  }
  if (!state.out.empty()) pieces.push_back(state.out);
  return status;
}

bool OpenAiStream::done() const {
  return state_->done;
}
bool OpenAiStream::owes_usage() const {
  return state_->owes_usage;
}
std::string_view OpenAiStream::last_events(const domain::Usage& counted) {
  State& state = *state_;
  state.owes_usage = false;
  if (!counted.empty()) state.usage_text = usage_json(state.options.operation, counted);
  state.given_out.swap(state.out);  // Pieces point into it.
  state.out.clear();
  state.append_usage_event();
  state.out += "data: [DONE]\n\n";
  return state.out;
}
bool OpenAiStream::content_seen() const {
  return state_->content_seen;
}
const std::string& OpenAiStream::id() const {
  return state_->id;
}
const std::string& OpenAiStream::finish_reason() const {
  return state_->choices.finish_reason();
}
const std::optional<domain::Usage>& OpenAiStream::usage() const {
  return state_->usage;
}
const std::string& OpenAiStream::service_tier() const {
  return state_->service_tier;
}
std::uint64_t OpenAiStream::raw_text_bytes() const {
  return state_->choices.text_bytes();
}
bool OpenAiStream::complete() const {
  return state_->done || state_->complete();
}
bool OpenAiStream::choice_seen() const {
  return state_->choices.any();
}

const std::string& OpenAiStream::text_for_count() const {
  return state_->plain_text();
}

std::uint64_t OpenAiStream::text_bytes() const {
  return state_->choices.unescaped_bytes(text_for_count().size());
}

std::string broken_stream_events(const Error& error) {
  return "data: " + openai_error_body(error) + "\n\ndata: [DONE]\n\n";
}

}  // namespace turnpike::protocol
