#include "protocol/operation_reply.h"

#include <gtest/gtest.h>

#include "protocol/audio_length.h"
#include "protocol/call_request.h"
#include "protocol/pass_stream.h"

namespace turnpike::protocol::operation_reply_test {
namespace {

using domain::Operation;
using domain::Unit;

std::string usage_text(const std::optional<domain::Usage>& usage) {
  std::string text;
  if (!usage) return "none";
  for (const domain::UnitCount& entry : usage->counts) {
    text += std::string(domain::unit_name(entry.unit)) + "=" + std::to_string(entry.count) + " ";
  }
  return text;
}

struct Case {
  const char* name;
  Operation operation;
  std::string_view body;
  std::string_view shown;  // Empty: the same bytes.
  const char* used;        // Or the kind of the error.
};

const Case kCases[] = {
    {"images without usage", Operation::ImageGeneration, R"({"created":1,"data":[{"url":"u"},{"url":"v"}]})", "",
     "none images=2"},
    {"image tokens are what an image model writes", Operation::ImageEdit,
     R"({"data":[{"b64_json":"A"}],"usage":{"input_tokens":7,"output_tokens":272,"total_tokens":279,"input_tokens_details":{"image_tokens":4}}})",
     "", "input_tokens=3 image_input_tokens=4 image_output_tokens=272  images=1"},
    {"both kinds of output are told apart where they are said", Operation::ImageGeneration,
     R"({"data":[{"b64_json":"A"}],"usage":{"input_tokens":7,"output_tokens":280,"total_tokens":287,"output_tokens_details":{"image_tokens":272,"text_tokens":8}}})",
     "", "input_tokens=7 output_tokens=8 image_output_tokens=272  images=1"},
    {"a moderation names the group", Operation::Moderation, R"({"id":"m","model":"up","results":[]})",
     R"({"id":"m","model":"group","results":[]})", "none"},
    {"a moderation without its verdict", Operation::Moderation,
     R"({"results":[{"categories":{"a":false,"b":true}},{"categories":{"a":false}},{"flagged":false,"categories":{"a":true}}]})",
     R"({"results":[{"flagged":true,"categories":{"a":false,"b":true}},{"flagged":false,"categories":{"a":false}},{"flagged":false,"categories":{"a":true}}]})",
     "none"},
    {"a transcript's length", Operation::Transcription, R"({"text":"t","usage":{"type":"duration","seconds":61}})", "",
     "none ms=61000"},
    {"a verbose transcript's, as text", Operation::Translation, R"({"text":"t","duration":"8.4705"})", "",
     "none ms=8471"},
    {"a transcript's tokens", Operation::Transcription,
     R"({"text":"t","usage":{"type":"tokens","input_tokens":5,"output_tokens":2,"total_tokens":7,"input_token_details":{"audio_tokens":4}}})",
     "", "input_tokens=1 output_tokens=2 audio_input_tokens=4 "},
    {"subtitles", Operation::Transcription, "1\n00:00\nhello", "", "none"},
    {"embeddings made to add up", Operation::Embedding,
     R"({"data":[{"embedding":[1.5],"index":0}],"usage":{"total_tokens":3}})",
     R"({"model":"group","data":[{"embedding":[1.5],"index":0}],"usage":{"prompt_tokens":3,"total_tokens":3}})",
     "input_tokens=3 "},
    {"base64 nobody asked for", Operation::Embedding, R"({"model":"up","data":[{"embedding":"AADAPwAAAL8="}]})",
     R"({"model":"group","data":[{"embedding":[1.5,-0.5]}]})", "none"},
    {"broken base64", Operation::Embedding, R"({"data":[{"embedding":"AADAP"}]})", "", "upstream_malformed"},
    {"an error in a 200", Operation::Moderation, R"({"error":{"message":"no","type":"invalid_request_error"}})", "",
     "upstream_bad_request"},
    {"no answer", Operation::ImageGeneration, R"({"created":1})", "", "upstream_malformed"},
    {"JSON instead of sound", Operation::Speech, R"({"ok":true})", "", "upstream_malformed"},
};

TEST(OperationReply, SaysWhatWasMadeAndUsed) {
  for (const Case& c : kCases) {
    ReplyOptions options;
    options.operation = c.operation;
    options.shown_model = "group";
    options.provider_label = "Provider";
    std::string scratch;
    std::vector<std::string_view> pieces;
    const auto facts = read_operation_reply(options, false, c.body, scratch, pieces);
    if (!facts) {
      EXPECT_EQ(domain::kind_name(facts.error().kind), c.used) << c.name;
      continue;
    }
    std::string got;
    for (const std::string_view piece : pieces) got += piece;
    EXPECT_EQ(got, c.shown.empty() ? c.body : c.shown) << c.name;
    std::string used = usage_text(facts->usage);
    if (facts->images > 0) used += " images=" + std::to_string(facts->images);
    if (facts->audio_ms > 0) used += " ms=" + std::to_string(facts->audio_ms);
    EXPECT_EQ(used, c.used) << c.name;
  }
}

TEST(OperationReply, VectorsSurviveBothWays) {
  json::Document document;
  const std::string list = "[0.1,-2.5e-08,3,1e-60,16777216]";
  ASSERT_TRUE(document.parse(list));
  const auto base64 = vector_as_base64(document.root());
  ASSERT_TRUE(base64);
  const std::string_view inside = std::string_view(*base64).substr(1, base64->size() - 2);
  EXPECT_EQ(vector_as_list(inside), "[0.1,-2.5e-08,3,0,16777216]") << "what is too small for a float is none";
  ASSERT_TRUE(document.parse("[0.1,\"x\"]"));
  EXPECT_FALSE(vector_as_base64(document.root()));
}

PassStream stream_of(Operation operation, std::string_view type) {
  StreamOptions options;
  options.operation = operation;
  options.content_type = type;
  options.provider_label = "Provider";
  return PassStream(std::move(options));
}

TEST(PassStream, PassesEventsHoweverTheyAreCutAndKeepsTheirUsage) {
  const std::string wire =
      "event: x\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AA\"}\n\n"
      "data: "
      "{\"type\":\"image_generation.completed\",\"usage\":{\"input_tokens\":1,\"output_tokens\":9,\"total_tokens\":10}}"
      "\n\n";
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    PassStream stream = stream_of(Operation::ImageGeneration, "text/event-stream; charset=utf-8");
    std::string got;
    std::vector<std::string_view> pieces;
    for (const std::string_view part : {std::string_view(wire).substr(0, cut), std::string_view(wire).substr(cut)}) {
      pieces.clear();
      ASSERT_TRUE(stream.feed(part, pieces));
      for (const std::string_view piece : pieces) got += piece;
    }
    ASSERT_TRUE(stream.finish(pieces));
    EXPECT_EQ(got, wire);
    EXPECT_TRUE(stream.complete());
    EXPECT_EQ(usage_text(stream.usage()), "input_tokens=1 image_output_tokens=9 ");
  }
}

TEST(PassStream, AnErrorEventIsAnErrorAndAnEarlyEndIsOne) {
  std::vector<std::string_view> pieces;
  PassStream failing = stream_of(Operation::Transcription, "text/event-stream");
  EXPECT_FALSE(failing.feed("data: {\"error\":{\"message\":\"no\"}}\n\n", pieces));
  EXPECT_TRUE(pieces.empty());
  PassStream cut = stream_of(Operation::Transcription, "text/event-stream");
  EXPECT_TRUE(cut.feed("data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n", pieces));
  const Status ended = cut.finish(pieces);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::UpstreamTruncated);
  PassStream silent = stream_of(Operation::Speech, "audio/mpeg");
  EXPECT_FALSE(silent.finish(pieces)) << "no byte of sound";
}

