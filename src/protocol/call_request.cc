#include "protocol/call_request.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "protocol/field_readers.h"
#include "protocol/key_set.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

// A second spelling of one of these could mean one thing to us and another to the provider.
constexpr std::string_view kActedKeys[] = {
    "model",
    "stream",
    "stream_options",
    "messages",
    "prompt",
    "input",
    "query",
    "documents",
    "n",
    "size",
    "quality",
    "max_tokens",
    "max_completion_tokens",
    "user",
    "metadata",
    "litellm_metadata",
    "tags",
    "allowed_model_region",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "max_fallbacks",
    "disable_fallbacks",
    "num_retries",
    "max_retries",
    "timeout",
    "request_timeout",
    "stream_timeout",
    "mock_response",
    "mock_timeout",
    "mock_delay",
    "mock_testing_fallbacks",
    "mock_testing_context_fallbacks",
    "mock_testing_context_window_fallbacks",
    "mock_testing_content_policy_fallbacks",
    "mock_testing_rate_limit_error",
    "extra_body",
};

// What the model reads or is held to: names in there are the caller's own (a tool may well have a parameter api_key).
constexpr std::string_view kForTheModel[] = {
    "messages",        "prompt",
    "input",           "query",
    "tools",           "tool_choice",
    "functions",       "function_call",
    "response_format", "prediction",
    "documents",       "guided_json",
    "json_schema",     "structured_outputs",
    "guided_choice",   "chat_template_kwargs",
    "logit_bias",      "stop",
    "suffix",          "text",
    "mock_response",
};

constexpr std::string_view kModerationModel = "omni-moderation-latest";  // What OpenAI takes when none is named.
constexpr std::uint64_t kChoicesMax = 128;
constexpr std::size_t kFallbacksMax = 32;
constexpr std::size_t kTagsMax = 64;
constexpr std::uint64_t kRetriesMax = 100;

/// Fills a CallRequest field by field; the first fault wins.
class Reader {
 public:
  explicit Reader(CallRequest& call) : call_(call) {}

  Status read(const json::Scan& scan, const Value& root);

 private:
  Status read_field(std::string_view key, const Value& value);
  Status read_tags(const Value& value, std::string_view param);
  Status read_metadata(const Value& value, std::string_view param);
  Status read_metadata_object(const Value& object, std::string_view param);
  Status read_stream_options(const Value& value);

  CallRequest& call_;
  std::string metadata_user_;  // metadata.user_id: the last place to look for an end user.
  std::string litellm_metadata_user_;
  std::optional<std::uint64_t> max_tokens_;
  std::optional<std::uint64_t> max_retries_;
  std::optional<std::uint64_t> choices_;
  std::optional<double> request_timeout_;
};

Status Reader::read_tags(const Value& value, std::string_view param) {
  if (value.is(Kind::Null)) return {};
  if (!value.is(Kind::Array)) return refuse(param, "'" + std::string(param) + "' must be a list of strings");
  for (const Value element : value.elements()) {
    auto tag = element.text();
    if (!tag) return refuse(param, "'" + std::string(param) + "' must be a list of strings");
    if (call_.tags.size() == kTagsMax) {
      return refuse(param, "'" + std::string(param) + "' holds more than " + std::to_string(kTagsMax) + " tags");
    }
    if (std::find(call_.tags.begin(), call_.tags.end(), *tag) == call_.tags.end()) {
      call_.tags.push_back(std::move(*tag));
    }
  }
  return {};
}

Status Reader::read_metadata_object(const Value& object, std::string_view param) {
  if (!object.is(Kind::Object)) return refuse(param, "'" + std::string(param) + "' must be an object");
  if (auto checked = check_redirects(object); !checked) return checked;
  if (const Value tags = object.find("tags")) {
    if (auto read = read_tags(tags, std::string(param) + ".tags"); !read) return read;
  }
  if (const Value logs = object.find("spend_logs_metadata"); logs.is(Kind::Object)) {
    call_.spend_logs_metadata_json = logs.raw();
  }
  if (param == "metadata") {
    call_.metadata_json = object.raw();
    if (const auto user = object.find("user_id").text()) metadata_user_ = *user;
  } else if (const auto user = object.find("user").text()) {
    litellm_metadata_user_ = *user;
  }
  return {};
}

Status Reader::read_metadata(const Value& value, std::string_view param) {
  if (value.is(Kind::Null)) return {};
  // Multipart callers send it as JSON inside a string.
  if (const auto text = value.text()) {
    json::Document document;
    if (!document.parse(*text)) return refuse(param, "'" + std::string(param) + "' must be an object");
    return read_metadata_object(document.root(), param);
  }
  return read_metadata_object(value, param);
}

Status Reader::read_stream_options(const Value& value) {
  if (value.is(Kind::Null)) return {};
  if (!value.is(Kind::Object)) return refuse("stream_options", "'stream_options' must be an object");
  if (const Value include = value.find("include_usage")) {
    return read_flag(include, "stream_options.include_usage", call_.include_usage);
  }
  return {};
}

