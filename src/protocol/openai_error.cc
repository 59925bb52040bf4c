#include "protocol/openai_error.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "base/text.h"
#include "base/utf8.h"
#include "json/write.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

constexpr std::size_t kShownMax = 2000;
constexpr std::size_t kUnreadableShownMax = 500;

struct SaidError {
  std::string message;
  std::string type;
  std::string param;
  std::string code;
  int status = 0;  // A numeric code inside the body.
};

std::string text_or_raw(const Value& value) {
  if (auto text = value.text()) return std::move(*text);
  if (!value || value.is(Kind::Null)) return {};
  return std::string(value.raw());
}

std::string cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  // Not inside a UTF-8 sequence.
  while (bytes_max > 0 && base::continues_character(text[bytes_max])) --bytes_max;
  return std::string(text.substr(0, bytes_max));
}

void take_status(const Value& code, SaidError& said) {
  if (const auto number = code.whole(); number && *number >= 400 && *number <= 599) {
    said.status = static_cast<int>(*number);
  } else if (const auto text = code.text()) {
    const auto parsed = base::parse_unsigned(*text);
    if (parsed && *parsed >= 400 && *parsed <= 599) said.status = static_cast<int>(*parsed);
  }
}

void take_object(const Value& object, SaidError& said) {
  said.message = text_or_raw(object.find("message"));
  if (said.message.empty()) said.message = text_or_raw(object.find("msg"));
  said.type = object.find("type").text().value_or("");
  said.param = object.find("param").text().value_or("");
  const Value code = object.find("code");
  said.code = text_or_raw(code);
  take_status(code, said);
  if (said.status == 0) take_status(object.find("status"), said);
  // OpenRouter hides what the model's own provider said one level down.
  if (const auto raw = object.find("metadata").find("raw").text()) said.message += " - " + *raw;
  // Groq shows what the model wrote when its tool call could not be read.
  if (const auto failed = object.find("failed_generation").text()) said.message += " - " + *failed;
}

// MiniMax puts errors into a 200 with a number of its own.
void take_base_resp(const Value& base_resp, SaidError& said) {
  said.message = base_resp.find("status_msg").text().value_or("");
  const std::uint64_t number = base_resp.find("status_code").whole().value_or(0);
  said.code = std::to_string(number);
  switch (number) {
    case 1002:
    case 1008:
    case 1039:
    case 1041:
      said.status = 429;
      break;
    case 1004:
    case 2049:
      said.status = 401;
      break;
    case 1026:
    case 1027:
      said.type = "content_policy_violation";
      break;
    case 2013:
      said.status = 400;
      break;
    default:
      said.status = 500;
      break;
  }
}

Value first_element(const Value& list) {
  for (const Value element : list.elements()) return element;
  return {};
}

bool failed_base_resp(const Value& object) {
  const Value code = object.find("base_resp").find("status_code");
  return code.is(Kind::Number) && code.raw() != "0";
}

SaidError what_was_said(std::string_view body) {
  SaidError said;
  json::Document document;
  if (!document.parse(body) || document.root().is(Kind::String)) {
    said.message = cut(base::trim(body), kUnreadableShownMax);
    return said;
  }
  Value root = document.root();
  if (root.is(Kind::Array)) root = first_element(root);
  const Value error = root.find("error");
  if (error.is(Kind::Object)) {
    take_object(error, said);
  } else if (error.is(Kind::String)) {
    take_object(root, said);
    said.message = *error.text();
  } else if (failed_base_resp(root)) {
    take_base_resp(root.find("base_resp"), said);
  } else {
    take_object(root, said);
    if (said.message.empty()) said.message = text_or_raw(root.find("detail"));
    if (said.message.empty()) said.message = text_or_raw(first_element(root.find("errors")).find("message"));
    if (said.status == 0) take_status(root.find("status_code"), said);  // watsonx, where it comes in a 200.
  }
  if (said.message.empty()) said.message = cut(base::trim(body), kUnreadableShownMax);
  return said;
}

bool holds_any(std::string_view text, std::span<const std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

constexpr std::string_view kContextTexts[] = {
    "exceed context limit",
    "this model's maximum context length is",
    "maximum context length",
    "model's maximum context limit",
    "is longer than the model's context length",
    "input tokens exceed the configured limit",
    "`inputs` tokens + `max_new_tokens` must be",
    "exceeds the maximum number of tokens",
    "prompt is too long",
    "input is too long",
    "exceeds the available context size",    // llama.cpp and what is built on it.
    "cannot exceed the total tokens limit",  // watsonx
};
constexpr std::string_view kPolicyTexts[] = {
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "content management policy",
    "azure openai's content management",
    "content filtering policy",
    "your task failed as a result of our safety system",
    "the model produced invalid content",
    "content_filter_policy",
    "your request was rejected as a result of our safety system",
};

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_';
}

