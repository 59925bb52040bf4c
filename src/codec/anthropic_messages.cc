#include "codec/anthropic_messages.h"

#include <algorithm>
#include <iterator>

#include "codec/anthropic_media.h"
#include "codec/parts.h"

namespace turnpike::codec {

using json::Kind;
using json::Value;
using protocol::Block;
using protocol::Message;
using protocol::Role;

namespace {

constexpr std::string_view kServerToolId = "srvtoolu_";

std::string_view trim_end(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n\f\v");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

bool says_nothing(const Block& block) {
  return trim_end(block.text).empty();
}

bool good_id_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

void write_text(json::Writer& writer, std::string_view text, const protocol::CacheMark& cache) {
  writer.begin_object().key("type").string("text").key("text").string(text);
  write_cache_mark(writer, cache);
  writer.end_object();
}

/// What an earlier answer left in `provider_specific_fields`: blocks of the API's own, to be sent back as they came.
struct NativeBlocks {
  struct Result {
    std::string_view id;
    std::string_view json;
  };
  std::vector<std::string_view> compactions;
  std::vector<Result> calls;
  std::vector<Result> results;

  explicit NativeBlocks(const Message& message) {
    json::Document document;
    if (message.json.find("\"provider_specific_fields\"") == std::string_view::npos) return;
    if (!document.parse(message.json)) return;
    const Value fields = document.root().find("provider_specific_fields");
    for (const Value block : fields.find("compaction_blocks").elements()) {
      if (block.is(Kind::Object)) compactions.push_back(block.raw());
    }
    for (const Value call : fields.find("server_tool_use").elements()) {
      calls.push_back({call.find("id").inner(), call.raw()});
    }
    for (const std::string_view list : {"web_search_results", "tool_results"}) {
      for (const Value result : fields.find(list).elements()) {
        results.push_back({result.find("tool_use_id").inner(), result.raw()});
      }
    }
  }

  std::string_view result_of(std::string_view id) const {
    for (const Result& result : results) {
      if (result.id == id) return result.json;
    }
    return {};
  }
};

}  // namespace

bool has_server_tools(const protocol::ChatRequest& request) {
  if (!request.web_search_options_json.empty()) return true;
  return std::any_of(request.tools.begin(), request.tools.end(),
                     [](const protocol::Tool& tool) { return tool.kind == protocol::Tool::Kind::Native; });
}

void AnthropicMessages::add(Speaker speaker, Piece piece) {
  if (turns_.empty() || turns_.back().speaker != speaker) {
    if (speaker == Speaker::Assistant) end_user_turn();
    turns_.push_back({speaker, {}});
  }
  turns_.back().pieces.push_back(piece);
}

// The API takes a system message behind a user's turn and before the assistant's, one at a time.
void AnthropicMessages::end_user_turn() {
  if (later_system_.empty() || turns_.empty() || turns_.back().speaker != Speaker::User) return;
  turns_.push_back({Speaker::System, std::move(later_system_)});
  later_system_.clear();
}

void AnthropicMessages::take_system(const Message& message, std::size_t index) {
  const bool in_place = !turns_.empty() && input_.traits.has(domain::Trait::MidConversationSystem);
  std::vector<Piece>& pieces = in_place ? later_system_ : system_;
  for (const Block& block : message.blocks) {
    const bool last = &block == &message.blocks.back();
    Piece piece{&block, block.cache.set || !last ? block.cache : message.cache, index, {}, {}};
    if (block.kind == Block::Kind::Text && !says_nothing(block)) pieces.push_back(piece);
  }
}

void AnthropicMessages::take_user(const Message& message, std::size_t index) {
  for (const Block& block : message.blocks) {
    const bool last = &block == &message.blocks.back();
    Piece piece{&block, block.cache.set || !last ? block.cache : message.cache, index, {}, {}};
    if (block.kind == Block::Kind::Text && says_nothing(block)) continue;
    if (block.kind == Block::Kind::ToolResult) piece.id = id_for_result(block.id);
    if (block.kind == Block::Kind::ToolResult && piece.id.empty()) continue;
    add(Speaker::User, piece);
  }
}

void AnthropicMessages::take_assistant(const Message& message, std::size_t index) {
  const NativeBlocks native(message);
  const bool server_tools = has_server_tools(request_);
  const auto add_raw = [&](std::string_view json) {
    if (!json.empty()) add(Speaker::Assistant, {nullptr, {}, index, {}, json});
  };
  for (const std::string_view block : native.compactions) add_raw(block);
  bool server_blocks_due = server_tools;
  const auto add_server_blocks = [&](bool answered) {
    for (const auto& call : native.calls) {
      const std::string_view result = native.result_of(call.id);
      if (result.empty() == answered) continue;
      add_raw(call.json);
      add_raw(result);
    }
  };
  for (const Block& block : message.blocks) {
    const bool last = &block == &message.blocks.back();
    Piece piece{&block, block.cache.set || !last ? block.cache : message.cache, index, {}, {}};
    const bool thought = block.kind == Block::Kind::Thinking || block.kind == Block::Kind::RedactedThinking;
    if (!thought && server_blocks_due) {
      add_server_blocks(true);
      server_blocks_due = false;
    }
    switch (block.kind) {
      case Block::Kind::Thinking:
        // Nobody but the API can have sealed it; what has no seal was another provider's.
        if (!block.signature.empty()) add(Speaker::Assistant, piece);
        break;
      case Block::Kind::RedactedThinking:
      case Block::Kind::Native:
        add(Speaker::Assistant, piece);
        break;
      case Block::Kind::Text:
      case Block::Kind::Refusal:
        if (!says_nothing(block)) add(Speaker::Assistant, piece);
        break;
      case Block::Kind::ToolUse:
        take_tool_use(block, piece, message);
        break;
      case Block::Kind::Image:
      case Block::Kind::Audio:
      case Block::Kind::Document:
      case Block::Kind::Video:
      case Block::Kind::ToolResult:
        break;  // An assistant's turn has no place for what other models drew or spoke.
    }
  }
  if (server_blocks_due) add_server_blocks(true);
  // A paused turn ends with a call under way; the API goes on from there.
  if (server_tools) add_server_blocks(false);
}

void AnthropicMessages::take_tool_use(const Block& block, Piece piece, const Message& message) {
  if (block.id.starts_with(kServerToolId)) {
    // LiteLLM shows the API's own calls as the caller's; without their result they mean nothing any more.
    const std::string_view result = NativeBlocks(message).result_of(block.id);
    if (result.empty() || !has_server_tools(request_)) return;
    piece.id = block.id;
    add(Speaker::Assistant, piece);
    add(Speaker::Assistant, {nullptr, {}, piece.message, {}, result});
    return;
  }
  const bool same_turn = !turns_.empty() && turns_.back().speaker == Speaker::Assistant;
  if (same_turn) {
    for (const Piece& other : turns_.back().pieces) {
      if (other.block != nullptr && other.block->kind == Block::Kind::ToolUse && other.block->id == block.id) return;
    }
  }
  piece.id = id_for_use(block.id);
  add(Speaker::Assistant, piece);
}

// Ids must be good letters and each once in the whole conversation; some providers count anew in every turn.
std::string_view AnthropicMessages::id_for_use(std::string_view id) {
  const auto used = [&](std::string_view sent) {
    return std::any_of(ids_.begin(), ids_.end(), [&](const auto& known) { return known.second == sent; });
  };
  std::string made(id);
  for (char& c : made) {
    if (!good_id_letter(c)) c = '_';
  }
  std::string_view sent = id;
  if (made != id || used(id)) {
    const std::string base = made;
    for (std::size_t number = 2; used(made); ++number) made = base + "_" + std::to_string(number);
    sent = request_.texts.keep(std::move(made));
  }
  ids_.emplace_back(id, sent);
  return sent;
}

std::string_view AnthropicMessages::id_for_result(std::string_view id) {
  const auto found = std::find_if(ids_.rbegin(), ids_.rend(), [&](const auto& known) { return known.first == id; });
  return found == ids_.rend() ? std::string_view() : found->second;
}

Status AnthropicMessages::repair() {
  static const Block kGoOn = [] {
    Block block;
    block.text = "Please continue.";
    return block;
  }();
  static const Block kDot = [] {
    Block block;
    block.text = ".";
    return block;
  }();
  if (turns_.empty()) {
    if (!modify_) return refuse_empty_messages();
    add(Speaker::User, {&kGoOn, {}, 0, {}, {}});
  }
  if (modify_ && turns_.front().speaker == Speaker::Assistant) {
    turns_.insert(turns_.begin(), Turn{Speaker::User, {{&kDot, {}, 0, {}, {}}}});
  }
  return {};
}

void AnthropicMessages::put_results_first(std::vector<Piece>& pieces) {
  const auto is_result = [](const Piece& piece) {
    return piece.block != nullptr && piece.block->kind == Block::Kind::ToolResult;
  };
  std::vector<Piece> ordered;
  std::copy_if(pieces.begin(), pieces.end(), std::back_inserter(ordered), is_result);
  if (ordered.empty()) return;
  std::remove_copy_if(pieces.begin(), pieces.end(), std::back_inserter(ordered), is_result);
  pieces = std::move(ordered);
}

Status AnthropicMessages::lay_out() {
  for (std::size_t index = 0; index < request_.messages.size(); ++index) {
    const Message& message = request_.messages[index];
    switch (message.role) {
      case Role::System:
      case Role::Developer:
        take_system(message, index);
        break;
      case Role::User:
      case Role::Tool:
        take_user(message, index);
        break;
      case Role::Assistant:
        take_assistant(message, index);
        break;
    }
  }
  end_user_turn();
  system_.insert(system_.end(), later_system_.begin(), later_system_.end());
  for (Turn& turn : turns_) {
    if (turn.speaker == Speaker::User) put_results_first(turn.pieces);
  }
  return repair();
}

bool AnthropicMessages::has_tool_uses() const {
  return !ids_.empty();
}

bool AnthropicMessages::lacks_thinking() const {
  bool calls = false;
  for (const Turn& turn : turns_) {
    if (turn.speaker != Speaker::Assistant) continue;
    calls = false;
    for (const Piece& piece : turn.pieces) {
      if (piece.block == nullptr) continue;
      if (piece.block->kind == Block::Kind::Thinking || piece.block->kind == Block::Kind::RedactedThinking)
        return false;
      calls |= piece.block->kind == Block::Kind::ToolUse;
    }
  }
  return calls;
}

Status AnthropicMessages::write_result(json::Writer& writer, const Piece& piece) {
  const Block& result = *piece.block;
  protocol::CacheMark cache = piece.cache;
  writer.begin_object().key("type").string("tool_result").key("tool_use_id").string(piece.id);
  const bool plain = result.parts.size() == 1 && result.parts[0].kind == Block::Kind::Text;
  if (plain) {
    if (!result.parts[0].text.empty()) writer.key("content").string(result.parts[0].text);
    if (!cache.set) cache = result.parts[0].cache;
  } else if (!result.parts.empty()) {
    writer.key("content").begin_array();
    for (const Block& part : result.parts) {
      // A breakpoint stands behind the whole result.
      if (!cache.set) cache = part.cache;
      if (part.kind == Block::Kind::Text) {
        if (!says_nothing(part)) write_text(writer, part.text, {});
      } else if (part.kind == Block::Kind::Native) {
        writer.raw(part.json);
      } else if (Status written = write_anthropic_media(writer, part, {}, betas_); !written) {
        return written;
      }
    }
    writer.end_array();
  }
  if (result.is_error) writer.key("is_error").boolean(true);
  write_cache_mark(writer, cache);
  writer.end_object();
  return {};
}

Status AnthropicMessages::write_piece(json::Writer& writer, const Piece& piece) {
  if (piece.block == nullptr) {
    writer.raw(piece.raw);
    return {};
  }
  const Block& block = *piece.block;
  switch (block.kind) {
    case Block::Kind::Text:
    case Block::Kind::Refusal:
      write_text(writer, block.text, piece.cache);
      return {};
    case Block::Kind::Thinking:
      writer.begin_object().key("type").string("thinking").key("thinking").string(block.text);
      writer.key("signature").string(block.signature).end_object();
      return {};
    case Block::Kind::RedactedThinking:
      writer.begin_object().key("type").string("redacted_thinking").key("data").string(block.text).end_object();
      return {};
    case Block::Kind::ToolUse: {
      const bool server = block.id.starts_with(kServerToolId);
      writer.begin_object().key("type").string(server ? "server_tool_use" : "tool_use").key("id").string(piece.id);
      writer.key("name").string(server ? block.name : names_.sent(block.name)).key("input");
      if (block.custom) {
        writer.begin_object().key("input").string(block.text).end_object();
      } else {
        writer.raw(block.text);
      }
      write_cache_mark(writer, piece.cache);
      writer.end_object();
      return {};
    }
    case Block::Kind::ToolResult:
      return write_result(writer, piece);
    case Block::Kind::Native:
      writer.raw(block.json);
      return {};
    case Block::Kind::Image:
    case Block::Kind::Audio:
    case Block::Kind::Document:
    case Block::Kind::Video:
      return write_anthropic_media(writer, block, piece.cache, betas_);
  }
  return {};
}

Status AnthropicMessages::write_turn(json::Writer& writer, const Turn& turn, bool last) {
  constexpr std::string_view kRoles[] = {"system", "user", "assistant"};
  writer.begin_object().key("role").string(kRoles[static_cast<std::size_t>(turn.speaker)]);
  writer.key("content").begin_array();
  for (const Piece& piece : turn.pieces) {
    const bool prefill = last && turn.speaker == Speaker::Assistant && &piece == &turn.pieces.back();
    const bool text =
        piece.block != nullptr && (piece.block->kind == Block::Kind::Text || piece.block->kind == Block::Kind::Refusal);
    if (prefill && text) {
      // What the model is to go on from must not end in white space.
      write_text(writer, trim_end(piece.block->text), piece.cache);
      continue;
    }
    if (Status written = write_piece(writer, piece); !written) {
      Error error = std::move(written.error());
      error.param = "messages[" + std::to_string(piece.message) + "].content";
      error.message = "'" + error.param + "': " + error.message;
      return base::fail(std::move(error));
    }
  }
  writer.end_array().end_object();
  return {};
}

Status AnthropicMessages::write(json::Writer& writer) {
  if (!system_.empty()) {
    writer.key("system").begin_array();
    for (const Piece& piece : system_) write_text(writer, piece.block->text, piece.cache);
    writer.end_array();
  }
  writer.key("messages").begin_array();
  for (const Turn& turn : turns_) {
    if (Status written = write_turn(writer, turn, &turn == &turns_.back()); !written) return written;
  }
  writer.end_array();
  return {};
}

}  // namespace turnpike::codec