Status Reader::read_field(std::string_view key, const Value& value) {
  constexpr std::uint64_t kTokensMax = 1'000'000'000;
  // Ordered by first letter: most keys of a body are none of ours and leave after one comparison of a character.
  switch (key.empty() ? '\0' : key[0]) {
    case 'a':
      if (key == "allowed_model_region") return read_text(value, key, call_.allowed_model_region);
      break;
    case 'c':
      if (key == "context_window_fallbacks")
        return read_fallbacks(value, key, kFallbacksMax, call_.context_window_fallbacks);
      if (key == "content_policy_fallbacks")
        return read_fallbacks(value, key, kFallbacksMax, call_.content_policy_fallbacks);
      break;
    case 'd':
      if (key == "disable_fallbacks") return read_flag(value, key, call_.disable_fallbacks);
      break;
    case 'e':
      if (key == "extra_body") {
        if (value.is(Kind::Null)) return {};
        if (!value.is(Kind::Object)) return refuse(key, "'extra_body' must be an object");
        return check_redirects(value);
      }
      break;
    case 'f':
      if (key == "fallbacks") return read_fallbacks(value, key, kFallbacksMax, call_.fallbacks);
      break;
    case 'l':
      if (key == "litellm_metadata") return read_metadata(value, key);
      if (key == "litellm_params") return check_redirects(value);
      break;
    case 'm':
      if (key == "max_tokens") return read_count(value, key, kTokensMax, max_tokens_);
      if (key == "max_completion_tokens") return read_count(value, key, kTokensMax, call_.output_tokens_max);
      if (key == "metadata") return read_metadata(value, key);
      if (key == "max_fallbacks") return read_count(value, key, kFallbacksMax, call_.max_fallbacks);
      if (key == "max_retries") return read_count(value, key, kRetriesMax, max_retries_);
      if (key == "mock_timeout") return read_flag(value, key, call_.mock_timeout);
      if (key == "mock_delay") return read_seconds(value, key, call_.mock_delay_seconds);
      if (key == "mock_testing_fallbacks") return read_flag(value, key, call_.mock_testing_fallbacks);
      if (key == "mock_testing_context_fallbacks" || key == "mock_testing_context_window_fallbacks") {
        return read_flag(value, key, call_.mock_testing_context_fallbacks);
      }
      if (key == "mock_testing_content_policy_fallbacks") {
        return read_flag(value, key, call_.mock_testing_content_policy_fallbacks);
      }
      if (key == "mock_testing_rate_limit_error") return read_flag(value, key, call_.mock_testing_rate_limit_error);
      if (key == "mock_response") {
        if (!value.is(Kind::Null)) call_.mock_response_json = value.raw();
        return {};
      }
      break;
    case 'n':
      if (key == "n") return read_count(value, key, kChoicesMax, choices_);
      if (key == "num_retries") return read_count(value, key, kRetriesMax, call_.num_retries);
      break;
    case 'r':
      if (key == "request_timeout") return read_seconds(value, key, request_timeout_);
      break;
    case 's':
      if (key == "stream") return read_flag(value, key, call_.stream);
      if (key == "stream_options") return read_stream_options(value);
      if (key == "stream_timeout") return read_seconds(value, key, call_.stream_timeout_seconds);
      if (key == "service_tier") call_.service_tier = value.text().value_or("");
      break;
    case 't':
      if (key == "timeout") return read_seconds(value, key, call_.timeout_seconds);
      if (key == "tags") return read_tags(value, key);
      break;
    case 'u':
      if (key == "user") return read_text(value, key, call_.user);
      break;
    default:
      break;
  }
  return {};
}

Status Reader::read(const json::Scan& scan, const Value& root) {
  std::size_t at = 0;
  for (const Value::Pair& pair : root.members()) {
    const std::string_view key = scan.members[at++].key;
    if (redirects(key)) return refuse_redirect(key);
    if (auto read = read_field(key, pair.value); !read) return read;
    static constexpr KeySet kModels{kForTheModel};
    const bool nests = pair.value.is(Kind::Object) || pair.value.is(Kind::Array);
    if (!nests || kModels.has(key)) continue;
    if (auto checked = check_redirects(pair.value); !checked) return checked;
  }
  if (!call_.output_tokens_max) call_.output_tokens_max = max_tokens_;
  if (!call_.num_retries) call_.num_retries = max_retries_;
  if (!call_.timeout_seconds) call_.timeout_seconds = request_timeout_;
  if (choices_) {
    if (*choices_ == 0) return refuse("n", "'n' must be 1 or more");
    call_.choices = *choices_;
  }
  if (call_.user.empty()) call_.user = litellm_metadata_user_;
  if (call_.user.empty()) call_.user = metadata_user_;
  return {};
}

