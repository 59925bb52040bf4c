#include "codec/bedrock_error.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "json/write.h"
#include "protocol/openai_error.h"

namespace turnpike::codec {
namespace {

struct Exception {
  std::string_view name;  // In lower case: streams write the first letter small.
  int status = 0;         // What callers are told; mostly that of its HTTP form, which streams do not have.
  std::string_view code;  // OpenAI's word, where it has one.
};

constexpr Exception kExceptions[] = {
    {"validationexception", 400, ""},
    {"servicequotaexceededexception", 429, ""},  // A 400 of AWS: a limit of the account, not of the request.
    {"accessdeniedexception", 403, ""},
    {"unrecognizedclientexception", 403, "invalid_api_key"},
    {"expiredtokenexception", 403, "invalid_api_key"},
    {"expiredtoken", 403, "invalid_api_key"},
    {"invalidsignatureexception", 403, "invalid_api_key"},
    {"signaturedoesnotmatch", 403, "invalid_api_key"},
    {"incompletesignatureexception", 403, "invalid_api_key"},
    {"missingauthenticationtokenexception", 403, "invalid_api_key"},
    {"invalidclienttokenid", 403, "invalid_api_key"},
    {"resourcenotfoundexception", 404, ""},
    {"modeltimeoutexception", 408, ""},
    {"modelerrorexception", 500, ""},  // 424 of AWS: the model failed, and may not the next time.
    {"modelstreamerrorexception", 500, ""},
    {"throttlingexception", 429, ""},
    {"modelnotreadyexception", 429, ""},
    {"internalserverexception", 500, ""},
    {"serviceunavailableexception", 503, ""},
};

// What a ValidationException says of a prompt that is too long, beyond what everybody says.
constexpr std::string_view kTooLong[] = {"too many input tokens", "input tokens exceeded", "expected maxlength",
                                         "exceeds the maximum length", "number of input tokens"};

/// "ThrottlingException:http://internal.amazon.com/..." and "com.amazon.coral.service#ThrottlingException".
std::string plain_name(std::string_view name) {
  name = name.substr(0, name.find(':'));
  if (const std::size_t mark = name.rfind('#'); mark != std::string_view::npos) name.remove_prefix(mark + 1);
  return base::to_lower(base::trim(name));
}

const Exception* find_exception(std::string_view name) {
  const std::string plain = plain_name(name);
  for (const Exception& exception : kExceptions) {
    if (exception.name == plain) return &exception;
  }
  return nullptr;
}

std::string text_of(const json::Value& root) {
  for (const std::string_view key : {"message", "Message", "errorMessage"}) {
    if (auto text = root.find(key).text()) return std::move(*text);
  }
  return {};
}

Error make_error(std::string_view name, const Refusal& refusal) {
  const Exception* exception = find_exception(name);
  std::string message;
  json::Document document;
  if (document.parse(refusal.body)) {
    const json::Value root = document.root();
    if (exception == nullptr) exception = find_exception(root.find("__type").text().value_or(""));
    message = text_of(root);
    // ModelStreamErrorException: what the model's own server said.
    if (const auto original = root.find("originalMessage").text()) message += " - " + *original;
  }
  if (message.empty()) message = refusal.body;

  int status = refusal.status;
  std::string_view code;
  if (exception != nullptr) {
    status = exception->status;
    code = exception->code;
    const std::string lower = base::to_lower(message);
    const auto says = [&](std::string_view part) { return lower.find(part) != std::string::npos; };
    const bool too_long = status == 400 && std::any_of(std::begin(kTooLong), std::end(kTooLong), says);
    if (too_long) code = "context_length_exceeded";
  } else if (status < 300) {
    status = 500;  // In a 200, and it says neither a name nor a status.
  }
  if (message.empty() && code.empty())
    return protocol::read_error(status, {}, refusal.label, refusal.retry_after, refusal.now_s);
  std::string said = "{\"message\":" + json::quoted(message);
  if (!code.empty()) said.append(",\"code\":").append(json::quoted(code));
  said += "}";
  return protocol::read_error(status, said, refusal.label, refusal.retry_after, refusal.now_s);
}

}  // namespace

Error read_bedrock_error(const Refusal& refusal) {
  return make_error(refusal.error_type, refusal);
}

Error read_bedrock_exception(std::string_view name, std::string_view payload, std::string_view label) {
  Refusal refusal;
  refusal.body = payload;
  refusal.label = label;
  return make_error(name, refusal);
}

bool is_bedrock_error(const json::Value& object) {
  return !text_of(object).empty() || object.find("__type").is(json::Kind::String);
}

}  // namespace turnpike::codec
