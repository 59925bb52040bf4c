#include <fmt/core.h>

#include "fake_provider/shape_openai.h"
#include "http/message.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

/// Azure OpenAI: OpenAI's answers; of errors its own gateway says `code` and `message` only (no `type` in the table),
/// and the filter in front of the model says what it found.
///
/// Source: Azure OpenAI's REST reference, "Content filtering", and its answers.
class AzureShape final : public OpenAiShape {
 public:
  std::string_view name() const override { return "azure"; }

  std::string error(const VendorError& error, std::string& fields) const override {
    std::string message = error.message;
    if (error.retry_after_s >= 0) {
      message += fmt::format(" Please retry after {} seconds.", error.retry_after_s);
      http::add_field(fields, "retry-after-ms", std::to_string(error.retry_after_s * 1000));
    }
    if (error.code == "content_filter") return filtered(message);
    if (!error.type.empty() || error.status >= 500) return OpenAiShape::error(error, fields);
    const std::string code = error.code.empty() ? std::to_string(error.status) : error.code;
    return R"({"error":{"code":)" + json::quoted(code) + R"(,"message":)" + json::quoted(message) + "}}";
  }

 private:
  static std::string filtered(std::string_view message) {
    return R"({"error":{"message":)" + json::quoted(message) +
           R"(,"type":null,"param":"prompt","code":"content_filter","status":400,)"
           R"("innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{)"
           R"("hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":true,"severity":"medium"}}}}})";
  }
};

}  // namespace

const Shape& azure_shape() {
  static const AzureShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
