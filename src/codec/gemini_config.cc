#include <algorithm>
#include <array>

#include "codec/gemini_request.h"
#include "codec/json_schema_subset.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using json::Writer;
using protocol::ChatRequest;
using protocol::Param;

// What a caller may say in Google's own words, and where it stands (npm @google/genai: GenerateContentConfig).
constexpr std::array<std::string_view, 7> kTopMembers = {
    "safetySettings", "cachedContent", "labels", "toolConfig", "modelArmorConfig", "serviceTier", "continuationToken"};
constexpr std::array<std::string_view, 22> kConfigMembers = {"responseModalities",
                                                             "responseMimeType",
                                                             "responseSchema",
                                                             "responseJsonSchema",
                                                             "responseFormat",
                                                             "responseLogprobs",
                                                             "thinkingConfig",
                                                             "speechConfig",
                                                             "mediaResolution",
                                                             "audioTimestamp",
                                                             "imageConfig",
                                                             "routingConfig",
                                                             "enableAffectiveDialog",
                                                             "candidateCount",
                                                             "maxOutputTokens",
                                                             "stopSequences",
                                                             "topK",
                                                             "topP",
                                                             "presencePenalty",
                                                             "frequencyPenalty",
                                                             "audioTranscriptionConfig",
                                                             "enableEnhancedCivicAnswers"};

template <std::size_t N>
bool one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The members of an object in the making; who comes first wins.
class Members {
 public:
  void set(std::string_view name, std::string_view json) {
    if (!has(name)) members_.emplace_back(name, json);
  }
  bool has(std::string_view name) const {
    return std::any_of(members_.begin(), members_.end(), [&](const auto& member) { return member.first == name; });
  }
  bool empty() const { return members_.empty(); }
  void write(Writer& writer) const {
    for (const auto& [name, json] : members_) writer.key(name).raw(json);
  }

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

tl::unexpected<Error> refuse(std::string_view param, std::string message) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = param;
  error.message = std::move(message);
  return base::fail(std::move(error));
}

std::string list_of(const std::vector<std::string_view>& texts) {
  std::string json;
  Writer writer(json);
  writer.begin_array();
  for (const std::string_view text : texts) writer.string(text);
  writer.end_array();
  return json;
}

class ConfigWriter {
 public:
  ConfigWriter(const GeminiCall& call, const ChatRequest& request) : call_(call), request_(request) {}

  Status write(Writer& body);

 private:
  void take_own_words();
  void take_object(std::string_view json);
  void set_sampling();
  void set_thinking();
  Status set_format();
  Status set_modalities();
  void set_labels();

  const GeminiCall& call_;
  const ChatRequest& request_;
  Members top_;
  Members config_;
};

void ConfigWriter::take_object(std::string_view json) {
  json::Document document;
  if (!document.parse(json)) return;
  for (const Value::Pair& pair : document.root().members()) {
    config_.set(camel_case(pair.key.text().value_or("")), pair.value.raw());
  }
}

void ConfigWriter::take_own_words() {
  for (const ChatRequest::Extra& extra : request_.extras) {
    const std::string name = camel_case(extra.key);
    if (name == "generationConfig") {
      take_object(extra.json);
    } else if (one_of(name, kConfigMembers)) {
      config_.set(name, extra.json);
    } else if (one_of(name, kTopMembers)) {
      top_.set(name, extra.json);
    } else if (!call_.drop) {
      top_.set(extra.key, extra.json);  // Google says what it thinks of it.
    }
  }
}

void ConfigWriter::set_sampling() {
  const auto number = [this](std::string_view name, std::string_view value) {
    if (!value.empty()) config_.set(name, value);
  };
  number("temperature", request_.temperature);
  number("topP", request_.top_p);
  number("topK", request_.top_k);
  if (request_.given.has(Param::Choices)) config_.set("candidateCount", std::to_string(request_.choices));
  if (request_.max_tokens) config_.set("maxOutputTokens", std::to_string(*request_.max_tokens));
  if (!request_.stop.empty()) config_.set("stopSequences", list_of(request_.stop));
  number("seed", request_.seed);
  number("presencePenalty", request_.presence_penalty);
  number("frequencyPenalty", request_.frequency_penalty);
  if (request_.logprobs == true) {
    config_.set("responseLogprobs", "true");
    number("logprobs", request_.top_logprobs);
  }
}