// "429" as a word of its own, "rate limit" however it is written.
bool says_rate_limit(std::string_view lower) {
  for (std::size_t at = lower.find("429"); at != std::string_view::npos; at = lower.find("429", at + 1)) {
    const bool free_before = at == 0 || !is_word_character(lower[at - 1]);
    const bool free_after = at + 3 == lower.size() || !is_word_character(lower[at + 3]);
    if (free_before && free_after) return true;
  }
  for (std::size_t at = lower.find("rate"); at != std::string_view::npos; at = lower.find("rate", at + 1)) {
    if (at > 0 && is_word_character(lower[at - 1]) && lower[at - 1] != '_') continue;  // "moderate limits"
    std::size_t next = at + 4;
    while (next < lower.size() && (lower[next] == ' ' || lower[next] == '_' || lower[next] == '-')) ++next;
    if (lower.substr(next).starts_with("limit")) return true;
  }
  return lower.find("service tier capacity exceeded") != std::string_view::npos;
}

bool says_context_window(std::string_view lower) {
  if (holds_any(lower, kContextTexts)) return true;
  if (lower.find("string too long. expected a string with maximum length") != std::string_view::npos &&
      lower.find("string_above_max_length") == std::string_view::npos &&
      lower.find("invalid 'user'") == std::string_view::npos) {
    return true;
  }
  return lower.find("current length is") != std::string_view::npos &&
         lower.find("while limit is") != std::string_view::npos;
}

std::optional<ErrorKind> kind_by_code(const SaidError& said) {
  const std::string code = base::to_lower(said.code);
  const std::string type = base::to_lower(said.type);
  const auto either = [&](std::string_view word) { return code == word || type == word; };
  if (either("context_length_exceeded")) return ErrorKind::UpstreamContextWindow;
  if (either("content_policy_violation") || either("content_filter")) return ErrorKind::UpstreamContentPolicy;
  if (either("rate_limit_exceeded") || either("rate_limit_error") || either("insufficient_quota")) {
    return ErrorKind::UpstreamRateLimited;
  }
  if (either("model_not_found")) return ErrorKind::UpstreamNotFound;
  if (either("request_too_large")) return ErrorKind::UpstreamTooLarge;
  if (either("invalid_api_key") || type == "authentication_error") return ErrorKind::UpstreamUnauthenticated;
  return std::nullopt;
}

ErrorKind kind_by_type(std::string_view type) {
  if (type == "invalid_request_error") return ErrorKind::UpstreamBadRequest;
  if (type == "permission_error") return ErrorKind::UpstreamForbidden;
  if (type == "not_found_error") return ErrorKind::UpstreamNotFound;
  if (type == "timeout_error") return ErrorKind::UpstreamTimeout;
  return ErrorKind::UpstreamInternal;
}

ErrorKind kind_by_status(int status, std::string_view type) {
  switch (status) {
    case 400:
      return ErrorKind::UpstreamBadRequest;
    case 401:
      return ErrorKind::UpstreamUnauthenticated;
    case 402:
      return ErrorKind::UpstreamRateLimited;  // The account has run dry: another deployment may answer.
    case 403:
      return ErrorKind::UpstreamForbidden;
    case 404:
      return ErrorKind::UpstreamNotFound;
    case 408:
    case 504:
    case 524:
      return ErrorKind::UpstreamTimeout;
    case 409:
    case 425:
      return ErrorKind::UpstreamConflict;
    case 413:
      return ErrorKind::UpstreamTooLarge;
    case 422:
      return ErrorKind::UpstreamUnprocessable;
    case 429:
      return ErrorKind::UpstreamRateLimited;
    case 502:
    case 520:
    case 521:
    case 522:
    case 523:
      return ErrorKind::UpstreamBadGateway;
    case 503:
      return ErrorKind::UpstreamUnavailable;
    default:
      break;
  }
  if (status >= 500) return ErrorKind::UpstreamInternal;
  if (status >= 400) return ErrorKind::UpstreamBadRequest;
  return kind_by_type(type);
}

ErrorKind kind_of(int status, const SaidError& said) {
  if (const auto kind = kind_by_code(said)) return *kind;
  const std::string lower = base::to_lower(said.message);
  if (says_rate_limit(lower)) return ErrorKind::UpstreamRateLimited;
  if (says_context_window(lower)) return ErrorKind::UpstreamContextWindow;
  if (lower.find("model_not_found") != std::string::npos) return ErrorKind::UpstreamNotFound;
  if (holds_any(lower, kPolicyTexts)) return ErrorKind::UpstreamContentPolicy;
  if (lower.find("request too large") != std::string::npos) return ErrorKind::UpstreamRateLimited;
  return kind_by_status(status, said.type);
}

