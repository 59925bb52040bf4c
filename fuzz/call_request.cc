// Feeds bodies to the reading of calls: what is accepted must name a model, agree with another JSON reader about it,
// and be read the same when the body is read again from an exact copy.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "protocol/call_request.h"
#include "protocol/prompt_prefix.h"

namespace {

using turnpike::domain::Operation;
using turnpike::protocol::CallRequest;
using turnpike::protocol::parse_call;

void require(bool truth) {
  if (!truth) std::abort();
}

/// An exact copy with the padding that parsers are promised.
struct Body {
  explicit Body(std::string_view text) : bytes(new char[text.size() + 64]()), view(bytes.get(), text.size()) {
    std::copy(text.begin(), text.end(), bytes.get());
  }
  std::unique_ptr<char[]> bytes;
  std::string_view view;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr Operation kOperations[] = {Operation::Chat,   Operation::Completion, Operation::Embedding,
                                       Operation::Rerank, Operation::Moderation, Operation::ImageGeneration,
                                       Operation::Speech};
  const Operation operation = kOperations[(data[0] & 0x7f) % std::size(kOperations)];
  const std::string_view path_model = (data[0] & 0x80) != 0 ? "from-path" : "";
  const Body body({reinterpret_cast<const char*>(data) + 1, size - 1});
  const auto call = parse_call(operation, body.view, path_model);
  if (!call) {
    require(!call.error().message.empty());
    return 0;
  }
  require(!call->model.empty());
  const Body again(body.view);
  const auto second = parse_call(operation, again.view, path_model);
  require(second.has_value() && second->model == call->model && second->stream == call->stream &&
          second->output_tokens_max == call->output_tokens_max && second->choices == call->choices);

  // How a prompt begins is a list of messages that was cut behind one of the user's.
  const std::string_view beginning = turnpike::protocol::prompt_prefix(*call).messages;
  require(beginning.empty() ||
          (beginning.front() == '[' && beginning.back() == '}' && body.view.find(beginning) != std::string_view::npos));

  boost::system::error_code error;
  boost::json::parse_options options;
  options.max_depth = 2000;
  const boost::json::value tree = boost::json::parse(body.view, error, {}, options);
  if (error || !tree.is_object())
    return 0;  // No body is `{}`; escapes inside strings nobody asked for are not looked at.
  const boost::json::object& object = tree.as_object();
  if (!beginning.empty()) {
    const boost::json::value list = boost::json::parse(std::string(beginning) + "]", error, {}, options);
    require(!error && list.is_array() && !list.as_array().empty() && list.as_array().back().is_object());
  }
  if (path_model.empty() && operation != Operation::Moderation) {  // Which has a model when none is named.
    const boost::json::value* model = object.if_contains("model");
    require(model != nullptr && model->is_string() && call->model == std::string_view(model->as_string()));
  }
  const boost::json::value* stream = object.if_contains("stream");
  const bool streams = stream != nullptr && stream->is_bool() && stream->as_bool();
  const bool never =
      operation == Operation::Embedding || operation == Operation::Rerank || operation == Operation::Moderation;
  require(call->stream == (streams && !never));
  return 0;
}
