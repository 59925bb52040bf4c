// Runs test/wire/operations: one directory per case, its README says what each file is.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "codec/wire_support.h"

namespace turnpike::codec::op_wire_test {
namespace {

namespace fs = std::filesystem;
using domain::Operation;

constexpr char kVariant = '_';  // "bedrock_titan" is one of Bedrock.
const fs::path kRoot = fs::path(TURNPIKE_SOURCE_DIR) / "test/wire/operations";

Operation operation_of(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Operation::Translation); ++i) {
    if (domain::operation_name(static_cast<Operation>(i)) == name) return static_cast<Operation>(i);
  }
  ADD_FAILURE() << "no operation is called " << name;
  return Operation::Chat;
}

/// The names of a case: "openai" of "openai.reply.json".
std::vector<std::string> names_in(const fs::path& directory) {
  constexpr std::string_view kReply = ".reply.json";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(kReply)) names.push_back(file.substr(0, file.size() - kReply.size()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string made_text(const protocol::ReplyFacts& facts) {
  std::string text = usage_text(facts.usage);
  if (facts.images > 0) text += "images: " + std::to_string(facts.images) + "\n";
  if (facts.audio_ms > 0) text += "milliseconds: " + std::to_string(facts.audio_ms) + "\n";
  if (facts.owes_usage) text += "to be counted\n";
  return text;
}

void run(const fs::path& directory, const std::string& name) {
  SCOPED_TRACE(directory.filename().string() + ", " + name);
  const auto file = [&](std::string_view what) { return directory / (name + "." + std::string(what)); };
  const Operation operation = operation_of(base::trim(read_file(directory / "operation")));
  const bool form = fs::exists(directory / "caller.form");
  const auto call = aimed_call(target_of_shape(name.substr(0, name.find(kVariant)), file("target.json")),
                               read_file(directory / (form ? "caller.form" : "caller.json")), operation,
                               form ? "multipart/form-data; boundary=fixture" : "application/json");
  const Codec& codec = codec_of(call->target, operation);
  Result<Encoded> made = call->encode();
  ASSERT_TRUE(made) << made.error().message;
  const Encoded encoded = std::move(*made);  // The result may move before it is sent.
  std::string sent = encoded.origin ? "to " + encoded.origin->host + "\n" : "";
  sent += request_text(encoded);
  for (const Encoded& next : encoded.more) sent += "\n\n" + request_text(next);
  expect_file(file("request.http"), sent);

  std::vector<std::string> replies = {read_file(file("reply.json"))};
  while (replies.size() <= encoded.more.size()) {
    replies.push_back(read_file(file("reply." + std::to_string(replies.size() + 1) + ".json")));
  }
  const std::vector<std::string_view> bodies(replies.begin(), replies.end());
  protocol::ReplyOptions options;
  options.operation = operation;
  options.shown_model = call->call.model;
  options.provider_label = call->target.provider->label;
  options.fallback_id = "made-1";
  options.created_s = 1'763'942'400;
  options.content_type = "application/json";
  std::string scratch;
  std::vector<std::string_view> pieces;
  const Result<protocol::ReplyFacts> facts = codec.read_replies(options, encoded, bodies, scratch, pieces);
  std::string got;
  for (const std::string_view piece : pieces) got += piece;
  expect_file(file("caller.json"), facts ? got : error_text(facts.error()));
  if (facts) expect_file(file("usage.json"), made_text(*facts));
}

TEST(OperationFixtures, AreWhatWeSendAndGive) {
  std::size_t cells = 0;
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    if (!entry.is_directory()) continue;
    for (const std::string& name : names_in(entry.path())) {
      run(entry.path(), name);
      ++cells;
    }
  }
  EXPECT_GE(cells, 40U);
}

}  // namespace
}  // namespace turnpike::codec::op_wire_test
