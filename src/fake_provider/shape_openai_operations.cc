// What OpenAI's API does beside writing text, in the plainest form that callers can read.
#include <fmt/core.h>

#include "base/base64.h"
#include "fake_provider/shape_openai.h"
#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

std::string usage_member(const Answer& answer) {
  return answer.ask.script.no_usage ? std::string() : R"(,"usage":)" + openai_usage(answer);
}

std::string embeddings(const Answer& answer) {
  const Ask& ask = answer.ask;
  std::string body = R"({"object":"list","data":[)";
  for (std::int64_t i = 0; i < ask.inputs; ++i) {
    if (i > 0) body += ',';
    body += R"({"object":"embedding","index":)" + std::to_string(i) + R"(,"embedding":)";
    body += ask.base64 ? '"' + vector_base64(ask, i) + '"' : vector_json(ask, i);
    body += '}';
  }
  return body + R"(],"model":)" + json::quoted(ask.model) + usage_member(answer) + "}";
}

/// The later a document stands the less it fits.
std::string ranking(const Answer& answer) {
  std::string results;
  for (std::int64_t i = 0; i < answer.ask.inputs; ++i) {
    results += fmt::format(R"({}{{"index":{},"relevance_score":{}}})", i > 0 ? "," : "", i,
                           1.0 / static_cast<double>(std::int64_t{1} << std::min<std::int64_t>(i, 20)));
  }
  return R"({"id":)" + json::quoted(answer.id) + R"(,"model":)" + json::quoted(answer.ask.model) + R"(,"results":[)" +
         results + "]" + usage_member(answer) + "}";
}

/// One white pixel.
std::string images(const Answer& answer) {
  constexpr std::string_view kPixel =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTjcjQAAAABJRU5ErkJggg==";
  std::string data;
  for (std::int64_t i = 0; i < answer.ask.choices; ++i) {
    data += fmt::format(R"({}{{"b64_json":"{}"}})", i > 0 ? "," : "", kPixel);
  }
  std::string usage;
  if (!answer.ask.script.no_usage) {
    usage = fmt::format(R"(,"usage":{{"input_tokens":{0},"output_tokens":0,"total_tokens":{0},)"
                        R"("input_tokens_details":{{"text_tokens":{0},"image_tokens":0}}}})",
                        answer.tokens.prompt);
  }
  return fmt::format(R"({{"created":{},"data":[{}],"output_format":"png"{}}})", kCreated, data, usage);
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

/// A tenth of a second of silence: 8 kHz, 16 bit, one channel.
std::string speech() {
  constexpr std::uint32_t kRate = 8000;
  const std::string samples(kRate / 10 * 2, '\0');
  const std::string format = "fmt " + little_endian(16, 4) + little_endian(1, 2) + little_endian(1, 2) +
                             little_endian(kRate, 4) + little_endian(kRate * 2, 4) + little_endian(2, 2) +
                             little_endian(16, 2);
  const std::string data = "data" + little_endian(static_cast<std::uint32_t>(samples.size()), 4) + samples;
  return "RIFF" + little_endian(static_cast<std::uint32_t>(4 + format.size() + data.size()), 4) + "WAVE" + format +
         data;
}

std::string transcript(const Answer& answer) {
  constexpr std::int64_t kWords = 8;
  std::string body = R"({"text":)" + json::quoted(text_of_tokens(answer.ask, kWords, 0));
  if (!answer.ask.script.no_usage) body += R"(,"usage":{"type":"duration","seconds":1})";
  return body + "}";
}

std::string models() {
  std::string body = R"({"object":"list","data":[)";
  for (const std::string_view name : model_names()) {
    if (body.back() == '}') body += ',';
    body += fmt::format(R"({{"id":"{}","object":"model","created":{},"owned_by":"fake-provider"}})", name, kCreated);
  }
  return body + "]}";
}

}  // namespace

std::string openai_operation(const Answer& answer) {
  switch (answer.ask.kind) {
    case AskKind::Embedding:
      return embeddings(answer);
    case AskKind::Rerank:
      return ranking(answer);
    case AskKind::Image:
      return images(answer);
    case AskKind::Speech:
      return speech();
    case AskKind::Transcription:
      return transcript(answer);
    case AskKind::Models:
      return models();
    case AskKind::Chat:
    case AskKind::Completion:
      break;
  }
  return {};
}

}  // namespace turnpike::fake_provider
