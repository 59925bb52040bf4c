#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/block.h"
#include "protocol/params.h"
#include "protocol/texts.h"

namespace turnpike::protocol {

enum class Role : std::uint8_t { System, Developer, User, Assistant, Tool };

struct Message {
  Role role = Role::User;
  std::string_view name;
  std::vector<Block> blocks;  // Tool: exactly one ToolResult. Assistant: thinking first, then text, then tool uses.
  CacheMark cache;            // Of the message as a whole.
  std::string_view json;      // As written.
};

struct Tool {
  enum class Kind : std::uint8_t { Function, Custom, Native };
  Kind kind = Kind::Function;
  std::string_view name;
  std::string_view description;
  std::string_view parameters_json;  // Empty: none given.
  std::optional<bool> strict;
  CacheMark cache;
  std::string_view json;  // As written; all there is of a Native tool ("web_search_20250305", "googleSearch", ...).
};

struct ToolChoice {
  enum class Kind : std::uint8_t { Unset, Auto, None, Required, Named, Allowed };
  Kind kind = Kind::Unset;
  std::string_view name;                  // Named.
  std::vector<std::string_view> allowed;  // Allowed: the tools that may be called,
  bool must_call = false;                 // and whether one must be.
};

struct ResponseFormat {
  enum class Kind : std::uint8_t { Unset, Text, JsonObject, JsonSchema };
  Kind kind = Kind::Unset;
  std::string_view name;
  std::string_view description;
  std::string_view schema_json;
  std::optional<bool> strict;
};

/// Anthropic's `thinking` object, which every dialect may carry.
struct Thinking {
  enum class Kind : std::uint8_t { Unset, Enabled, Adaptive, Disabled };
  Kind kind = Kind::Unset;
  std::optional<std::uint64_t> budget_tokens;
  std::string_view json;  // As written.
};

/// One chat call, whatever dialect it came in: what the dialects can say together. Numbers are the JSON text as
/// written, so that nothing is rounded on the way. Views point into the caller's body and into `texts`.
struct ChatRequest {
  std::vector<Message> messages;
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  std::optional<bool> parallel_tool_calls;
  bool legacy_functions = false;  // Asked with `functions`: answered with `function_call`.
  ResponseFormat response_format;

  std::optional<std::uint64_t> max_tokens;  // max_completion_tokens, else max_tokens.
  std::uint64_t choices = 1;
  std::vector<std::string_view> stop;
  std::string_view temperature, top_p, top_k, presence_penalty, frequency_penalty, seed, top_logprobs;
  std::optional<bool> logprobs;
  std::string_view logit_bias_json;
  std::string_view user;
  std::string_view reasoning_effort;  // none, minimal, low, medium, high, xhigh, max, disable.
  std::string_view reasoning_summary;
  Thinking thinking;
  std::string_view verbosity;
  std::vector<std::string_view> modalities;
  std::string_view audio_json, prediction_json, metadata_json, web_search_options_json, prompt_cache_options_json,
      moderation_json;
  std::string_view service_tier, prompt_cache_key, prompt_cache_retention, safety_identifier;
  std::optional<bool> store;
  bool stream = false;

  /// Which parameters were given (a null counts as not given).
  ParamSet given;

  /// Members we have no name for, in order: they go to providers that take them as they are.
  struct Extra {
    std::string_view key;
    std::string_view json;
  };
  std::vector<Extra> extras;

  Texts texts;
};

/// Where the parameters of one attempt stand; the earlier source wins.
struct ChatSources {
  std::string_view overrides_json;  // A request fallback's own parameters: an object, or empty.
  std::string_view body;            // The caller's.
  std::string_view defaults_json;   // litellm_params that are request parameters: an object, or empty.
};

/// Reads an OpenAI chat body. Fields that speak to the gateway are left out; `extra_body` is spread.
/// Errors: InvalidRequest naming the field ("messages[2].content[0].type"): a wrong shape or type, an unknown role, a
///         tool result without the call it answers.
/// Limits: what json::Document and the body's own limit say.
Result<ChatRequest> parse_openai_chat(const ChatSources& sources);

/// What is to become of parameters that a target does not take (LiteLLM's settings of these names).
struct ParamPolicy {
  bool drop = false;                         // drop_params
  bool modify = false;                       // modify_params: repair a request the target would refuse.
  std::vector<std::string> additional_drop;  // additional_drop_params: names (paths: `without_path`).
  std::vector<std::string> allowed;          // allowed_openai_params: let through whatever the target's list says.
};

/// Takes out of `request` what `supported` lacks. Errors: InvalidRequest, param and message naming the parameter, code
/// "unsupported_parameter", when dropping was not asked for. Dropped in silence are parameters that mean nothing to the
/// answer (`is_hint`: `user`, `store`, cache hints, ...), and values that ask for what comes
/// anyway (`n` 1, a penalty of 0, `thinking` disabled).
Status fit_params(ChatRequest& request, ParamSet supported, const ParamPolicy& policy, std::string_view provider_label,
                  std::string_view model);

/// The refusal of parameters that a model does not take; never empty. The road that splices bodies gives the same.
Error unsupported_params(const std::vector<Param>& params, std::string_view label, std::string_view model);

/// Forgets one parameter as if it had not been given.
void drop_param(ChatRequest& request, Param param);

}  // namespace turnpike::protocol
