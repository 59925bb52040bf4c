#include "protocol/openai_fields.h"
#include "protocol/own_fields.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

/// Reads the members of an attempt's sources, the most important source first; what is given stays.
class ParamReader {
 public:
  ParamReader(FieldReader& reader, ChatRequest& request) : reader_(reader), request_(request) {}

  void read_source(const Value& root);
  void read_stream(const Value& root) {
    request_.stream = reader_.flag(root.find("stream"), FieldPath("stream")).value_or(false);
  }

 private:
  using Read = void (ParamReader::*)(const Value&, const FieldPath&);
  struct Field {
    std::string_view name;
    Param param;
    Read read;
    bool older = false;  // Gives way to the other spelling in the same source.
  };
  static const Field kFields[];

  static const Field* find_field(std::string_view name);
  void read_extra(std::string_view key, const Value& value);
  void read_prompt(const Value& value, const FieldPath& path);

  template <std::string_view ChatRequest::* kMember>
  void text(const Value& value, const FieldPath& path) {
    request_.*kMember = reader_.text(value, path);
  }
  template <std::string_view ChatRequest::* kMember>
  void number(const Value& value, const FieldPath& path) {
    request_.*kMember = reader_.number(value, path);
  }
  template <std::string_view ChatRequest::* kMember>
  void object(const Value& value, const FieldPath& path) {
    request_.*kMember = reader_.object(value, path);
  }
  template <std::string_view ChatRequest::* kMember>
  void anything(const Value& value, const FieldPath&) {
    request_.*kMember = value.raw();
  }
  template <std::optional<bool> ChatRequest::* kMember>
  void flag(const Value& value, const FieldPath& path) {
    request_.*kMember = reader_.flag(value, path);
  }
  void max_tokens(const Value& value, const FieldPath& path) { request_.max_tokens = reader_.count(value, path); }
  void choices(const Value& value, const FieldPath& path) {
    request_.choices = reader_.count(value, path).value_or(1);
    if (request_.choices == 0) reader_.refuse(path, "must be 1 or more");
  }
  void stop(const Value& value, const FieldPath& path) {
    request_.stop.clear();
    if (value.is(Kind::String)) {
      request_.stop.push_back(reader_.text(value, path));
    } else {
      request_.stop = reader_.texts(value, path);
    }
    if (request_.stop.empty()) request_.given.clear(Param::Stop);
  }
  void modalities(const Value& value, const FieldPath& path) { request_.modalities = reader_.texts(value, path); }
  void logprobs(const Value& value, const FieldPath& path) {
    if (!value.is(Kind::Number)) {
      request_.logprobs = reader_.flag(value, path);
      return;
    }
    // A text completion asks with the count itself.
    request_.logprobs = true;
    request_.top_logprobs = value.raw();
    request_.given.set(Param::TopLogprobs);
  }
  void tools(const Value& value, const FieldPath& path) {
    read_tools(value, path, reader_, request_);
    if (request_.tools.empty()) request_.given.clear(Param::Tools);
  }
  void functions(const Value& value, const FieldPath& path) {
    read_functions(value, path, reader_, request_);
    if (request_.tools.empty()) request_.given.clear(Param::Tools);
  }
  void tool_choice(const Value& value, const FieldPath& path) {
    read_tool_choice(value, path, reader_, request_.tool_choice);
  }
  void function_call(const Value& value, const FieldPath& path) {
    read_function_call(value, path, reader_, request_.tool_choice);
  }
  void response_format(const Value& value, const FieldPath& path) {
    read_response_format(value, path, reader_, request_.response_format);
    // Plain text is what comes anyway.
    if (request_.response_format.kind == ResponseFormat::Kind::Text) request_.given.clear(Param::ResponseFormat);
  }
  void reasoning_effort(const Value& value, const FieldPath& path);
  void thinking(const Value& value, const FieldPath& path);

  FieldReader& reader_;
  ChatRequest& request_;
};

