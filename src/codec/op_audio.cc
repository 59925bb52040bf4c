#include <cmath>

#include "base/text.h"
#include "codec/chat_codec.h"
#include "codec/op_codec.h"
#include "codec/op_request.h"
#include "http/message.h"

namespace turnpike::codec {
namespace {

using json::Value;

/// A query parameter; a list gives one for each element.
void add_query(std::string& path, std::string_view name, std::string_view value) {
  path.push_back(path.find('?') == std::string::npos ? '?' : '&');
  path.append(name).append("=").append(base::percent_encode(value));
}

/// Deepgram: the recording itself is the body, all else stands in the query.
/// Source: Deepgram's reference of POST /v1/listen; spec providers-others 14.
Status encode_deepgram(const EncodeInput& input, Encoded& out) {
  const protocol::FormPart& file = *input.call.form->find_file("file");
  Params params(input);
  const std::string format = params.text("response_format").value_or("json");
  if (format != "json" && format != "text" && format != "verbose_json") {
    return refuse_param("response_format",
                        "litellm.UnsupportedParamsError: Deepgram answers json, verbose_json or text");
  }
  out.answer_format = format;
  out.path = input.target.base.path + "/listen";
  add_query(out.path, "model", input.target.model);
  if (const auto language = params.text("language")) add_query(out.path, "language", *language);
  params.drop({"file", "timestamp_granularities"});  // Words always have their times.
  if (Status refused = refuse_unsupported(input, params, {"prompt", "temperature", "include", "chunking_strategy"});
      !refused) {
    return refused;
  }
  params.each_rest([&](std::string_view name, std::string_view raw) {
    json::Document document;
    if (!document.parse(raw)) return;
    if (document.root().is(json::Kind::Array)) {
      for (const Value element : document.root().elements()) {
        add_query(out.path, name, element.text().value_or(std::string(element.raw())));
      }
    } else {
      add_query(out.path, name, document.root().text().value_or(std::string(raw)));
    }
  });
  out.fields = common_fields(input, false);
  set_field(out.fields, "Content-Type", file.content_type.empty() ? "application/octet-stream" : file.content_type);
  if (const std::string& key = input.credential.token.reveal();
      !key.empty() && !has_field(input.target.extra_fields, "authorization")) {
    http::add_field(out.fields, "Authorization", "Token " + key);
  }
  out.body = {file.value.in(input.call.form_bytes)};
  return {};
}

Result<protocol::ReplyFacts> decode_deepgram(const OperationAnswer& answer, std::string& out) {
  constexpr double kSecondsMax = 7.0 * 24 * 3600;
  json::Document document;
  if (auto parsed = document.parse(answer.bodies.front()); !parsed) {
    return unreadable_answer(answer, parsed.error().message);
  }
  const Value root = document.root();
  Value best;
  Value language;
  for (const Value channel : root.find("results").find("channels").elements()) {
    for (const Value alternative : channel.find("alternatives").elements()) {
      if (!best) best = alternative;
    }
    if (!language) language = channel.find("detected_language");
  }
  const Value transcript = best.find("transcript");
  if (!transcript.is(json::Kind::String)) return unreadable_answer(answer, "it has no transcript");
  protocol::ReplyFacts facts;
  const Value metadata = root.find("metadata");
  facts.id = metadata.find("request_id").text().value_or("");
  const Value duration = metadata.find("duration");
  const double seconds = duration.number().value_or(0);
  if (seconds > 0 && seconds < kSecondsMax) facts.audio_ms = static_cast<std::uint64_t>(std::llround(seconds * 1000));
  if (answer.request.answer_format == "text") {
    out += transcript.text().value_or("");
    return facts;
  }
  json::Writer writer(out);
  writer.begin_object().key("text").raw(transcript.raw());
  if (answer.request.answer_format == "verbose_json") {
    writer.key("task").string("transcribe");
    if (language.is(json::Kind::String)) writer.key("language").raw(language.raw());
    if (duration.is(json::Kind::Number)) writer.key("duration").raw(duration.raw());
    writer.key("words").begin_array();
    for (const Value word : best.find("words").elements()) {
      const Value start = word.find("start");
      const Value end = word.find("end");
      if (!word.find("word").is(json::Kind::String) || !start.is(json::Kind::Number) || !end.is(json::Kind::Number)) {
        continue;
      }
      writer.begin_object().key("word").raw(word.find("word").raw());
      writer.key("start").raw(start.raw()).key("end").raw(end.raw()).end_object();
    }
    writer.end_array();
  } else if (duration.is(json::Kind::Number)) {
    writer.key("usage").begin_object().key("type").string("duration").key("seconds").raw(duration.raw()).end_object();
  }
  writer.end_object();
  return facts;
}

}  // namespace

const OperationDialect kDeepgramTranscription{encode_deepgram, decode_deepgram};

}  // namespace turnpike::codec