bool never_streams(domain::Operation operation) {
  using domain::Operation;
  return operation == Operation::Embedding || operation == Operation::Rerank || operation == Operation::Moderation;
}

/// The fields without which there is nothing to do.
std::span<const std::string_view> content_fields(domain::Operation operation) {
  static constexpr std::string_view kChat[] = {"messages"};
  static constexpr std::string_view kPrompt[] = {"prompt"};
  static constexpr std::string_view kInput[] = {"input"};
  static constexpr std::string_view kRerank[] = {"query", "documents"};
  switch (operation) {
    case domain::Operation::Chat:
      return kChat;
    case domain::Operation::Completion:
    case domain::Operation::ImageGeneration:
    case domain::Operation::ImageEdit:
      return kPrompt;
    case domain::Operation::Embedding:
    case domain::Operation::Moderation:
    case domain::Operation::Speech:
      return kInput;
    case domain::Operation::Rerank:
      return kRerank;
    case domain::Operation::Transcription:
    case domain::Operation::Translation:
      return {};  // A file.
  }
  return {};
}

tl::unexpected<Error> refuse_missing(std::string_view field) {
  return refuse(field, "litellm.BadRequestError: the field '" + std::string(field) + "' is required");
}

Status check_content(const CallRequest& call) {
  using domain::Operation;
  for (const std::string_view content : content_fields(call.operation)) {
    const json::Member* given = call.scan.find(content);
    if (given == nullptr || given->kind == Kind::Null) return refuse_missing(content);
    if (call.operation == Operation::Chat && given->kind != Kind::Array) {
      return refuse(content, "litellm.BadRequestError: 'messages' must be a list of messages");
    }
    if (content == "documents" && (given->kind != Kind::Array || given->value.in(call.body) == "[]")) {
      return refuse(content, "litellm.BadRequestError: 'documents' must be a list that is not empty");
    }
    if ((content == "query" || call.operation == Operation::Speech || domain::makes_images(call.operation)) &&
        content != "documents" && given->kind != Kind::String) {
      return refuse(content, "litellm.BadRequestError: '" + std::string(content) + "' must be a string");
    }
  }
  if (domain::reads_audio(call.operation) && (!call.form || call.form->find_file("file") == nullptr)) {
    return refuse_missing("file");
  }
  if (call.operation == Operation::ImageEdit && call.form && call.form->find_file("image") == nullptr) {
    return refuse_missing("image");
  }
  return {};
}

/// Reads a form and puts its fields where a JSON body would stand.
Status take_form(std::string_view content_type, std::string_view body, CallRequest& call) {
  Result<Form> form = parse_form(content_type, body);
  if (!form) return base::fail(std::move(form.error()));
  call.form = std::make_unique<Form>(std::move(*form));
  call.form_bytes = body;
  call.owned = std::make_unique<std::string>(form_as_json(*call.form, body));
  const std::size_t length = call.owned->size();
  call.owned->append(json::kJsonPadding, '\0');
  call.body = std::string_view(*call.owned).substr(0, length);
  return {};
}

}  // namespace

Result<CallRequest> parse_call(domain::Operation operation, std::string_view body, std::string_view path_model,
                               std::string_view content_type) {
  // No body is `{}`: the answer then names the field that is missing.
  static constexpr char kNothing[2 + json::kJsonPadding] = {'{', '}'};
  if (base::trim(body).empty()) body = {kNothing, 2};
  CallRequest call;
  call.operation = operation;
  call.body = body;
  if (is_form(content_type)) {
    if (Status form = take_form(content_type, body, call); !form) return base::fail(std::move(form.error()));
    body = call.body;
  }
  json::Document document;
  if (auto parsed = document.parse(body); !parsed) {
    return refuse("", "The request body is " + parsed.error().message);
  }
  if (auto scanned = json::scan(document, kActedKeys, call.scan); !scanned) {
    Error error = scanned.error();
    error.message = "The request body is wrong: " + error.message;
    return base::fail(std::move(error));
  }
  if (auto read = Reader(call).read(call.scan, document.root()); !read) return base::fail(std::move(read.error()));

  call.model = path_model;
  if (const json::Member* model = call.scan.find("model"); call.model.empty() && model != nullptr) {
    auto text = json::text_of(body, *model);
    if (!text) return base::fail(std::move(text.error()));
    call.model = std::move(*text);
  }
  if (call.model.empty() && operation == domain::Operation::Moderation) call.model = kModerationModel;
  if (call.model.empty()) {
    return refuse("model", "litellm.BadRequestError: you must provide a model: the field 'model' is missing or empty");
  }

  if (Status content = check_content(call); !content) return base::fail(std::move(content.error()));
  if (never_streams(operation)) call.stream = false;
  if (!domain::writes_text(operation) && operation != domain::Operation::Embedding) {
    call.measures = measure(call, document.root());
  }
  return call;
}

}  // namespace turnpike::protocol
