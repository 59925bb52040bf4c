// Runs test/wire/chat: one directory per case, one set of files per shape; its README says what each file is.
// UPDATE_FIXTURES=1 writes the expected files anew; the diff is part of the review.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "codec/test_call.h"
#include "codec/wire_support.h"
#include "json/write.h"

namespace turnpike::codec::wire_matrix_test {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMatrix[] = {"openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "cohere"};
constexpr std::string_view kCases[] = {"plain",        "system",       "multi_turn",        "image_url",
                                       "image_base64", "document",     "tool_call",         "parallel_tool_calls",
                                       "tool_result",  "forced_tool",  "structured_output", "reasoning",
                                       "prompt_cache", "content_stop", "length_stop",       "provider_error",
                                       "rate_limit"};

fs::path root() {
  return fs::path(TURNPIKE_SOURCE_DIR) / "test" / "wire" / "chat";
}

/// One shape in one case.
struct Cell {
  std::string name;  // Of the case.
  std::string shape;

  fs::path directory() const { return root() / name; }
  fs::path file(std::string_view what) const { return directory() / (shape + "." + std::string(what)); }
  bool has(std::string_view what) const { return fs::exists(file(what)); }
  /// Statuses of the refusals that are there.
  std::vector<std::string> refusals() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory())) {
      const std::string text = entry.path().filename().string();
      const std::string start = shape + ".reply.";
      if (text.starts_with(start) && text.ends_with(".json") && text.size() == start.size() + 8)
        found.push_back(text.substr(start.size(), 3));
    }
    return found;
  }
  std::string_view stream_file() const {
    for (const std::string_view name_of : {"reply.sse", "reply.ndjson", "reply.frames"}) {
      if (has(name_of)) return name_of;
    }
    return {};
  }
};

std::vector<Cell> cells() {
  std::set<std::pair<std::string, std::string>> found;
  for (const auto& directory : fs::directory_iterator(root())) {
    if (!directory.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(directory.path())) {
      const std::string name = entry.path().filename().string();
      if (name == "caller.json" || name == "broken_on_purpose") continue;
      found.emplace(directory.path().filename().string(), name.substr(0, name.find('.')));
    }
  }
  std::vector<Cell> all;
  for (const auto& [name, shape] : found) all.push_back({name, shape});
  return all;
}

class WireMatrix : public testing::TestWithParam<Cell> {
 protected:
  const Cell& cell() const { return GetParam(); }

  std::unique_ptr<TestCall> make_call(bool stream) const {
    std::string body = read_file(cell().directory() / "caller.json");
    if (stream) body.insert(1, R"("stream":true,"stream_options":{"include_usage":true},)");
    std::unique_ptr<TestCall> call =
        aimed_call(target_of_shape(cell().shape, cell().file("target.json")), std::move(body));
    for (const std::string& url : codec_of(call->target).urls_to_fetch(*call->input)) {
      fetched_[url] = {"image/png", "RkVUQ0hFRA=="};
    }
    call->input->fetched = &fetched_;
    return call;
  }

  static protocol::StreamOptions stream_options(const TestCall& call) {
    protocol::StreamOptions options;
    options.shown_model = call.call.model;
    options.include_usage = true;
    options.fallback_id = kFixtureId;
    options.created_s = kFixtureTime;
    options.provider_label = call.target.provider->label;
    return options;
  }

  void check_request() const {
    for (const bool stream : {false, true}) {
      if (stream && cell().stream_file().empty()) continue;
      const auto call = make_call(stream);
      const auto encoded = call->encode();
      ASSERT_TRUE(encoded) << encoded.error().message;
      expect_file(cell().file(stream ? "stream.http" : "request.http"), request_text(*encoded));
    }
  }

  std::string check_whole() const {
    const auto call = make_call(false);
    const auto encoded = call->encode();
    if (!encoded) return {};
    const std::string reply = read_file(cell().file("reply.json"));
    protocol::ReplyOptions options;
    options.shown_model = call->call.model;
    options.provider_label = call->target.provider->label;
    options.fallback_id = kFixtureId;
    options.created_s = kFixtureTime;
    std::string scratch;
    std::vector<std::string_view> pieces;
    const auto facts = codec_of(call->target).read_reply(options, *encoded, reply, scratch, pieces);
    std::string out;
    for (const std::string_view piece : pieces) out += piece;
    if (!facts) {
      expect_file(cell().file("caller.json"), error_text(facts.error()));
      return {};
    }
    while (out.ends_with('\n')) out.pop_back();
    if (facts->owes_usage) out += "}";  // Counted usage comes in between.
    expect_file(cell().file("caller.json"), out + "\n");
    expect_file(cell().file("usage.json"), usage_text(facts->usage));
    return out;
  }

