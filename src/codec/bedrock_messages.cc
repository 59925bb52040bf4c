#include "codec/bedrock_messages.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "codec/bedrock_media.h"
#include "codec/bedrock_names.h"
#include "codec/parts.h"
#include "json/write.h"

namespace turnpike::codec {
namespace {

using protocol::Block;
using protocol::Message;
using protocol::Role;

constexpr std::string_view kGoOn = "Please continue.";

constexpr std::string_view kBlanks = " \t\r\n\f\v";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(kBlanks) == std::string_view::npos;
}

bool is_system(const Message& message) {
  return message.role == Role::System || message.role == Role::Developer;
}

/// A refusal of earlier is sent as text, and so is a thought that nobody has sealed.
bool is_text(const Block& block) {
  return block.kind == Block::Kind::Text || block.kind == Block::Kind::Refusal ||
         (block.kind == Block::Kind::Thinking && block.signature.empty());
}

/// The text that ends a conversation in which the assistant speaks last; null if there is none.
const Block* prefill_of(const std::vector<Message>& messages) {
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    if (is_system(*message)) continue;
    if (message->role != Role::Assistant) return nullptr;
    for (auto block = message->blocks.rbegin(); block != message->blocks.rend(); ++block) {
      const bool thought = block->kind == Block::Kind::Thinking || block->kind == Block::Kind::RedactedThinking;
      if (!is_text(*block) && !thought) return nullptr;
      if (is_text(*block) && !is_blank(block->text)) return &*block;  // Sealed thoughts stand before it.
    }
  }
  return nullptr;
}

std::string text_block(std::string_view text) {
  return "{\"text\":" + json::quoted(text) + "}";
}

/// One content block with the cache point behind it, and where it belongs in its turn.
struct Piece {
  enum class Rank : unsigned char { First, Middle, Last };  // Tool results or thoughts; the rest; tool calls.
  Rank rank = Rank::Middle;
  std::string json;
};

struct Turn {
  std::string_view role;
  std::size_t message = 0;  // The first of those it was made of.
  std::vector<Piece> pieces;
};

/// Converse takes no document without a text beside it.
bool lacks_text(const Turn& turn) {
  const auto says = [&](std::string_view start) {
    return std::any_of(turn.pieces.begin(), turn.pieces.end(),
                       [&](const Piece& piece) { return piece.json.starts_with(start); });
  };
  return says("{\"document\"") && !says("{\"text\"");
}

class Conversation {
 public:
  Conversation(const protocol::ChatRequest& request, const EncodeInput& input, bool modify, ToolNames& names)
      : request_(request), input_(input), modify_(modify), names_(names), prefill_(prefill_of(request.messages)) {}

  Result<BedrockConversation> write();

 private:
  Status add(const Message& message, std::size_t index);
  Status add_block(const Block& block, Turn& turn, const std::string& path);
  Status add_result(const Block& result, Turn& turn, const std::string& path);
  Status add_media(const Block& block, Turn& turn, const std::string& path);
  Status add_native(const Block& block, Turn& turn, const std::string& path);
  void add_call(const Block& call, Turn& turn);
  void add_thought(const Block& block, Turn& turn);
  void put(Turn& turn, std::string json, const protocol::CacheMark& mark, Piece::Rank rank = Piece::Rank::Middle) const;
  void add_system(const Message& message);
  Status repair();
  bool calls_last() const;
  void write_turns(std::string& out);

  const protocol::ChatRequest& request_;
  const EncodeInput& input_;
  bool modify_;
  ToolNames& names_;
  const Block* prefill_;
  BedrockDocumentNames documents_;
  std::set<std::string, std::less<>> answered_;
  std::vector<Turn> turns_;
  std::string system_;
  bool has_tools_ = false;
  bool has_thoughts_ = false;
};

void Conversation::put(Turn& turn, std::string json, const protocol::CacheMark& mark, Piece::Rank rank) const {
  append_cache_point(json, mark, input_.traits);
  turn.pieces.push_back({rank, std::move(json)});
}

void Conversation::add_system(const Message& message) {
  const auto add_json = [&](std::string json, const protocol::CacheMark& mark) {
    append_cache_point(json, mark, input_.traits);
    system_.append(system_.empty() ? "" : ",").append(json);
  };
  std::string last;
  protocol::CacheMark mark;
  for (const Block& block : message.blocks) {
    if (block.kind != Block::Kind::Text || is_blank(block.text)) continue;
    if (!last.empty()) add_json(std::move(last), mark);
    last = text_block(block.text);
    mark = block.cache;
  }
  if (last.empty()) return;
  add_json(std::move(last), mark.set ? mark : message.cache);
}