void ConfigWriter::set_thinking() {
  using Thinking = protocol::Thinking::Kind;
  const protocol::Thinking& asked = request_.thinking;
  if (config_.has("thinkingConfig")) return;
  GeminiThinking thinking;
  if (asked.kind == Thinking::Disabled) {
    thinking = gemini_thinking(call_.model, "none");
  } else if (asked.kind == Thinking::Enabled && asked.budget_tokens) {
    thinking.budget = static_cast<std::int64_t>(std::min<std::uint64_t>(*asked.budget_tokens, 1U << 30U));
    thinking.shown = thinking.budget > 0;
  } else if (!request_.reasoning_effort.empty()) {
    thinking = gemini_thinking(call_.model, request_.reasoning_effort);
  } else if (asked.kind == Thinking::Unset) {
    return;
  }
  std::string json;
  Writer writer(json);
  writer.begin_object();
  if (!thinking.level.empty()) {
    writer.key("thinkingLevel").string(thinking.level);
  } else if (thinking.budget >= 0 || !call_.model.third()) {
    writer.key("thinkingBudget").number(thinking.budget);
  }
  writer.key("includeThoughts").boolean(thinking.shown).end_object();
  config_.set("thinkingConfig", json);
}

Status ConfigWriter::set_format() {
  using Format = protocol::ResponseFormat::Kind;
  const protocol::ResponseFormat& format = request_.response_format;
  if (format.kind != Format::JsonObject && format.kind != Format::JsonSchema) return {};
  config_.set("responseMimeType", R"("application/json")");
  if (format.schema_json.empty() || config_.has("responseSchema") || config_.has("responseJsonSchema")) return {};
  const bool as_json_schema = call_.model.takes_json_schema();
  Result<std::string> schema =
      as_json_schema ? gemini_json_schema(format.schema_json) : gemini_schema(format.schema_json, true);
  if (!schema) return refuse("response_format", "'response_format': " + schema.error().message);
  config_.set(as_json_schema ? "responseJsonSchema" : "responseSchema", *schema);
  return {};
}

// {"voice":"Kore","format":"pcm16"} and what is to come back.
Status ConfigWriter::set_modalities() {
  std::vector<std::string> names;
  for (const std::string_view modality : request_.modalities) {
    std::string name(modality);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    names.push_back(std::move(name));
  }
  const bool speaks = std::find(names.begin(), names.end(), "AUDIO") != names.end();
  // OpenAI's clients must ask for text beside the sound; Google's models give one of them.
  if (speaks || (names.empty() && !request_.audio_json.empty())) names = {"AUDIO"};
  if (!names.empty() && names != std::vector<std::string>{"TEXT"}) {
    config_.set("responseModalities", list_of({names.begin(), names.end()}));
  }
  if (request_.audio_json.empty()) return {};
  json::Document document;
  if (!document.parse(request_.audio_json)) return {};
  const std::string format = document.root().find("format").text().value_or("pcm16");
  if (format != "pcm16" && !call_.drop) {
    return refuse("audio", "'audio.format': Google's models speak pcm16 only");
  }
  const Value voice = document.root().find("voice");
  if (!voice.is(Kind::String) || config_.has("speechConfig")) return {};
  std::string json;
  Writer writer(json);
  writer.begin_object().key("voiceConfig").begin_object().key("prebuiltVoiceConfig").begin_object();
  writer.key("voiceName").raw(voice.raw()).end_object().end_object().end_object();
  config_.set("speechConfig", json);
  return {};
}

bool is_label(std::string_view text) {
  constexpr std::size_t kLabelMax = 63;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  return text.size() <= kLabelMax && std::all_of(text.begin(), text.end(), fits);
}

// Billing labels of Google Cloud: what of the caller's metadata can be one.
void ConfigWriter::set_labels() {
  json::Document document;
  if (!call_.vertex || top_.has("labels") || !document.parse(request_.metadata_json)) return;
  std::string json;
  Writer writer(json);
  bool any = false;
  writer.begin_object();
  for (const Value::Pair& pair : document.root().members()) {
    const std::string name = pair.key.text().value_or("");
    const std::optional<std::string> value = pair.value.text();
    if (name.empty() || !value || !is_label(name) || !is_label(*value)) continue;
    writer.key(name).string(*value);
    any = true;
  }
  writer.end_object();
  if (any) top_.set("labels", json);
}

Status ConfigWriter::write(Writer& body) {
  take_own_words();
  set_sampling();
  if (Status set = set_format(); !set) return set;
  if (Status set = set_modalities(); !set) return set;
  set_thinking();
  set_labels();
  const std::string_view tier = request_.service_tier;
  if (!call_.vertex && (tier == "flex" || tier == "priority")) top_.set("serviceTier", json::quoted(tier));
  if (!config_.empty()) {
    body.key("generationConfig").begin_object();
    config_.write(body);
    body.end_object();
  }
  top_.write(body);
  return {};
}

}  // namespace

std::string camel_case(std::string_view name) {
  std::string camel;
  bool up = false;
  for (const char c : name) {
    if (c == '_' && !camel.empty()) {
      up = true;
      continue;
    }
    camel += up && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    up = false;
  }
  return camel;
}

Status write_gemini_config(const GeminiCall& call, const ChatRequest& request, Writer& body) {
  return ConfigWriter(call, request).write(body);
}

}  // namespace turnpike::codec
