#include "codec/azure_codec.h"

#include "base/text.h"
#include "codec/chat_codec.h"
#include "codec/codecs.h"
#include "codec/openai_request.h"
#include "protocol/operation_path.h"

namespace turnpike::codec {
namespace {

constexpr std::string_view kDeployments = "/openai/deployments/";
constexpr std::string_view kV1 = "/openai/v1";

bool is_v1(std::string_view version) {
  return version == "v1" || version == "latest" || version == "preview";
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return text;
}

std::string dated_query(std::string_view version) {
  return version.empty() ? std::string() : "?api-version=" + base::percent_encode(version);
}

// "Please retry after 12 seconds.": where the header is missing, the text says it.
std::optional<std::chrono::milliseconds> wait_in(std::string_view text) {
  constexpr std::string_view kWords = "retry after ";
  constexpr std::uint64_t kLongest_s = 86'400;
  const std::string lower = base::to_lower(text);
  const std::size_t at = lower.find(kWords);
  if (at == std::string::npos) return std::nullopt;
  const std::string_view rest = std::string_view(lower).substr(at + kWords.size());
  const std::size_t end = std::min(rest.find_first_not_of("0123456789"), rest.size());
  const auto seconds = base::parse_unsigned(rest.substr(0, end));
  if (!seconds || *seconds > kLongest_s || !rest.substr(end).starts_with(" second")) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

}  // namespace

Result<std::string> azure_path(const provider::Target& target, domain::Operation operation) {
  const std::string_view own = protocol::operation_path(operation);
  const std::string_view path = target.base.path;
  if (const std::size_t at = path.find(kV1); at != std::string_view::npos || is_v1(target.api_version)) {
    const std::string root(at != std::string_view::npos ? path.substr(0, at) : without_suffix(path, "/openai"));
    // A date means nothing there; "preview" asks for what is not in v1 yet.
    const std::string_view query = target.api_version == "preview" ? "?api-version=preview" : "";
    return root + std::string(kV1) + std::string(own) + std::string(query);
  }
  const std::string query = dated_query(target.api_version);
  if (const std::size_t at = path.find(kDeployments); at != std::string_view::npos) {
    // The deployment that the address names counts; an operation behind its name does not.
    const std::size_t end = path.find('/', at + kDeployments.size());
    return std::string(path.substr(0, end)) + std::string(own) + query;
  }
  if (const std::size_t at = path.find("/models"); at != std::string_view::npos) {
    return std::string(path.substr(0, at)) + "/models" + std::string(own) + query;
  }
  if (target.model.empty() || target.model == "." || target.model == "..") {
    return base::fail(ErrorKind::InvalidRequest, "\"" + target.model + "\" is no name of an Azure deployment");
  }
  return std::string(without_suffix(path, "/openai")) + std::string(kDeployments) + base::percent_encode(target.model) +
         std::string(own) + query;
}

Status AzureCodec::address(const EncodeInput& input, Encoded& out) const {
  Result<std::string> path = azure_path(input.target, input.call.operation);
  if (!path) return base::fail(std::move(path.error()));
  out.path = std::move(*path);
  out.fields = common_fields(input, input.call.stream);
  if (input.credential.kind == credential::Credential::Kind::Bearer) {
    add_bearer(out.fields, input);
  } else if (!has_field(input.target.extra_fields, "authorization")) {
    add_key(out.fields, "api-key", input);
  }
  return {};
}

Error AzureCodec::read_error(const Refusal& refusal) const {
  Error error = OpenAiCodec::read_error(refusal);
  if (error.kind == ErrorKind::UpstreamRateLimited && !error.retry_after) error.retry_after = wait_in(error.message);
  return error;
}

const Codec& azure_codec() {
  static const AzureCodec codec;
  return codec;
}

}  // namespace turnpike::codec
