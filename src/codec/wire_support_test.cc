// What the fixture tests share; holds no test of its own.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/text.h"
#include "codec/wire_support.h"
#include "json/document.h"
#include "json/write.h"
#include "protocol/error_face.h"
#include "protocol/openai_stream.h"
#include "provider/aim.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;

struct Row {
  std::string_view shape, provider, model, base_url, api_version;
  std::vector<std::string> traits;
  std::vector<std::pair<std::string, std::string>> params;
};

const std::vector<std::string>& usual_traits() {
  static const std::vector<std::string> traits = {
      "supports_function_calling", "supports_parallel_function_calling",
      "supports_tool_choice",      "supports_vision",
      "supports_pdf_input",        "supports_response_schema",
      "supports_system_messages",  "supports_prompt_caching",
  };
  return traits;
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"openai", "openai", "wire-model", "https://api.openai.com/v1", "", {}, {}},
      {"azure", "azure", "my-deployment", "https://contoso.openai.azure.com", "2024-10-21", {}, {}},
      {"anthropic",
       "anthropic",
       "wire-model",
       "https://api.anthropic.com",
       "",
       {"supports_reasoning", "supports_native_structured_output"},
       {}},
      {"gemini",
       "gemini",
       "gemini-2.5-flash",  // The generation stands in the name alone.
       "https://generativelanguage.googleapis.com",
       "",
       {"supports_reasoning", "supports_audio_input", "supports_video_input"},
       {}},
      {"vertex",
       "vertex_ai",
       "gemini-2.5-flash",
       "https://us-central1-aiplatform.googleapis.com/v1/projects/wire-project/locations/us-central1",
       "",
       {"supports_reasoning", "supports_audio_input", "supports_video_input"},
       {{"vertex_project", "wire-project"}, {"vertex_location", "us-central1"}}},
      {"bedrock",
       "bedrock",
       "anthropic.wire-model-v1:0",
       "https://bedrock-runtime.us-east-1.amazonaws.com",
       "",
       {"supports_reasoning"},
       {{"aws_region_name", "us-east-1"}}},
      {"cohere", "cohere_chat", "wire-model", "https://api.cohere.com", "", {"supports_reasoning"}, {}},
      {"ollama", "ollama", "wire-model", "http://localhost:11434", "", {"supports_reasoning"}, {}},
      {"watsonx",
       "watsonx",
       "wire/model",
       "https://us-south.ml.cloud.ibm.com",
       "2025-02-06",
       {},
       {{"watsonx_project_id", "wire-project"}}},
  };
  return all;
}

struct Said {
  std::string content, reasoning, refusal, images, annotations, finish;
  std::map<std::uint64_t, std::array<std::string, 3>> calls;  // Id, name, arguments.
};

void add_text(std::string& to, const Value& value) {
  if (value.is(Kind::String)) to += value.text().value_or("?");
}

void add_message(Said& said, const Value& message) {
  add_text(said.content, message.find("content"));
  add_text(said.reasoning, message.find("reasoning_content"));
  add_text(said.refusal, message.find("refusal"));
  for (const Value& image : message.find("images").elements()) said.images += json::compact(image.raw());
  for (const Value& entry : message.find("annotations").elements()) said.annotations += json::compact(entry.raw());
  std::uint64_t position = 0;
  for (const Value& call : message.find("tool_calls").elements()) {
    auto& entry = said.calls[call.find("index").whole().value_or(position)];
    ++position;
    add_text(entry[0], call.find("id"));
    add_text(entry[1], call.find("function").find("name"));
    add_text(entry[2], call.find("function").find("arguments"));
  }
}

void add_answer(std::map<std::uint64_t, Said>& choices, std::string& usage, const Value& root) {
  for (const Value& choice : root.find("choices").elements()) {
    Said& said = choices[choice.find("index").whole().value_or(0)];
    Value message = choice.find("message");
    if (!message) message = choice.find("delta");
    add_message(said, message);
    add_text(said.finish, choice.find("finish_reason"));
  }
  if (root.find("usage").is(Kind::Object)) usage = json::compact(root.find("usage").raw());
}

