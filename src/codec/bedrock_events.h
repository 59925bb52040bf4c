#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec/event_stream.h"
#include "json/document.h"
#include "protocol/chat_event.h"
#include "protocol/texts.h"

namespace turnpike::codec {

/// Reads the event stream of ConverseStream. Text and thoughts come without a start, so a block is what its deltas say
/// it is; `metadata` with usage and trace comes behind `messageStop`, which is the end that must be seen (AC-BED-1).
///
/// A provider that ignores the stream and answers in one JSON body is read as well (AC-ERR-2).
/// Source: ConverseStreamOutput of Bedrock Runtime's service model.
/// Limits: those of EventStreamReader; 24 MiB of a body in one piece; 1024 blocks open at a time.
class BedrockEvents final : public protocol::EventDecoder {
 public:
  explicit BedrockEvents(std::string_view label) : label_(label), reader_(label) {}

  Status feed(std::string_view bytes, std::vector<protocol::ChatEvent>& out) override;
  Status finish(std::vector<protocol::ChatEvent>& out) override;
  const std::optional<domain::Usage>& usage() const override { return usage_; }
  std::string_view service_tier() const override { return service_tier_; }

 private:
  enum class Form : std::uint8_t { Unknown, Frames, Whole };
  struct OpenBlock {
    std::uint32_t index = 0;
    std::optional<std::uint32_t> tool;  // Counts the caller's tool calls; absent: no call, or one that AWS runs.
    bool unseen = false;                // A tool that AWS runs, and its result: nobody is to see it.
    std::uint64_t start = 0;            // Where its text begins, in characters.
    std::string mime;                   // Of an image.
  };

  Status take(const StreamMessage& message, std::vector<protocol::ChatEvent>& out);
  void start_block(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  Status take_delta(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  void take_thought(const json::Value& thought, std::uint32_t block, std::vector<protocol::ChatEvent>& out);
  void take_citation(const json::Value& citation, const OpenBlock& block, std::vector<protocol::ChatEvent>& out);
  void stop_message(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  void take_metadata(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  void end(std::vector<protocol::ChatEvent>& out);
  Status take_whole(std::vector<protocol::ChatEvent>& out);

  protocol::ChatEvent& add(std::vector<protocol::ChatEvent>& out, protocol::ChatEvent::Kind kind, std::uint32_t block);
  void add_native(std::vector<protocol::ChatEvent>& out, std::string_view name, const json::Value& value);
  OpenBlock& block_of(const json::Value& root);
  void stop_block(const json::Value& root);
  std::string_view text(const json::Value& value);

  std::string label_;
  EventStreamReader reader_;
  std::vector<StreamMessage> messages_;
  protocol::Texts texts_;  // Of the last feed.
  Form form_ = Form::Unknown;
  std::string body_;  // An answer in one piece.
  std::optional<protocol::ChatReply> whole_;
  std::vector<OpenBlock> blocks_;
  std::uint32_t tools_ = 0;
  std::uint64_t characters_ = 0;
  std::optional<std::string> stop_reason_;  // Of messageStop; kept until metadata, which has more of the message.
  bool ended_ = false;                      // End was given out.
  std::optional<domain::Usage> usage_;
  std::string service_tier_;
};

}  // namespace turnpike::codec
