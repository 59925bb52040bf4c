#include "protocol/answer_error.h"

#include <string>

#include "protocol/openai_error.h"

namespace turnpike::protocol {
namespace {

constexpr std::size_t kShownMax = 500;

std::string exception(std::string_view label, std::string_view what) {
  std::string text = "litellm.APIError: ";
  text.append(label).append("Exception - ").append(what);
  return text;
}

}  // namespace

tl::unexpected<Error> unreadable_answer(std::string_view label, std::string_view why, std::string_view bytes) {
  std::string message = exception(label, "the answer cannot be read: ");
  message += why;
  return base::fail(ErrorKind::UpstreamMalformed, std::move(message), mask_secrets(bytes.substr(0, kShownMax)));
}

tl::unexpected<Error> unreadable_stream(std::string_view label, std::string_view why, std::string_view bytes) {
  std::string message = exception(label, "the stream cannot be read: ");
  message += why;
  return base::fail(ErrorKind::UpstreamMalformed, std::move(message), mask_secrets(bytes.substr(0, kShownMax)));
}

tl::unexpected<Error> page_for_stream(std::string_view label, std::string_view page) {
  return unreadable_stream(label, mask_secrets(page.substr(0, kShownMax)), page);
}

tl::unexpected<Error> ended_early(std::string_view label) {
  return base::fail(ErrorKind::UpstreamTruncated, exception(label, "the stream ended before the answer did"));
}

tl::unexpected<Error> ended_empty(std::string_view label) {
  return base::fail(ErrorKind::UpstreamTruncated, exception(label, "the stream ended without a single choice"));
}

}  // namespace turnpike::protocol