std::string show(const std::map<std::uint64_t, Said>& choices, const std::string& usage) {
  std::string text;
  for (const auto& [index, said] : choices) {
    text += std::to_string(index) + " content " + said.content + "\n  reasoning " + said.reasoning + "\n  refusal " +
            said.refusal + "\n  images " + said.images + "\n  annotations " + said.annotations + "\n";
    for (const auto& [at, call] : said.calls) {
      text += "  call " + std::to_string(at) + " " + call[0] + " " + call[1] + " " + json::compact(call[2]) + "\n";
    }
    text += "  finish " + said.finish + "\n";
  }
  return text + "usage " + usage;
}

void append_u32(std::string& out, std::uint64_t value) {
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFFU);
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out += static_cast<char>(name.size());
  out += name;
  out += '\x07';
  out += static_cast<char>(value.size() >> 8U);
  out += static_cast<char>(value.size() & 0xFFU);
  out += value;
}

std::uint64_t crc(const std::string& bytes) {
  return crc32(0, reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
}

std::string frame(std::string_view type, bool exception, std::string_view payload) {
  std::string headers;
  append_header(headers, exception ? ":exception-type" : ":event-type", type);
  append_header(headers, ":content-type", "application/json");
  append_header(headers, ":message-type", exception ? "exception" : "event");
  std::string out;
  append_u32(out, headers.size() + payload.size() + 16);
  append_u32(out, headers.size());
  append_u32(out, crc(out));
  out += headers;
  out += payload;
  append_u32(out, crc(out));
  return out;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

void expect_file(const std::filesystem::path& path, const std::string& text) {
  if (std::getenv("UPDATE_FIXTURES") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  ASSERT_TRUE(std::filesystem::exists(path)) << path << " is missing; UPDATE_FIXTURES=1 writes it";
  EXPECT_EQ(text, read_file(path)) << path;
}

ShapeTarget target_of_shape(std::string_view shape, const std::filesystem::path& overrides) {
  ShapeTarget target;
  target.provider = shape;
  target.model = "wire-model";
  target.traits = usual_traits();
  for (const Row& row : rows()) {
    if (row.shape != shape) continue;
    target = {std::string(row.provider),    std::string(row.model), std::string(row.base_url),
              std::string(row.api_version), target.traits,          row.params};
    target.traits.insert(target.traits.end(), row.traits.begin(), row.traits.end());
  }
  if (!std::filesystem::exists(overrides)) return target;
  const std::string text = read_file(overrides);
  json::Document document;
  EXPECT_TRUE(document.parse(text)) << overrides;
  for (const Value::Pair& pair : document.root().members()) {
    const std::string key = pair.key.text().value_or("");
    const std::string value = pair.value.text().value_or("");
    if (key == "provider") target.provider = value;
    if (key == "model") target.model = value;
    if (key == "base") target.base_url = value;
    if (key == "api_version") target.api_version = value;
    if (key == "drop_params") target.drop_params = pair.value.boolean().value_or(false);
    if (key == "modify_params") target.modify_params = pair.value.boolean().value_or(false);
    if (key == "traits") {
      target.traits.clear();
      for (const Value& trait : pair.value.elements()) target.traits.push_back(trait.text().value_or(""));
    }
    for (const Value::Pair& param : pair.value.members()) {
      if (key == "params") target.params.emplace_back(param.key.text().value_or(""), param.value.text().value_or(""));
    }
  }
  return target;
}

std::unique_ptr<TestCall> aimed_call(const ShapeTarget& shape, std::string body, domain::Operation operation,
                                     std::string_view content_type) {
  auto call = std::make_unique<TestCall>(shape.provider, std::move(body), operation, std::string_view(), content_type);
  provider::Target& target = call->target;
  if (target.provider == nullptr) return call;
  target.model = shape.model;
  target.shape = provider::shape_of(*target.provider, shape.model);
  const std::string base_url = shape.base_url.empty() ? std::string(target.provider->base_url) : shape.base_url;
  Result<http::BaseUrl> base = http::parse_base_url(base_url);
  EXPECT_TRUE(base) << base_url;
  if (base) target.base = std::move(*base);
  target.api_version = shape.api_version;
  for (const auto& [name, value] : shape.params) target.params.emplace_back(name, base::Secret(value));
  target.drop_unsupported = shape.drop_params;
  target.modify_params = shape.modify_params;
  call->credential.token = base::Secret("sk-fixture");
  if (shape.provider == "bedrock") {
    call->credential.kind = credential::Credential::Kind::Aws;
    call->credential.token = {};
    call->credential.access_key_id = base::Secret("AKIDEXAMPLE");
    call->credential.secret_access_key = base::Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  }
  if (shape.provider == "vertex_ai") call->credential.kind = credential::Credential::Kind::Bearer;
  domain::ModelTraits& traits = call->input->traits;
  traits.listed = true;
  traits.max_output_tokens = 8192;
  for (const std::string& field : shape.traits) {
    const bool lacks = field.starts_with('!');
    bool known = false;
    for (std::size_t i = 0; i < domain::kTraitCount; ++i) {
      const auto trait = static_cast<domain::Trait>(i);
      if (domain::trait_field(trait) != field.substr(lacks ? 1 : 0)) continue;
      traits.set(trait, !lacks);
      known = true;
    }
    EXPECT_TRUE(known) << field;
  }
  return call;
}

std::string request_text(const Encoded& encoded) {
  return std::string(encoded.method) + " " + encoded.path + "\r\n" + encoded.fields + "\r\n" + body_of(encoded);
}

std::string usage_text(const std::optional<domain::Usage>& usage) {
  std::string text = "{";
  if (usage) {
    for (const domain::UnitCount& entry : usage->counts) {
      if (text.size() > 1) text += ", ";
      text += json::quoted(domain::unit_name(entry.unit)) + ": " + std::to_string(entry.count);
    }
    if (usage->provider_cost_nano) text += ", \"provider_cost_nano\": " + std::to_string(*usage->provider_cost_nano);
  }
  return text + "}\n";
}

std::string error_text(const Error& error) {
  std::string text = std::to_string(protocol::status_of(error)) + " " + std::string(domain::kind_name(error.kind));
  if (error.retry_after) text += ", retry after " + std::to_string(error.retry_after->count()) + " ms";
  return text + "\n" + protocol::openai_error_body(error) + "\n";
}

std::string field_of(std::string_view fields, std::string_view name) {
  for (const std::string_view line : base::split(fields, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && base::equals_ignoring_case(line.substr(0, colon), name))
      return std::string(base::trim(line.substr(colon + 1)));
  }
  return {};
}

std::string frames_of(std::string_view lines) {
  std::string out;
  for (std::string_view line : base::split(lines, '\n')) {
    line = base::trim(line);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const bool exception = line.starts_with('!');
    out += frame(line.substr(exception ? 1 : 0, space - (exception ? 1 : 0)), exception, line.substr(space + 1));
  }
  return out;
}

Followed follow(protocol::ReplyStream& stream, const Parts& parts) {
  Followed followed;
  std::vector<std::string_view> pieces;
  const auto take = [&] {
    for (const std::string_view piece : pieces) followed.events += piece;
    pieces.clear();
  };
  Status status;
  for (const std::string_view part : parts) {
    const auto copy = std::make_unique<std::string>(part);
    status = stream.feed(*copy, pieces);
    take();
    if (!status) break;
  }
  if (status && !stream.done()) {
    status = stream.finish(pieces);
    take();
  }
  if (!status) followed.events += protocol::broken_stream_events(status.error());
  if (status && stream.owes_usage()) followed.events += stream.last_events({});
  followed.usage = stream.usage();
  return followed;
}

void expect_same_however_cut(std::string_view bytes, const Followed& whole,
                             const std::function<Followed(const Parts&)>& follow_parts) {
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    const Followed cut_in_two = follow_parts({bytes.substr(0, cut), bytes.substr(cut)});
    ASSERT_EQ(cut_in_two.events, whole.events) << "cut at " << cut;
    ASSERT_EQ(usage_text(cut_in_two.usage), usage_text(whole.usage)) << "cut at " << cut;
  }
  Parts single;
  for (std::size_t at = 0; at < bytes.size(); ++at) single.push_back(bytes.substr(at, 1));
  EXPECT_EQ(follow_parts(single).events, whole.events) << "byte by byte";
}

std::string meaning_of_reply(std::string_view reply) {
  std::map<std::uint64_t, Said> choices;
  std::string usage;
  json::Document document;
  EXPECT_TRUE(document.parse(reply)) << reply;
  add_answer(choices, usage, document.root());
  return show(choices, usage);
}

std::string meaning_of_stream(std::string_view events) {
  std::map<std::uint64_t, Said> choices;
  std::string usage;
  for (const std::string_view line : base::split(events, '\n')) {
    if (!line.starts_with("data: {")) continue;
    json::Document document;
    EXPECT_TRUE(document.parse(line.substr(6))) << line;
    add_answer(choices, usage, document.root());
  }
  return show(choices, usage);
}

}  // namespace turnpike::codec
