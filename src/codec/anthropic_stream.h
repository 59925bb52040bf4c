#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/anthropic_usage.h"
#include "codec/json_events.h"
#include "protocol/chat_reply.h"

namespace turnpike::codec {

/// Reads the event stream of the Messages API. What an event is, its `data.type` says: some servers in between drop
/// the `event:` lines. Unknown events, blocks and deltas are read past.
///
/// Source: `RawMessageStreamEvent` of Anthropic's SDK; its own streams end with `message_stop`.
class AnthropicEvents final : public JsonEventDecoder {
 public:
  explicit AnthropicEvents(std::string_view label) : JsonEventDecoder(label) {}
  bool ended() const override { return ended_; }

 protected:
  Status take(std::string_view event_name, const json::Value& root, std::vector<protocol::ChatEvent>& out) override;
  Status take_whole(const json::Value& root, std::vector<protocol::ChatEvent>& out) override;

 private:
  static constexpr std::size_t kInputMax = 1 << 20;  // Of a server tool; a longer one is shown without.
  static constexpr std::size_t kOpenMax = 64;        // More without an end: the oldest is forgotten.
  struct Source {
    std::string url;
    std::string title;
  };
  /// A content block that has begun and not stopped; they come one after the other.
  struct OpenBlock {
    std::uint32_t index = 0;
    std::uint32_t tool = 0;     // Counts tool_use blocks.
    bool is_tool = false;       // A tool_use,
    bool arguments = false;     // of which arguments were given out.
    std::string whole_input;    // Its arguments, where the start has them already.
    std::string_view list;      // Of provider_specific_fields, where the block goes when it stops:
    std::string head;           // what its start said, as JSON,
    std::string input;          // the input as it came since,
    std::string replaced;       // and members that a delta said anew.
    std::uint64_t start = 0;    // Of a text, in characters.
    std::vector<Source> cited;  // What it names.
  };

  void start_message(const json::Value& message, std::vector<protocol::ChatEvent>& out);
  void start_block(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  void take_delta(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  void stop_block(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  void delta_message(const json::Value& root, std::vector<protocol::ChatEvent>& out);
  void take_usage(const json::Value& usage, bool placeholder, std::vector<protocol::ChatEvent>& out);

  void give_text(std::uint32_t block, std::string_view text, std::vector<protocol::ChatEvent>& out);
  void give_native(std::string_view name, std::string json, std::uint32_t block, std::vector<protocol::ChatEvent>& out);
  std::string whole_block(const OpenBlock& block) const;
  OpenBlock* find_block(std::uint32_t index);

  AnthropicUsage counts_;
  std::vector<OpenBlock> open_;
  std::uint32_t tools_ = 0;
  std::uint64_t characters_ = 0;
  bool finished_ = false;  // A stop reason has been given out.
  bool ended_ = false;
  std::optional<protocol::ChatReply> whole_;  // An answer that came unstreamed: its texts live as long as the events.
};

}  // namespace turnpike::codec
