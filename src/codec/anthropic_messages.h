#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/anthropic_betas.h"
#include "codec/codec.h"
#include "codec/tool_names.h"
#include "json/write.h"
#include "protocol/chat_request.h"

namespace turnpike::codec {

/// Lays the messages of a call out as Anthropic's turns: `system` apart, roles in turn, results of tools first in the
/// turn behind their calls, ids in the letters the API takes and each once, no empty texts.
///
/// Source: Anthropic API reference, Messages; spec providers-anthropic 2 and 3. Thinking goes back as it came (with its
///         signature), what other providers thought is left out.
/// Errors: InvalidRequest naming the message that holds what the API does not take.
class AnthropicMessages {
 public:
  /// `modify`: what the API would refuse is repaired.
  AnthropicMessages(protocol::ChatRequest& request, const EncodeInput& input, bool modify, ToolNames& names,
                    AnthropicBetas& betas)
      : request_(request), input_(input), modify_(modify), names_(names), betas_(betas) {}

  Status lay_out();
  /// Appends the members `system` (if any) and `messages`.
  Status write(json::Writer& writer);

  bool has_tool_uses() const;
  /// The last assistant turn calls tools and nobody's thinking is in the history: the API refuses to think on from
  /// there.
  bool lacks_thinking() const;
  bool has_system() const { return !system_.empty(); }

 private:
  enum class Speaker : std::uint8_t { System, User, Assistant };
  struct Piece {
    const protocol::Block* block = nullptr;
    protocol::CacheMark cache;
    std::size_t message = 0;
    std::string_view id;   // ToolUse and ToolResult, as sent.
    std::string_view raw;  // Instead of a block: one of the API's own, as it came.
  };
  struct Turn {
    Speaker speaker = Speaker::User;
    std::vector<Piece> pieces;
  };

  void add(Speaker speaker, Piece piece);
  void take_system(const protocol::Message& message, std::size_t index);
  void take_user(const protocol::Message& message, std::size_t index);
  void take_assistant(const protocol::Message& message, std::size_t index);
  void take_tool_use(const protocol::Block& block, Piece piece, const protocol::Message& message);
  std::string_view id_for_use(std::string_view id);
  std::string_view id_for_result(std::string_view id);
  void end_user_turn();
  static void put_results_first(std::vector<Piece>& pieces);
  Status repair();

  Status write_turn(json::Writer& writer, const Turn& turn, bool last);
  Status write_piece(json::Writer& writer, const Piece& piece);
  Status write_result(json::Writer& writer, const Piece& piece);

  protocol::ChatRequest& request_;
  const EncodeInput& input_;
  bool modify_;
  ToolNames& names_;
  AnthropicBetas& betas_;
  std::vector<Piece> system_;
  std::vector<Turn> turns_;
  std::vector<Piece> later_system_;  // Said amid the conversation: behind the user's turn, where the model takes it.
  std::vector<std::pair<std::string_view, std::string_view>> ids_;  // The caller's, the sent; the latest last.
};

/// Whether a tool of the API's own runs on its servers in this call.
bool has_server_tools(const protocol::ChatRequest& request);

}  // namespace turnpike::codec
