#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/chunk_decoder.h"
#include "http/head_parser.h"

/// The head parser and the chunk decoder over any bytes: whatever arrives is read the same however it is cut, what is
/// accepted keeps its framing promises, and an incomplete head is never taken for a refused one later on.
namespace {

using namespace turnpike::http;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string decode(std::string bytes, std::size_t cut, bool& done, bool& failed) {
  ChunkDecoder decoder;
  std::string body;
  cut = std::min(cut, bytes.size());
  for (std::string piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
    const ChunkDecoder::Step step = decoder.decode(piece.data(), piece.size());
    require(step.body_bytes <= step.consumed && step.consumed <= piece.size());
    body.append(piece.data(), step.body_bytes);
  }
  done = decoder.done();
  failed = decoder.failed();
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const HeadLimits limits{4096, 20};
  Request request;
  Framing framing;
  const HeadResult whole = parse_request_head(bytes, limits, request, framing);
  if (whole.state == HeadState::Done) {
    require(whole.head_bytes <= size && whole.head_bytes >= 4);
    require(bytes.compare(whole.head_bytes - 4, 4, "\r\n\r\n") == 0);
    require(!(framing.chunked && framing.length));
    require(request.path == "*" || request.path.front() == '/');
    for (const Field& field : request.fields)
      require(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  // A prefix may be incomplete, or refused for the same reason to close; it is never a different message.
  const std::size_t cut = size / 2;
  const HeadResult part = parse_request_head(std::string_view(bytes).substr(0, cut), limits, request, framing);
  if (part.state == HeadState::Refused) require(whole.state == HeadState::Refused);
  if (part.state == HeadState::Done) require(whole.state == HeadState::Done && whole.head_bytes == part.head_bytes);
  std::size_t from = 0;
  if (whole.state == HeadState::Done)
    require(find_head_end(bytes, from) == HeadState::Done && from == whole.head_bytes);

  int status = 0;
  Fields fields;
  parse_reply_head(bytes, limits, status, fields, framing);

  bool done = false, failed = false, done_cut = false, failed_cut = false;
  const std::string body = decode(bytes, 0, done, failed);
  const std::string body_cut = decode(bytes, cut, done_cut, failed_cut);
  require(body == body_cut && done == done_cut && failed == failed_cut);
  return 0;
}
