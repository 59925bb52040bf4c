#include "json/write.h"
#include "protocol/openai_error.h"
#include "protocol/openai_reply.h"
#include "protocol/openai_stream.h"

namespace turnpike::protocol {
namespace {

using domain::Operation;
using domain::Unit;
using json::Kind;
using json::Value;

constexpr std::uint64_t kMockPromptTokens = 10;
constexpr std::uint64_t kMockCompletionTokens = 20;

domain::Usage stand_in_usage(Operation operation) {
  domain::Usage usage;
  usage.set(Unit::InputTokens, kMockPromptTokens);
  if (domain::writes_text(operation)) usage.set(Unit::OutputTokens, kMockCompletionTokens);
  return usage;
}

// The content a mock asks for: a string's text, any other value as JSON.
std::string content_of(std::string_view mock_json) {
  json::Document document;
  if (!document.parse(mock_json)) return std::string(mock_json);
  return document.root().text().value_or(std::string(mock_json));
}

void write_head(json::Writer& writer, std::string_view id, std::string_view object, std::int64_t created_s,
                std::string_view model) {
  writer.begin_object().key("id").string(id).key("object").string(object);
  writer.key("created").number(created_s).key("model").string(model);
}

// A mock that is a whole answer: its own members, with our id, time and model where it has none.
std::string complete_object(const Value& root, std::string_view object, std::string_view model, std::string_view id,
                            std::int64_t created_s) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  const auto own = [&](std::string_view name) { return root.find(name) && !root.find(name).is(Kind::Null); };
  if (!own("id")) writer.key("id").string(id);
  if (!own("object")) writer.key("object").string(object);
  if (!own("created")) writer.key("created").number(created_s);
  writer.key("model").string(model);
  for (const Value::Pair& pair : root.members()) {
    const std::string key = pair.key.text().value_or("");
    if (key == "model" || pair.value.is(Kind::Null)) continue;
    writer.key(key).raw(pair.value.raw());
  }
  if (!own("usage")) {
    writer.key("usage").begin_object().key("prompt_tokens").number(kMockPromptTokens);
    writer.key("completion_tokens").number(kMockCompletionTokens);
    writer.key("total_tokens").number(kMockPromptTokens + kMockCompletionTokens).end_object();
  }
  writer.end_object();
  return body;
}

// Words with the space that follows them.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::size_t length = space == std::string_view::npos ? text.size() : space + 1;
    words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return words;
}

}  // namespace

namespace {

/// A mock that is an object is the answer; any other is the text in the smallest answer there is.
std::string mock_operation(Operation operation, std::string_view mock_json, std::string_view model, std::string_view id,
                           std::int64_t created_s) {
  json::Document document;
  if (document.parse(mock_json) && document.root().is(Kind::Object)) return std::string(mock_json);
  const std::string content = content_of(mock_json);
  if (operation == Operation::Speech) return content;
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  if (operation == Operation::Rerank) {
    writer.key("id").string(id).key("results").begin_array().begin_object().key("index").number(std::uint64_t{0});
    writer.key("relevance_score").raw("1.0").end_object().end_array();
  } else if (operation == Operation::Moderation) {
    writer.key("id").string(id).key("model").string(model).key("results").begin_array().begin_object();
    writer.key("flagged").boolean(false).key("categories").begin_object().end_object();
    writer.key("category_scores").begin_object().end_object().end_object().end_array();
  } else if (domain::makes_images(operation)) {
    writer.key("created").number(created_s).key("data").begin_array().begin_object();
    writer.key("url").string(content).end_object().end_array();
  } else {
    writer.key("text").string(content);
  }
  writer.end_object();
  return body;
}

}  // namespace

