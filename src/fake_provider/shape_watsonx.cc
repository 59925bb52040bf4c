#include <fmt/core.h>

#include "fake_provider/shape_openai.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

std::string errors_json(const VendorError& error) {
  const std::string code = error.code.empty() ? "error" : error.code;
  return fmt::format(
      R"({{"errors":[{{"code":{},"message":{},"more_info":"https://cloud.ibm.com/apidocs/watsonx-ai"}}],)"
      R"("trace":"5f1c0d2e3b4a","status_code":{}}})",
      json::quoted(code), json::quoted(error.message), error.status);
}

/// watsonx.ai: OpenAI's chat with numbered events, no marker at the end, and usage without being asked.
///
/// Source: IBM's watsonx.ai API reference. An error's `code` is the member of that name.
class WatsonxShape final : public OpenAiShape {
 public:
  std::string_view name() const override { return "watsonx"; }
  bool counts_cached() const override { return false; }
  bool counts_reasoning() const override { return false; }

  std::string whole(const Answer& answer) const override {
    if (answer.ask.kind != AskKind::Models) return OpenAiShape::whole(answer);
    std::string list;
    for (const std::string_view name : model_names()) {
      list += fmt::format(R"({}{{"model_id":"{}","provider":"fake-provider"}})", list.empty() ? "" : ",", name);
    }
    return R"({"total_count":)" + std::to_string(model_names().size()) + R"(,"resources":[)" + list + "]}";
  }

  std::vector<Event> events(const Answer& answer) const override {
    Ask asked = answer.ask;
    asked.include_usage = true;
    std::vector<Event> events = OpenAiShape::events({asked, answer.tokens, answer.id});
    if (!events.empty() && events.back().bytes.find("[DONE]") != std::string::npos) events.pop_back();
    for (std::size_t i = 0; i < events.size(); ++i) {
      events[i].bytes.insert(0, fmt::format("id: {}\nevent: message\n", i + 1));
    }
    return events;
  }

  std::string error(const VendorError& error, std::string& fields) const override {
    static_cast<void>(fields);
    return errors_json(error);
  }
  Event error_event(const VendorError& error) const override { return {named_sse("error", errors_json(error))}; }
};

}  // namespace

const Shape& watsonx_shape() {
  static const WatsonxShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
