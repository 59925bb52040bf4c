#include "codec/openai_edit.h"
#include "json/write.h"
#include "protocol/openai_write.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using provider::Quirk;
using provider::Quirks;

constexpr Quirks kOfFormat = {Quirk::SchemaInObject, Quirk::SchemaForObject, Quirk::JsonTool};

std::optional<std::string> edited_format(std::string_view value, const EncodeInput& input) {
  const Quirks& quirks = input.target.provider->quirks;
  json::Document document;
  if (!document.parse(value)) return std::nullopt;
  const std::string_view type = document.root().find("type").inner();
  // LiteLLM's callers may give a schema beside json_object.
  if (const Value schema = document.root().find("response_schema"); type == "json_object" && schema.is(Kind::Object)) {
    const std::string spelt =
        R"({"type":"json_schema","json_schema":{"name":"response","schema":)" + std::string(schema.raw()) + "}}";
    return edited_format(spelt, input).value_or(spelt);
  }
  // Says nothing, and some servers do not know it.
  if (type == "text" && !quirks.has(Quirk::KnowsDeveloper)) return std::string();
  if (!quirks.any(kOfFormat)) return std::nullopt;
  const Value schema = document.root().find("json_schema").find("schema");
  if (type == "json_schema" && quirks.has(Quirk::SchemaInObject)) {
    return schema ? "{\"type\":\"json_object\",\"schema\":" + std::string(schema.raw()) + "}"
                  : std::string("{\"type\":\"json_object\"}");
  }
  if (type == "json_object" && quirks.has(Quirk::SchemaForObject)) {
    return R"({"type":"json_schema","json_schema":{"name":"object","schema":{"type":"object"}}})";
  }
  if (asks_by_json_tool(input)) return std::string();
  return std::nullopt;
}

std::optional<std::string> edited_choice(std::string_view value, const Quirks& quirks) {
  if (value != "\"required\"") return std::nullopt;
  if (quirks.has(Quirk::ChoiceAny)) return "\"any\"";
  if (quirks.has(Quirk::ChoiceInWords)) return std::string();
  return std::nullopt;
}

// Moonshot counts from 0 to 1, and wants some chance where it writes several answers.
std::optional<std::string> edited_temperature(std::string_view value, const EncodeInput& input) {
  constexpr double kMost = 1;
  constexpr double kLeastOfSeveral = 0.3;
  json::Document document;
  if (!document.parse(value)) return std::nullopt;
  const auto number = document.root().number();
  if (!number) return std::nullopt;
  if (*number > kMost) return "1";
  if (*number < kLeastOfSeveral && input.call.choices > 1) return "0.3";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> edited_value(std::string_view name, std::string_view value, const EncodeInput& input) {
  const Quirks& quirks = input.target.provider->quirks;
  if (name == "response_format") return edited_format(value, input);
  if (name == "tool_choice") return edited_choice(value, quirks);
  if (name == "temperature" && quirks.has(Quirk::TemperatureToOne)) return edited_temperature(value, input);
  // Mistral refuses a list that is empty.
  if (name == "tools" && value == "[]" && quirks.has(Quirk::MistralParts)) return std::string();
  return std::nullopt;
}

std::string_view effort_for_thinking(std::string_view thinking) {
  json::Document document;
  if (!document.parse(thinking)) return {};
  const std::string_view type = document.root().find("type").inner();
  if (type != "enabled" && type != "adaptive") return {};
  const auto budget = document.root().find("budget_tokens").whole();
  if (!budget) return "medium";
  if (*budget >= 10'000) return "high";
  if (*budget >= 5'000) return "medium";
  return *budget >= 2'000 ? "low" : "minimal";
}

std::string thinking_for_effort(std::string_view effort) {
  if (effort == "\"none\"" || effort == "\"disable\"") return R"({"type":"disabled"})";
  const std::string_view budget = effort == "\"minimal\"" || effort == "\"low\"" ? "1024"
                                  : effort == "\"medium\""                       ? "2048"
                                                                                 : "4096";
  return R"({"type":"enabled","budget_tokens":)" + std::string(budget) + "}";
}

bool asks_by_json_tool(const EncodeInput& input) {
  if (!input.target.provider->quirks.has(Quirk::JsonTool)) return false;
  if (!input.traits.listed || input.traits.has(domain::Trait::ResponseSchema)) return false;
  const json::Member* format = input.call.scan.find("response_format");
  return format != nullptr && format->value.in(input.call.body).find("\"json_schema\"") != std::string_view::npos;
}

std::string json_tool(std::string_view response_format) {
  constexpr std::string_view kAnyObject = R"({"type":"object","additionalProperties":true,"properties":{}})";
  json::Document document;
  Value schema;
  if (document.parse(response_format)) schema = document.root().find("json_schema").find("schema");
  std::string text = "[{\"type\":\"function\",\"function\":{\"name\":" + json::quoted(protocol::kJsonTool);
  text.append(",\"parameters\":").append(schema.is(Kind::Object) ? schema.raw() : kAnyObject);
  return text + "}}]";
}

}  // namespace turnpike::codec