const ParamReader::Field ParamReader::kFields[] = {
    {"temperature", Param::Temperature, &ParamReader::number<&ChatRequest::temperature>},
    {"max_tokens", Param::MaxTokens, &ParamReader::max_tokens, true},
    {"max_completion_tokens", Param::MaxTokens, &ParamReader::max_tokens},
    {"tools", Param::Tools, &ParamReader::tools},
    {"tool_choice", Param::ToolChoice, &ParamReader::tool_choice},
    {"functions", Param::Tools, &ParamReader::functions, true},
    {"function_call", Param::ToolChoice, &ParamReader::function_call, true},
    {"parallel_tool_calls", Param::ParallelToolCalls, &ParamReader::flag<&ChatRequest::parallel_tool_calls>},
    {"response_format", Param::ResponseFormat, &ParamReader::response_format},
    {"reasoning_effort", Param::ReasoningEffort, &ParamReader::reasoning_effort},
    {"thinking", Param::Thinking, &ParamReader::thinking},
    {"top_p", Param::TopP, &ParamReader::number<&ChatRequest::top_p>},
    {"top_k", Param::TopK, &ParamReader::number<&ChatRequest::top_k>},
    {"n", Param::Choices, &ParamReader::choices},
    {"stop", Param::Stop, &ParamReader::stop},
    {"presence_penalty", Param::PresencePenalty, &ParamReader::number<&ChatRequest::presence_penalty>},
    {"frequency_penalty", Param::FrequencyPenalty, &ParamReader::number<&ChatRequest::frequency_penalty>},
    {"logit_bias", Param::LogitBias, &ParamReader::object<&ChatRequest::logit_bias_json>},
    {"logprobs", Param::Logprobs, &ParamReader::logprobs},
    {"top_logprobs", Param::TopLogprobs, &ParamReader::number<&ChatRequest::top_logprobs>},
    {"seed", Param::Seed, &ParamReader::number<&ChatRequest::seed>},
    {"user", Param::User, &ParamReader::text<&ChatRequest::user>},
    {"verbosity", Param::Verbosity, &ParamReader::text<&ChatRequest::verbosity>},
    {"modalities", Param::Modalities, &ParamReader::modalities},
    {"audio", Param::Audio, &ParamReader::object<&ChatRequest::audio_json>},
    {"prediction", Param::Prediction, &ParamReader::object<&ChatRequest::prediction_json>},
    {"service_tier", Param::ServiceTier, &ParamReader::text<&ChatRequest::service_tier>},
    {"store", Param::Store, &ParamReader::flag<&ChatRequest::store>},
    {"metadata", Param::Metadata, &ParamReader::anything<&ChatRequest::metadata_json>},
    {"web_search_options", Param::WebSearchOptions, &ParamReader::object<&ChatRequest::web_search_options_json>},
    {"prompt_cache_key", Param::PromptCacheKey, &ParamReader::text<&ChatRequest::prompt_cache_key>},
    {"prompt_cache_retention", Param::PromptCacheRetention, &ParamReader::text<&ChatRequest::prompt_cache_retention>},
    {"prompt_cache_options", Param::PromptCacheOptions, &ParamReader::object<&ChatRequest::prompt_cache_options_json>},
    {"safety_identifier", Param::SafetyIdentifier, &ParamReader::text<&ChatRequest::safety_identifier>},
    {"moderation", Param::Moderation, &ParamReader::anything<&ChatRequest::moderation_json>},
};