Status Conversation::add_result(const Block& result, Turn& turn, const std::string& path) {
  const std::string id = bedrock_tool_id(result.id);
  has_tools_ = true;
  if (!answered_.insert(id).second) return {};  // Said before: Bedrock takes one answer to a call.
  Turn content;
  for (std::size_t i = 0; i < result.parts.size(); ++i) {
    Block part = result.parts[i];
    part.cache = {};  // Converse has no cache point inside a result.
    if (Status added = add_block(part, content, path + ".content[" + std::to_string(i) + "]"); !added) return added;
  }
  // A failure that says nothing is refused; a success may.
  if (content.pieces.empty() && result.is_error) content.pieces.push_back({Piece::Rank::Middle, "{\"json\":{}}"});
  std::string json = "{\"toolResult\":{\"toolUseId\":" + json::quoted(id) + ",\"content\":[";
  for (std::size_t i = 0; i < content.pieces.size(); ++i) json.append(i == 0 ? "" : ",").append(content.pieces[i].json);
  json += "]";
  if (result.is_error) json += ",\"status\":\"error\"";
  protocol::CacheMark mark = result.cache;
  for (const Block& part : result.parts) {
    if (part.cache.set) mark = part.cache;
  }
  put(turn, json + "}}", mark, Piece::Rank::First);
  return {};
}

Status Conversation::add_media(const Block& block, Turn& turn, const std::string& path) {
  Result<std::string> json = bedrock_media(block, documents_);
  if (!json) return refuse_param(input_, path, "cannot take " + path + ": it " + json.error().message);
  put(turn, std::move(*json), block.cache);
  return {};
}

/// A part in Converse's own words, or LiteLLM's `guarded_text`; nobody here knows any other.
Status Conversation::add_native(const Block& block, Turn& turn, const std::string& path) {
  constexpr std::string_view kOwn[] = {"guardContent", "cachePoint", "searchResult", "citationsContent",
                                       "document",     "image",      "video",        "audio"};
  json::Document document;
  if (document.parse(block.json)) {
    const json::Value part = document.root();
    if (const auto text = part.find("text").text(); block.name == "guarded_text" && text) {
      put(turn, "{\"guardContent\":{\"text\":{\"text\":" + json::quoted(*text) + "}}}", block.cache);
      return {};
    }
    for (const std::string_view name : kOwn) {
      const json::Value own = part.find(name);
      if (!own.is(json::Kind::Object)) continue;
      put(turn, "{" + json::quoted(name) + ":" + std::string(own.raw()) + "}", {});
      return {};
    }
  }
  return refuse_param(input_, path + ".type",
                      "has no content of the type of " + path + " (" + std::string(block.name) + ")");
}

void Conversation::add_call(const Block& call, Turn& turn) {
  has_tools_ = true;
  std::string json = "{\"toolUse\":{\"toolUseId\":" + json::quoted(bedrock_tool_id(call.id));
  json.append(",\"name\":").append(json::quoted(names_.sent(call.name)));
  json.append(",\"input\":");
  if (call.custom) {
    json.append("{\"input\":").append(json::quoted(call.text)).append("}");
  } else {
    json.append(call.text.empty() ? "{}" : call.text);
  }
  put(turn, json + "}}", call.cache, Piece::Rank::Last);
}

/// A thought without its seal is refused by the models that seal theirs: it goes as what it reads like, a text.
void Conversation::add_thought(const Block& block, Turn& turn) {
  has_thoughts_ |= block.kind == Block::Kind::RedactedThinking || !block.signature.empty();
  if (block.kind == Block::Kind::RedactedThinking) {
    put(turn, "{\"reasoningContent\":{\"redactedContent\":" + json::quoted(block.text) + "}}", {}, Piece::Rank::First);
  } else if (!block.signature.empty()) {
    put(turn,
        "{\"reasoningContent\":{\"reasoningText\":{\"text\":" + json::quoted(block.text) +
            ",\"signature\":" + json::quoted(block.signature) + "}}}",
        {}, Piece::Rank::First);
  } else if (!is_blank(block.text)) {
    put(turn, text_block(block.text), {});
  }
}

Status Conversation::add_block(const Block& block, Turn& turn, const std::string& path) {
  switch (block.kind) {
    case Block::Kind::Text:
    case Block::Kind::Refusal:
      if (!is_blank(block.text)) put(turn, text_block(block.text), block.cache);
      return {};
    case Block::Kind::Image:
    case Block::Kind::Document:
    case Block::Kind::Video:
      return add_media(block, turn, path);
    case Block::Kind::Audio:
      // What a model has said aloud is known by an id that its provider alone can look up.
      return block.media.base64.empty() && block.media.url.empty() ? Status() : add_media(block, turn, path);
    case Block::Kind::Thinking:
    case Block::Kind::RedactedThinking:
      add_thought(block, turn);
      return {};
    case Block::Kind::ToolUse:
      add_call(block, turn);
      return {};
    case Block::Kind::ToolResult:
      return add_result(block, turn, path);
    case Block::Kind::Native:
      return add_native(block, turn, path);
  }
  return {};
}