TEST(PassStream, SoundHasALength) {
  PassStream stream = stream_of(Operation::Speech, "audio/pcm");
  std::vector<std::string_view> pieces;
  const std::string second(48'000, '\1');
  ASSERT_TRUE(stream.feed(second, pieces));
  ASSERT_TRUE(stream.feed(second, pieces));
  EXPECT_TRUE(stream.content_seen());
  EXPECT_FALSE(stream.complete()) << "only its framing says where it ends";
  EXPECT_TRUE(stream.finish(pieces));
  EXPECT_EQ(stream.sound_milliseconds(), 2000U);
}

std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(i < 8 ? static_cast<char>(value >> (8 * i) & 0xffU) : '\0');
  return text;
}
std::string big(std::uint64_t value, int bytes) {
  std::string text = little(value, bytes);
  return {text.rbegin(), text.rend()};
}

std::string wav(std::uint32_t bytes_per_second, std::uint32_t data) {
  return "RIFF" + little(36 + data, 4) + "WAVE" + "LIST" + little(3, 4) + "abc" + std::string(1, '\0') + "fmt " +
         little(16, 4) + little(1, 2) + little(1, 2) + little(8000, 4) + little(bytes_per_second, 4) + little(1, 2) +
         little(8, 2) + "data" + little(data, 4);
}