/// "Wed, 21 Oct 2026 07:28:00 GMT" as Unix seconds.
std::optional<std::int64_t> read_http_date(std::string_view value) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  constexpr std::size_t kLength = 29;
  if (value.size() != kLength || !value.ends_with(" GMT")) return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t digits) {
    return base::parse_unsigned(value.substr(at, digits));
  };
  const auto day = number(5, 2), year = number(12, 4), hour = number(17, 2), minute = number(20, 2),
             second = number(23, 2);
  const std::size_t month = kMonths.find(value.substr(8, 3));
  if (!day || !year || !hour || !minute || !second || month == std::string_view::npos || month % 3 != 0) return {};
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(static_cast<int>(*year)),
                            std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                            std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const auto time = sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second);
  return duration_cast<seconds>(time.time_since_epoch()).count();
}

std::optional<std::chrono::milliseconds> read_retry_after(std::string_view value, std::int64_t now_s) {
  constexpr double kDayMs = 86'400'000;
  value = base::trim(value);
  if (const auto date = read_http_date(value)) {
    const std::int64_t left_s = *date - now_s;
    if (left_s <= 0) return std::nullopt;
    return std::chrono::milliseconds(std::min(left_s * 1000, static_cast<std::int64_t>(kDayMs)));
  }
  double unit_ms = 1000;
  if (value.ends_with("ms")) {
    unit_ms = 1;
    value.remove_suffix(2);
  }
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || !(number >= 0)) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(number * unit_ms, kDayMs)));
}

std::string shown_message(ErrorKind kind, std::string_view provider_label, std::string_view text) {
  std::string message = "litellm.";
  message += exception_class(kind);
  message += ": ";
  if (kind == ErrorKind::UpstreamContextWindow || kind == ErrorKind::UpstreamContentPolicy) {
    message += "litellm.BadRequestError: ";
  }
  message.append(provider_label).append("Exception - ").append(text);
  return message;
}

}  // namespace

bool holds_error(const Value& object) {
  enum : std::size_t { kError, kObject, kBaseResp, kChoices, kData, kDetail, kErrors, kCount };
  static constexpr std::array<std::string_view, kCount> kNames = {"error", "object", "base_resp", "choices",
                                                                  "data",  "detail", "errors"};
  std::array<Value, kCount> found;
  object.find_each(kNames, found);
  const Value& error = found[kError];
  const bool empty = error.is(Kind::Object) && error.members().begin() == error.members().end();
  if (error && !error.is(Kind::Null) && !empty && error.boolean() != false && error.raw() != "\"\"") return true;
  if (found[kObject].raw() == "\"error\"") return true;
  if (found[kBaseResp] && failed_base_resp(object)) return true;
  return !found[kChoices] && !found[kData] && (found[kDetail] || found[kErrors]);
}

Error read_error(int status, std::string_view body, std::string_view provider_label, std::string_view retry_after,
                 std::int64_t now_s) {
  const SaidError said = what_was_said(body);
  const bool redirected = status >= 300 && status < 400;
  const int meant = status >= 300 ? status : said.status;
  Error error;
  error.kind = redirected ? ErrorKind::UpstreamMalformed : kind_of(meant, said);
  const std::string text = mask_secrets(cut(said.message, kShownMax));
  std::string shown = text;
  if (redirected) {
    shown = "it answered with a redirect (status " + std::to_string(status) +
            "), which is not followed: api_base must be the provider's final address";
  } else if (text.empty()) {
    shown = "it answered with status " + std::to_string(status) + " and no body";
  }
  error.message = shown_message(error.kind, provider_label, shown);
  error.detail = text;
  error.type = mask_secrets(said.type);
  error.param = mask_secrets(said.param);
  // A number is the status once more, which the face shows anyway.
  if (!base::parse_unsigned(said.code)) error.code = mask_secrets(said.code);
  // Clients look for OpenAI's word.
  if (error.code.empty() && error.kind == ErrorKind::UpstreamContextWindow) error.code = "context_length_exceeded";
  error.status = meant;
  error.retry_after = read_retry_after(retry_after, now_s);
  return error;
}