Status Conversation::add(const Message& message, std::size_t index) {
  const bool system = is_system(message);
  const bool in_place = system && !turns_.empty() && input_.traits.has(domain::Trait::MidConversationSystem);
  if (system && !in_place) {
    add_system(message);
    return {};
  }
  const std::string_view role = in_place ? "system" : message.role == Role::Assistant ? "assistant" : "user";
  Turn said{role, index, {}};
  const std::string path = "messages[" + std::to_string(index) + "]";
  for (std::size_t i = 0; i < message.blocks.size(); ++i) {
    Block block = message.blocks[i];
    if (i + 1 == message.blocks.size() && message.cache.set) block.cache = message.cache;
    // What the model is to go on from may not end in white space.
    if (&message.blocks[i] == prefill_) block.text = block.text.substr(0, block.text.find_last_not_of(kBlanks) + 1);
    const bool part = block.kind != Block::Kind::ToolResult && block.kind != Block::Kind::ToolUse;
    const std::string at = part ? path + ".content[" + std::to_string(i) + "]" : path;
    if (Status added = add_block(block, said, at); !added) return added;
  }
  // An assistant that said nothing is left out; a user who did must change the request.
  if (said.pieces.empty() && role != "user") return {};
  if (turns_.empty() || turns_.back().role != role) {
    turns_.push_back(std::move(said));
  } else {
    std::move(said.pieces.begin(), said.pieces.end(), std::back_inserter(turns_.back().pieces));
  }
  return {};
}

/// Converse wants a user's turn first, and something in each; a model that takes no prefill wants one last as well.
Status Conversation::repair() {
  if (turns_.empty() || turns_[0].role != "user") {
    if (!modify_) {
      return refuse_param(input_, "messages", "wants a user's message first; modify_params puts one in");
    }
    turns_.insert(turns_.begin(), Turn{"user", 0, {}});
  }
  if (modify_ && turns_.back().role == "assistant" && input_.traits.lacks(domain::Trait::AssistantPrefill)) {
    turns_.push_back(Turn{"user", request_.messages.size(), {}});
  }
  for (Turn& turn : turns_) {
    const bool empty = turn.pieces.empty();
    if (!empty && !lacks_text(turn)) continue;
    if (!modify_) {
      const std::string path = "messages[" + std::to_string(turn.message) + "].content";
      const std::string why = empty ? "takes no empty " + path : "wants a text beside the document in " + path;
      return refuse_param(input_, path, why + "; modify_params puts something in");
    }
    turn.pieces.push_back({Piece::Rank::Middle, text_block(kGoOn)});
  }
  return {};
}

/// Whether the last turn of the assistant calls tools.
bool Conversation::calls_last() const {
  const auto last =
      std::find_if(turns_.rbegin(), turns_.rend(), [](const Turn& turn) { return turn.role == "assistant"; });
  return last != turns_.rend() && std::any_of(last->pieces.begin(), last->pieces.end(),
                                              [](const Piece& piece) { return piece.rank == Piece::Rank::Last; });
}

void Conversation::write_turns(std::string& out) {
  out += '[';
  for (const Turn& turn : turns_) {
    out.append(out.size() == 1 ? "" : ",")
        .append("{\"role\":")
        .append(json::quoted(turn.role))
        .append(",\"content\":[");
    bool first = true;
    // Results of tools before a text of the user; thoughts before a text, a text before the calls.
    for (const Piece::Rank rank : {Piece::Rank::First, Piece::Rank::Middle, Piece::Rank::Last}) {
      for (const Piece& piece : turn.pieces) {
        if (piece.rank != rank) continue;
        out.append(first ? "" : ",").append(piece.json);
        first = false;
      }
    }
    out += "]}";
  }
  out += ']';
}

Result<BedrockConversation> Conversation::write() {
  for (std::size_t i = 0; i < request_.messages.size(); ++i) {
    if (Status added = add(request_.messages[i], i); !added) return base::fail(std::move(added.error()));
  }
  if (Status repaired = repair(); !repaired) return base::fail(std::move(repaired.error()));
  BedrockConversation out;
  write_turns(out.messages);
  if (!system_.empty()) out.system = "[" + system_ + "]";
  out.has_tools = has_tools_;
  out.thoughtless = !has_thoughts_ && calls_last();
  return out;
}

}  // namespace

void append_cache_point(std::string& out, const protocol::CacheMark& mark, const domain::ModelTraits& traits) {
  const bool caches = traits.listed ? traits.has(domain::Trait::PromptCaching) : true;
  if (!mark.set || !caches) return;
  out += ",{\"cachePoint\":{\"type\":\"default\"";
  const bool hour = traits.listed ? traits.has(domain::Trait::CacheHour) : true;
  if (!mark.ttl.empty() && hour) out.append(",\"ttl\":").append(json::quoted(mark.ttl));
  out += "}}";
}

Result<BedrockConversation> bedrock_conversation(const protocol::ChatRequest& request, const EncodeInput& input,
                                                 bool modify, ToolNames& names) {
  return Conversation(request, input, modify, names).write();
}

}  // namespace turnpike::codec