TEST(AudioLength, ReadsWhatFilesSayOfThemselves) {
  EXPECT_EQ(audio_milliseconds(wav(8000, 12'000) + std::string(12'000, '\0')), 1500U);
  EXPECT_EQ(audio_milliseconds(wav(8000, 0xffffffff) + std::string(4000, '\0')), 500U) << "a stream's writer";
  // 44.1 kHz, 20 bits of rate, 36 bits of samples.
  const std::string info = big(0, 10) + big(44'100ULL << 12, 4) + big(88'200, 4);
  EXPECT_EQ(audio_milliseconds("fLaC" + big(34, 4) + info.substr(0, 18) + std::string(16, '\0')), 2000U);
  const std::string opus = "OggS" + std::string(22, '\0') + "\x01\x13" + "OpusHead" + "\x01\x01" + little(312, 2) +
                           std::string(7, '\0') + "OggS" + std::string(2, '\0') + little(48'312, 8) +
                           std::string(20, '\0');
  EXPECT_EQ(audio_milliseconds(opus), 1000U);
  const std::string mpeg1 = "\xff\xfb\x90\xc4";  // Layer III, 128 kbit/s, 44.1 kHz, mono.
  EXPECT_EQ(audio_milliseconds(mpeg1 + std::string(15'996, '\0')), 1000U) << "by its rate";
  const std::string xing = mpeg1 + std::string(17, '\0') + "Xing" + big(1, 4) + big(100, 4) + std::string(64, '\0');
  EXPECT_EQ(audio_milliseconds(xing), 100U * 1152 * 1000 / 44'100) << "by its frames";
  const std::string movie = big(8 + 8 + 32, 4) + "moov" + big(8 + 32, 4) + "mvhd" + big(0, 4) + big(0, 8) +
                            big(1000, 4) + big(2500, 4) + std::string(12, '\0');
  EXPECT_EQ(audio_milliseconds(big(16, 4) + "ftypM4A " + big(0, 4) + movie), 2500U);
  for (const std::string_view none :
       {"", "RIFF", "RIFF....WAVE", "fLaC", "OggS", "....ftyp", "\xff\xfb", "ID3", "text"}) {
    EXPECT_FALSE(audio_milliseconds(none)) << none;
  }
}

TEST(Measures, SayWhatIsAskedFor) {
  const auto measures = [](Operation operation, std::string body) {
    body.reserve(body.size() + json::kJsonPadding);
    const Result<CallRequest> call = parse_call(operation, body, "m");
    EXPECT_TRUE(call) << body;
    return call ? call->measures : domain::Measures();
  };
  const domain::Measures image =
      measures(Operation::ImageGeneration, R"({"prompt":"p","n":3,"size":"1024x1792","quality":"hd"})");
  EXPECT_EQ(image.images, 3U);
  EXPECT_EQ(image.width, 1024U);
  EXPECT_EQ(image.height, 1792U);
  EXPECT_EQ(image.quality, "hd");
  const domain::Measures plain =
      measures(Operation::ImageGeneration, R"({"prompt":"p","size":"auto","quality":"auto"})");
  EXPECT_EQ(plain.width, 0U);
  EXPECT_EQ(plain.quality, "");
  EXPECT_EQ(measures(Operation::Speech, R"({"input":"h\u00e9ll\ud83d\ude80"})").characters, 5U);
  const domain::Measures rank = measures(Operation::Rerank, R"({"query":"qq","documents":["a",{"text":"b"}]})");
  EXPECT_EQ(rank.documents, 2U);
  EXPECT_EQ(rank.text_bytes, std::string_view(R"(["a",{"text":"b"}])").size() + 2 * 4);
}

}  // namespace
}  // namespace turnpike::protocol::operation_reply_test