  std::string check_stream(std::string_view name) const {
    const auto call = make_call(true);
    const auto encoded = call->encode();
    if (!encoded) return {};
    std::string bytes = read_file(cell().file(name));
    if (name.ends_with(".frames")) bytes = frames_of(bytes);
    const auto follow_parts = [&](const Parts& parts) {
      const auto made = codec_of(call->target).follow(stream_options(*call), *encoded);
      return follow(*made, parts);
    };
    const Followed whole = follow_parts({bytes});
    expect_file(cell().file("caller.sse"), whole.events);
    expect_file(cell().file("usage.json"), usage_text(whole.usage));
    expect_same_however_cut(bytes, whole, follow_parts);
    if (HasFatalFailure()) return {};
    return whole.events;
  }

  void check_refusal(const std::string& status) const {
    const auto call = make_call(false);
    const std::string reply = read_file(cell().file("reply." + status + ".json"));
    const std::string fields =
        cell().has("reply." + status + ".fields") ? read_file(cell().file("reply." + status + ".fields")) : "";
    const std::string retry_after = field_of(fields, "retry-after");
    const std::string error_type = field_of(fields, "x-amzn-errortype");
    Refusal refusal;
    refusal.status = static_cast<int>(base::parse_unsigned(status).value_or(0));
    refusal.body = reply;
    refusal.label = call->target.provider->label;
    refusal.retry_after = retry_after;
    refusal.error_type = error_type;
    refusal.now_s = kFixtureTime;
    expect_file(cell().file("caller." + status + ".txt"), error_text(codec_of(call->target).read_error(refusal)));
  }

  void check_none() const {
    const std::string why = read_file(cell().file("none"));
    const auto encoded = make_call(false)->encode();
    if (why.starts_with("refused: ")) {
      ASSERT_FALSE(encoded) << "the call is encoded all the same";
      EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
      expect_file(cell().file("caller.400.txt"), error_text(encoded.error()));
    } else {
      EXPECT_TRUE(why.starts_with("limit: ") && why.size() > 30) << "say refused: or limit: and why";
    }
  }

 private:
  mutable FetchedByUrl fetched_;
};

TEST_P(WireMatrix, TranslatesBothWays) {
  if (cell().has("none")) {
    check_none();
    return;
  }
  check_request();
  std::string whole;
  std::string stream;
  if (cell().has("reply.json")) whole = check_whole();
  if (const std::string_view name = cell().stream_file(); !name.empty()) stream = check_stream(name);
  for (const std::string& status : cell().refusals()) check_refusal(status);
  if (!whole.empty() && !stream.empty()) EXPECT_EQ(meaning_of_stream(stream), meaning_of_reply(whole));
}

INSTANTIATE_TEST_SUITE_P(Chat, WireMatrix, testing::ValuesIn(cells()), [](const testing::TestParamInfo<Cell>& info) {
  return info.param.name + "_" + info.param.shape;
});

// "both": whole and streamed; "error": a refusal; "-": the vendor cannot, the file says why.
std::string state_of(const Cell& cell) {
  if (cell.has("none")) return "-";
  const bool whole = cell.has("reply.json");
  const bool stream = !cell.stream_file().empty();
  if (whole && stream) return "both";
  if (!cell.refusals().empty()) return "error";
  return whole ? "whole" : stream ? "stream" : "";
}

TEST(WireMatrixTable, HasNoEmptyCell) {
  std::string table = "case                  ";
  for (const std::string_view shape : kMatrix) table += std::string(shape) + std::string(11 - shape.size(), ' ');
  std::string missing;
  for (const std::string_view name : kCases) {
    table += "\n" + std::string(name) + std::string(22 - name.size(), ' ');
    for (const std::string_view shape : kMatrix) {
      const std::string state = state_of({std::string(name), std::string(shape)});
      table += state + std::string(11 - state.size(), ' ');
      if (state.empty() || state == "whole" || state == "stream")
        missing += " " + std::string(name) + "/" + std::string(shape);
    }
  }
  std::printf("%s\n", table.c_str());
  EXPECT_EQ(missing, "");
}

}  // namespace
}  // namespace turnpike::codec::wire_matrix_test