std::string_view exception_class(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::InvalidRequest:
    case ErrorKind::Conflict:
    case ErrorKind::MethodNotAllowed:
    case ErrorKind::PayloadTooLarge:
    case ErrorKind::HeadersTooLarge:
    case ErrorKind::ExpectationFailed:
    case ErrorKind::UpstreamBadRequest:
    case ErrorKind::UpstreamTooLarge:
      return "BadRequestError";
    case ErrorKind::Unauthenticated:
    case ErrorKind::UpstreamUnauthenticated:
      return "AuthenticationError";
    case ErrorKind::PermissionDenied:
    case ErrorKind::UpstreamForbidden:
      return "PermissionDeniedError";
    case ErrorKind::NotFound:
    case ErrorKind::UpstreamNotFound:
      return "NotFoundError";
    case ErrorKind::BudgetSpent:
    case ErrorKind::BudgetHeld:
      return "BudgetExceededError";
    case ErrorKind::RateLimited:
    case ErrorKind::UpstreamRateLimited:
      return "RateLimitError";
    case ErrorKind::NoDeployment:
      return "RouterRateLimitError";
    case ErrorKind::Timeout:
    case ErrorKind::UpstreamTimeout:
      return "Timeout";
    case ErrorKind::Unavailable:
    case ErrorKind::UpstreamUnavailable:
      return "ServiceUnavailableError";
    case ErrorKind::UpstreamContextWindow:
      return "ContextWindowExceededError";
    case ErrorKind::UpstreamContentPolicy:
      return "ContentPolicyViolationError";
    case ErrorKind::UpstreamUnprocessable:
      return "UnprocessableEntityError";
    case ErrorKind::Internal:
    case ErrorKind::UpstreamInternal:
      return "InternalServerError";
    case ErrorKind::UpstreamBadGateway:
      return "BadGatewayError";
    case ErrorKind::UpstreamConnection:
      return "APIConnectionError";
    case ErrorKind::CallerGone:
    case ErrorKind::UpstreamConflict:
    case ErrorKind::UpstreamMalformed:
      return "APIError";
    case ErrorKind::UpstreamTruncated:
      return "MidStreamFallbackError";
  }
  return "APIError";
}

FinishReason finish_reason_of(std::string_view word) {
  struct Row {
    std::string_view word;
    std::string_view shown;
  };
  static constexpr Row kRows[] = {
      {"eos", "stop"},
      {"eos_token", "stop"},
      {"end_turn", "stop"},
      {"stop_sequence", "stop"},
      {"STOP", "stop"},
      {"max_tokens", "length"},
      {"model_length", "length"},
      {"MAX_TOKENS", "length"},
      {"tool_use", "tool_calls"},
      {"tool_call", "tool_calls"},
      {"sensitive", "content_filter"},
      {"SAFETY", "content_filter"},
      {"safety", "content_filter"},
      {"refusal", "content_filter"},
      {"guardrail_intervened", "content_filter"},
  };
  for (const std::string_view standard : {"stop", "length", "tool_calls", "content_filter", "function_call"}) {
    if (word == standard) return {standard, false, false};
  }
  if (word.empty()) return {};
  if (word == "error" || word == "network_error" || word == "insufficient_system_resource") return {"", true, true};
  for (const Row& row : kRows) {
    if (word == row.word) return {row.shown, true, false};
  }
  return {"stop", true, false};
}

Error broke_off_error(std::string_view word, std::string_view provider_label) {
  Error error;
  error.kind = ErrorKind::UpstreamUnavailable;
  error.message = shown_message(error.kind, provider_label,
                                "the provider broke the answer off: finish_reason " + json::quoted(word));
  return error;
}

std::string mask_secrets(std::string_view text) {
  static constexpr std::string_view kPrefixes[] = {"sk-",    "sk_",  "gsk_", "xai-",        "pplx-", "AIza",
                                                   "nvapi-", "hf_",  "key-", "csk-",        "fw_",   "r8_",
                                                   "tgp_",   "dop_", "ghp_", "github_pat_", "ya29.", "eyJ"};
  constexpr std::size_t kShortestSecret = 8;
  const auto part_of_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '*' || c == '+' || c == '/' || c == '~';
  };
  std::string out;
  out.reserve(text.size());
  bool after_bearer = false;
  for (std::size_t at = 0; at < text.size();) {
    if (!part_of_word(text[at])) {
      out += text[at++];
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && part_of_word(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    bool secret = after_bearer && word.size() >= kShortestSecret;
    for (const std::string_view prefix : kPrefixes) {
      if (word.starts_with(prefix) && word.size() >= prefix.size() + kShortestSecret) secret = true;
    }
    if (secret) {
      out += "***";
    } else {
      out += word;
    }
    after_bearer = base::equals_ignoring_case(word, "Bearer") || base::equals_ignoring_case(word, "Basic");
    at = end;
  }
  return out;
}

}  // namespace turnpike::protocol