const ParamReader::Field* ParamReader::find_field(std::string_view name) {
  for (const Field& field : kFields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

void ParamReader::reasoning_effort(const Value& value, const FieldPath& path) {
  request_.reasoning_summary = {};
  if (!value.is(Kind::Object)) {
    request_.reasoning_effort = reader_.text(value, path);
    return;
  }
  request_.reasoning_effort = reader_.text(value.find("effort"), FieldPath(path, "effort"));
  request_.reasoning_summary = reader_.text(value.find("summary"), FieldPath(path, "summary"));
}

void ParamReader::thinking(const Value& value, const FieldPath& path) {
  Thinking& thinking = request_.thinking;
  thinking = {};
  thinking.json = reader_.object(value, path);
  if (thinking.json.empty()) return;
  const FieldPath at(path, "type");
  const std::string_view type = reader_.required_text(value.find("type"), at);
  thinking.budget_tokens = reader_.count(value.find("budget_tokens"), FieldPath(path, "budget_tokens"));
  if (type == "enabled") {
    thinking.kind = Thinking::Kind::Enabled;
  } else if (type == "adaptive" || type == "between_tools") {
    thinking.kind = Thinking::Kind::Adaptive;
  } else if (type == "disabled") {
    thinking.kind = Thinking::Kind::Disabled;
  } else {
    reader_.refuse(at, "must be enabled, adaptive or disabled");
  }
}

// A text completion where only chat is served: its prompt is one user message.
void ParamReader::read_prompt(const Value& value, const FieldPath& path) {
  Value prompt = value;
  std::size_t prompts = 0;
  for (const Value element : value.elements()) {
    prompt = element;
    ++prompts;
  }
  if (prompts > 1 || !prompt.is(Kind::String)) {
    reader_.refuse(path, "must be one text: the provider serves chat only");
    return;
  }
  request_.messages.emplace_back().blocks.emplace_back().text = reader_.text(prompt, path);
}

void ParamReader::read_extra(std::string_view key, const Value& value) {
  for (const ChatRequest::Extra& extra : request_.extras) {
    if (extra.key == key) return;
  }
  request_.extras.push_back({key, value.raw()});
}

void ParamReader::read_source(const Value& root) {
  const ParamSet before = request_.given;
  Value extra_body;
  for (const Value::Pair& pair : root.members()) {
    if (!given(pair.value)) continue;
    const auto name = text_in(pair.key, reader_.made());
    const std::string_view key = name.value_or(std::string_view());
    const FieldPath path(key);
    if (const Field* field = find_field(key)) {
      const ParamSet& first = field->older ? request_.given : before;
      if (first.has(field->param)) continue;
      request_.given.set(field->param);
      (this->*field->read)(pair.value, path);
    } else if (key == "messages") {
      if (request_.messages.empty()) read_messages(pair.value, path, reader_, request_);
    } else if (key == "prompt") {
      if (request_.messages.empty()) read_prompt(pair.value, path);
    } else if (key == "extra_body") {
      extra_body = pair.value;
    } else if (!key.empty() && key != "model" && key != "stream" && key != "stream_options" && !is_own_field(key)) {
      read_extra(key, pair.value);
    }
    if (reader_.failed()) return;
  }
  if (extra_body) read_source(extra_body);
}

}  // namespace

Result<ChatRequest> parse_openai_chat(const ChatSources& sources) {
  ChatRequest request;
  FieldReader reader(request.texts);
  ParamReader params(reader, request);
  for (const std::string_view* source : {&sources.overrides_json, &sources.body, &sources.defaults_json}) {
    if (source->empty()) continue;
    json::Document document;
    if (auto parsed = document.parse(*source); !parsed) {
      return base::fail(ErrorKind::InvalidRequest, "The request body is " + parsed.error().message);
    }
    if (!document.root().is(Kind::Object)) {
      return base::fail(ErrorKind::InvalidRequest, "The parameters of a call must be a JSON object");
    }
    params.read_source(document.root());
    if (source == &sources.body) params.read_stream(document.root());
    if (reader.failed()) return base::fail(reader.take_fault());
  }
  if (request.messages.empty()) reader.refuse(FieldPath("messages"), "must hold at least one message");
  if (reader.failed()) return base::fail(reader.take_fault());
  return request;
}

}  // namespace turnpike::protocol