std::string mock_reply(Operation operation, std::string_view mock_json, std::string_view model, std::string_view id,
                       std::int64_t created_s, domain::Usage& usage) {
  usage = stand_in_usage(operation);
  if (!domain::writes_text(operation) && operation != Operation::Embedding) {
    return mock_operation(operation, mock_json, model, id, created_s);
  }
  json::Document document;
  const bool readable = document.parse(mock_json).has_value();
  const std::string_view object = operation == Operation::Completion ? "text_completion" : "chat.completion";
  std::string body;
  json::Writer writer(body);
  if (operation == Operation::Embedding) {
    writer.begin_object().key("object").string("list").key("data").begin_array().begin_object();
    writer.key("object").string("embedding").key("index").number(std::uint64_t{0});
    writer.key("embedding").raw(readable && document.root().is(Kind::Array) ? mock_json : "[0.0]");
    writer.end_object().end_array().key("model").string(model);
  } else if (readable && document.root().find("choices").is(Kind::Array)) {
    body = complete_object(document.root(), object, model, id, created_s);
    ReplyOptions options;
    options.operation = operation;
    options.shown_model = model;
    std::string scratch;
    std::vector<std::string_view> pieces;
    if (const auto facts = read_reply(options, body, scratch, pieces); facts && facts->usage) usage = *facts->usage;
    return body;
  } else {
    write_head(writer, id, object, created_s, model);
    writer.key("choices").begin_array().begin_object().key("index").number(std::uint64_t{0});
    if (operation == Operation::Completion) {
      writer.key("text").string(content_of(mock_json)).key("logprobs").null();
    } else {
      writer.key("message").begin_object().key("role").string("assistant");
      writer.key("content").string(content_of(mock_json)).end_object();
    }
    writer.key("finish_reason").string("stop").end_object().end_array();
  }
  writer.key("usage").raw(usage_json(operation, usage)).end_object();
  return body;
}

std::string mock_stream(std::string_view mock_json, std::string_view model, std::string_view id, std::int64_t created_s,
                        bool include_usage, domain::Usage& usage, Operation operation) {
  const std::string whole = mock_reply(operation, mock_json, model, id, created_s, usage);
  StreamOptions options;
  options.operation = operation;
  options.shown_model = model;
  options.include_usage = include_usage;
  options.fallback_id = id;
  options.created_s = created_s;
  options.provider_label = "Mock";
  OpenAiStream stream(std::move(options));
  std::string text;
  std::vector<std::string_view> pieces;
  const auto drain = [&] {
    for (const std::string_view piece : pieces) text += piece;
    pieces.clear();
  };
  json::Document document;
  if (document.parse(mock_json) && document.root().find("choices").is(Kind::Array)) {
    (void)stream.feed(whole, pieces);
    (void)stream.finish(pieces);
    drain();
    if (stream.owes_usage()) text += stream.last_events(usage);
    return text;
  }
  const auto send = [&](std::string_view choice, std::string_view after) {
    std::string event = "data: ";
    json::Writer writer(event);
    write_head(writer, id, operation == Operation::Completion ? "text_completion" : "chat.completion.chunk", created_s,
               model);
    writer.key("choices").raw(choice);
    if (!after.empty()) writer.key("usage").raw(after);
    writer.end_object();
    event += "\n\n";
    (void)stream.feed(event, pieces);
    drain();
  };
  const bool completion = operation == Operation::Completion;
  const std::string_view open = completion ? "[{\"index\":0,\"text\":" : "[{\"index\":0,\"delta\":{\"content\":";
  const std::string_view close = completion ? ",\"finish_reason\":null}]" : "},\"finish_reason\":null}]";
  const std::string content = content_of(mock_json);
  for (const std::string_view word : words_of(content)) {
    send(std::string(open) + json::quoted(word) + std::string(close), {});
  }
  send(completion ? "[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]"
                  : "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]",
       {});
  send("[]", usage_json(operation, usage));
  (void)stream.feed("data: [DONE]\n\n", pieces);
  drain();
  return text;
}

std::optional<Error> mock_error(std::string_view mock_json) {
  struct Row {
    std::string_view text;
    ErrorKind kind;
    int status;
  };
  static constexpr Row kRows[] = {
      {"litellm.BadRequestError", ErrorKind::UpstreamBadRequest, 400},
      {"litellm.ContextWindowExceededError", ErrorKind::UpstreamContextWindow, 400},
      {"litellm.ContentPolicyViolationError", ErrorKind::UpstreamContentPolicy, 400},
      {"Exception: content_filter_policy", ErrorKind::UpstreamContentPolicy, 400},
      {"litellm.AuthenticationError", ErrorKind::UpstreamUnauthenticated, 401},
      {"litellm.NotFoundError", ErrorKind::UpstreamNotFound, 404},
      {"litellm.Timeout", ErrorKind::UpstreamTimeout, 408},
      {"litellm.RateLimitError", ErrorKind::UpstreamRateLimited, 429},
      {"litellm.InternalServerError", ErrorKind::UpstreamInternal, 500},
      {"litellm.ServiceUnavailableError", ErrorKind::UpstreamUnavailable, 503},
  };
  const std::string text = content_of(mock_json);
  for (const Row& row : kRows) {
    if (text != row.text) continue;
    Error error;
    error.kind = row.kind;
    error.message = "litellm." + std::string(exception_class(row.kind)) + ": MockException - " + text;
    error.status = row.status;
    return error;
  }
  return std::nullopt;
}

}  // namespace turnpike::protocol
