#include "codec/gemini_reply.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/utf8.h"
#include "json/write.h"
#include "protocol/openai_error.h"

namespace turnpike::codec {

using json::Kind;
using json::Value;
using json::Writer;
using protocol::Block;
using protocol::ChatEvent;
using protocol::ChatReply;
using protocol::Finish;
using protocol::ReplyChoice;

namespace {

constexpr std::string_view kFilters[] = {
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
};
constexpr std::string_view kBotched[] = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"};

template <std::size_t N>
bool one_of(std::string_view word, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

// Every byte of the token's UTF-8, as OpenAI lists them.
void write_token(Writer& writer, const Value& candidate) {
  const std::string token = candidate.find("token").text().value_or("");
  const Value logprob = candidate.find("logProbability");
  writer.key("token").string(token);
  writer.key("logprob").raw(logprob.is(Kind::Number) ? logprob.raw() : "0");  // A certain one is left out.
  writer.key("bytes").begin_array();
  for (const char byte : token) writer.number(std::uint64_t{static_cast<unsigned char>(byte)});
  writer.end_array();
}

/// `logprobsResult` in OpenAI's shape.
std::string logprobs_of(const Value& result) {
  std::vector<Value> tops;
  for (const Value top : result.find("topCandidates").elements()) tops.push_back(top);
  std::string json;
  Writer writer(json);
  writer.begin_object().key("content").begin_array();
  std::size_t place = 0;
  for (const Value chosen : result.find("chosenCandidates").elements()) {
    writer.begin_object();
    write_token(writer, chosen);
    writer.key("top_logprobs").begin_array();
    if (place < tops.size()) {
      for (const Value candidate : tops[place].find("candidates").elements()) {
        writer.begin_object();
        write_token(writer, candidate);
        writer.end_object();
      }
    }
    writer.end_array().end_object();
    ++place;
  }
  writer.end_array().key("refusal").null().end_object();
  return json;
}

// "ON_DEMAND_PRIORITY" -> "priority"
std::string tier_of(std::string_view traffic) {
  constexpr std::string_view kOnDemand = "ON_DEMAND_";
  return traffic.starts_with(kOnDemand) ? base::to_lower(traffic.substr(kOnDemand.size())) : std::string();
}

}  // namespace

GeminiFinish gemini_finish(std::string_view reason, bool called) {
  if (reason == "STOP") return {called ? Finish::ToolCalls : Finish::Stop};
  if (reason == "MAX_TOKENS") return {Finish::Length};
  if (reason == "CONTINUATION") return {Finish::Length, true};
  if (one_of(reason, kFilters)) return {Finish::ContentFilter, true};
  return {Finish::Stop, true, one_of(reason, kBotched)};
}

void GeminiText::add(Kind kind, std::string_view text, bool joins) {
  const bool goes_on = joins && kind != Kind::Other && !parts_.empty() && parts_.back().kind == kind;
  if (!goes_on) parts_.push_back({kind, text_.size()});
  constexpr std::size_t kKeptMax = 1 << 20;  // Nobody cites beyond.
  if (kind == Kind::Text && text_.size() + text.size() <= kKeptMax) text_ += text;
}

std::uint64_t GeminiText::characters(std::uint64_t part, std::uint64_t byte) const {
  // An answer of one text says no part, though thoughts may have come before it.
  const bool text = part < parts_.size() && parts_[part].kind == Kind::Text;
  const std::size_t begin = text ? parts_[part].begin : 0;
  const std::size_t end = begin + std::min<std::uint64_t>(byte, text_.size() - begin);
  return base::count_characters(std::string_view(text_).substr(0, end));
}

bool GeminiReader::ended() const {
  if (blocked_) return true;
  return !candidates_.empty() &&
         std::all_of(candidates_.begin(), candidates_.end(), [](const auto& entry) { return entry.second.finished; });
}

std::string_view GeminiReader::text(const Value& value) {
  return protocol::text_in(value, *texts_).value_or(value.inner());
}

ChatEvent& GeminiReader::add(ChatEvent::Kind kind, std::uint32_t choice) {
  ChatEvent& event = out_->emplace_back();
  event.kind = kind;
  event.choice = choice;
  return event;
}

void GeminiReader::add_native(std::uint32_t choice, std::string_view name, std::string_view json) {
  ChatEvent& event = add(ChatEvent::Kind::Native, choice);
  event.name = name;
  event.json = json;
}

void GeminiReader::take_call(const Value& call, std::string_view signature, std::uint32_t choice,
                             Candidate& candidate) {
  const Value arguments = call.find("args");
  ChatEvent& start = add(ChatEvent::Kind::ToolStart, choice);
  start.tool = candidate.tools;
  start.id = text(call.find("id"));
  start.name = text(call.find("name"));
  start.signature = signature;
  ChatEvent& fragment = add(ChatEvent::Kind::ToolArguments, choice);
  fragment.tool = candidate.tools++;
  fragment.text = arguments.is(Kind::Object) ? texts_->keep(json::compact(arguments.raw())) : "{}";
}

void GeminiReader::take_media(const Value& blob, std::string_view signature, std::uint32_t choice) {
  const std::string_view mime = text(blob.find("mimeType"));
  const std::string lower = base::to_lower(mime);
  const bool audio = lower.starts_with("audio/");
  if (!audio && !lower.starts_with("image/")) {
    add_native(choice, "files", texts_->keep("[" + std::string(blob.raw()) + "]"));
    return;
  }
  ChatEvent& event = add(audio ? ChatEvent::Kind::Audio : ChatEvent::Kind::Image, choice);
  event.media.mime = mime;
  event.media.base64 = text(blob.find("data"));
  event.signature = signature;
  // "audio/L16;codec=pcm;rate=24000"
  if (audio && (lower.starts_with("audio/l16") || lower.starts_with("audio/pcm"))) event.media.format = "pcm16";
}

void GeminiReader::take_part(const Value& part, std::uint32_t choice, Candidate& candidate) {
  enum : std::size_t { kText, kThought, kSignature, kCall, kInline, kFile, kCode, kResult, kCount };
  static constexpr std::array<std::string_view, kCount> kNames = {
      "text",       "thought",  "thoughtSignature", "functionCall",
      "inlineData", "fileData", "executableCode",   "codeExecutionResult"};
  std::array<Value, kCount> said;
  part.find_each(kNames, said);
  const std::string_view signature = text(said[kSignature]);
  if (said[kText].is(Kind::String)) {
    const bool thought = said[kThought].boolean().value_or(false);
    const std::string_view spoken = text(said[kText]);
    candidate.text.add(thought ? GeminiText::Kind::Thought : GeminiText::Kind::Text, spoken, stream_);
    if (spoken.empty() && signature.empty()) return;
    ChatEvent& event = add(thought ? ChatEvent::Kind::Thinking : ChatEvent::Kind::Text, choice);
    event.text = spoken;
    if (thought && !signature.empty()) {
      add(ChatEvent::Kind::Signature, choice).signature = signature;
    } else {
      event.signature = signature;
    }
    if (!thought && !signature.empty()) {
      add_native(choice, "thought_signatures", texts_->keep("[" + json::quoted(signature) + "]"));
    }
    said_ = true;
    return;
  }
  candidate.text.add(GeminiText::Kind::Other, {}, stream_);
  if (said[kCall].is(Kind::Object)) {
    take_call(said[kCall], signature, choice, candidate);
  } else if (said[kInline].is(Kind::Object)) {
    take_media(said[kInline], signature, choice);
  } else if (said[kFile].is(Kind::Object)) {
    add_native(choice, "files", texts_->keep("[" + std::string(said[kFile].raw()) + "]"));
  } else if (said[kCode] || said[kResult]) {
    const std::size_t which = said[kCode] ? kCode : kResult;
    add_native(choice, "code_execution",
               texts_->keep("[{\"" + std::string(kNames[which]) + "\":" + json::compact(said[which].raw()) + "}]"));
  } else {
    return;
  }
  said_ = true;
}

void GeminiReader::take_grounding(const Value& grounding, std::uint32_t choice, Candidate& candidate) {
  if (!grounding.is(Kind::Object)) return;
  add_native(choice, "groundingMetadata", texts_->keep(json::compact(grounding.raw())));
  std::uint64_t searches = 0;
  for (const Value query : grounding.find("webSearchQueries").elements()) searches += query.inner().empty() ? 0 : 1;
  searches_[choice] = std::max(searches_[choice], searches);
  std::vector<Value> sources;
  for (const Value chunk : grounding.find("groundingChunks").elements()) {
    Value source = chunk.find("web");
    if (!source) source = chunk.find("retrievedContext");
    if (!source) source = chunk.find("maps");
    sources.push_back(source);
  }
  for (const Value support : grounding.find("groundingSupports").elements()) {
    if (!candidate.cited.insert(json::compact(support.raw())).second) continue;
    const Value segment = support.find("segment");
    const std::uint64_t part = segment.find("partIndex").whole().value_or(0);
    for (const Value index : support.find("groundingChunkIndices").elements()) {
      const std::uint64_t at = index.whole().value_or(sources.size());
      if (at >= sources.size() || !sources[at].find("uri").is(Kind::String)) continue;
      protocol::Citation& citation = add(ChatEvent::Kind::Citation, choice).citation;
      citation.start = candidate.text.characters(part, segment.find("startIndex").whole().value_or(0));
      citation.end = candidate.text.characters(part, segment.find("endIndex").whole().value_or(0));
      citation.url = text(sources[at].find("uri"));
      citation.title = text(sources[at].find("title"));
    }
  }
}

Status GeminiReader::take_finish(const Value& value, std::uint32_t choice, Candidate& candidate) {
  const Value said = value.find("finishReason");
  if (!said.is(Kind::String) || candidate.finished) return {};
  const std::string_view reason = text(said);
  const GeminiFinish finish = gemini_finish(reason, candidate.tools > 0);
  if (finish.botched && !said_) return base::fail(protocol::broke_off_error(reason, label_));
  candidate.finished = true;
  if (const Value message = value.find("finishMessage"); message.is(Kind::String)) {
    add_native(choice, "finishMessage", message.raw());
  }
  ChatEvent& event = add(ChatEvent::Kind::Finish, choice);
  event.finish = finish.finish;
  if (finish.native) event.native_finish = reason;
  return {};
}

Status GeminiReader::take_candidate(const Value& value) {
  const auto choice =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(value.find("index").whole().value_or(0), 1024));
  Candidate& candidate = candidates_[choice];
  const std::size_t first = out_->size();
  for (const Value part : value.find("content").find("parts").elements()) take_part(part, choice, candidate);
  if (const Value logprobs = value.find("logprobsResult"); logprobs.find("chosenCandidates").is(Kind::Array)) {
    // They belong to a text of this fragment, never to that of one before, which may be long gone.
    if (out_->size() == first || out_->back().kind != ChatEvent::Kind::Text) add(ChatEvent::Kind::Text, choice);
    add(ChatEvent::Kind::Logprobs, choice).json = texts_->keep(logprobs_of(logprobs));
  }
  take_grounding(value.find("groundingMetadata"), choice, candidate);
  for (const std::string_view name : {"urlContextMetadata", "citationMetadata", "safetyRatings"}) {
    const Value extra = value.find(name);
    if (extra.is(Kind::Object) || extra.is(Kind::Array)) {
      add_native(choice, name, texts_->keep(json::compact(extra.raw())));
    }
  }
  return take_finish(value, choice, candidate);
}

// Every fragment repeats it, grown: the last one counts.
void GeminiReader::take_usage(const Value& usage_metadata) {
  std::optional<domain::Usage> usage = read_gemini_usage(usage_metadata);
  if (!usage) return;
  const bool output_said = usage_metadata.find("candidatesTokenCount") || usage_metadata.find("thoughtsTokenCount");
  usage->output_unsaid = said_ && !output_said;
  usage_ = std::move(usage);
  if (std::string tier = tier_of(usage_metadata.find("trafficType").inner()); !tier.empty()) tier_ = std::move(tier);
  add(ChatEvent::Kind::Usage, 0);
}

Status GeminiReader::take(const Value& root, protocol::Texts& texts, std::vector<ChatEvent>& out) {
  texts_ = &texts;
  out_ = &out;
  if (root.find("error").is(Kind::Object)) return base::fail(read_gemini_error(200, root.raw(), label_, {}, 0));
  if (!started_) {
    ChatEvent& start = add(ChatEvent::Kind::Start, 0);
    start.id = text(root.find("responseId"));
    start.name = text(root.find("modelVersion"));
    started_ = true;
  }
  bool any = false;
  for (const Value candidate : root.find("candidates").elements()) {
    any = true;
    if (Status taken = take_candidate(candidate); !taken) return taken;
  }
  const Value reason = root.find("promptFeedback").find("blockReason");
  if (!any && reason.is(Kind::String) && !blocked_) {
    blocked_ = true;
    add_native(0, "promptFeedback", texts_->keep(json::compact(root.find("promptFeedback").raw())));
    ChatEvent& event = add(ChatEvent::Kind::Finish, 0);
    event.finish = Finish::ContentFilter;
    event.native_finish = text(reason);
  }
  take_usage(root.find("usageMetadata"));
  std::uint64_t searches = 0;
  for (const auto& [choice, count] : searches_) searches += count;
  if (usage_ && searches > 0) usage_->set(domain::Unit::Queries, searches);
  return {};
}

namespace {

ReplyChoice& choice_of(ChatReply& reply, std::uint32_t index) {
  for (ReplyChoice& choice : reply.choices) {
    if (choice.index == index) return choice;
  }
  ReplyChoice& choice = reply.choices.emplace_back();
  choice.index = index;
  return choice;
}

Block& add_block(ReplyChoice& choice, Block::Kind kind, const ChatEvent& event) {
  Block& block = choice.blocks.emplace_back();
  block.kind = kind;
  block.text = event.text;
  block.signature = event.signature;
  block.id = event.id;
  block.name = event.name;
  block.media = event.media;
  return block;
}

// A member that comes twice is a list that goes on.
void add_member(std::vector<std::pair<std::string, std::string>>& members, const ChatEvent& event) {
  for (auto& [name, json] : members) {
    if (name != event.name) continue;
    const bool lists = json.starts_with('[') && event.json.starts_with('[') && json != "[]" && event.json != "[]";
    if (lists) json = json.substr(0, json.size() - 1) + "," + std::string(event.json.substr(1));
    return;
  }
  members.emplace_back(event.name, event.json);
}

}  // namespace

void fold_events(const std::vector<ChatEvent>& events, ChatReply& reply) {
  std::map<std::uint32_t, std::vector<std::pair<std::string, std::string>>> native;
  for (const ChatEvent& event : events) {
    using Event = ChatEvent::Kind;
    switch (event.kind) {
      case Event::Start:
        reply.id = event.id;
        reply.model = event.name;
        break;
      case Event::Text:
        add_block(choice_of(reply, event.choice), Block::Kind::Text, event);
        break;
      case Event::Refusal:
        add_block(choice_of(reply, event.choice), Block::Kind::Refusal, event);
        break;
      case Event::Thinking:
        add_block(choice_of(reply, event.choice), Block::Kind::Thinking, event);
        break;
      case Event::RedactedThinking:
        add_block(choice_of(reply, event.choice), Block::Kind::RedactedThinking, event);
        break;
      case Event::ToolStart:
        add_block(choice_of(reply, event.choice), Block::Kind::ToolUse, event);
        break;
      case Event::Image:
        add_block(choice_of(reply, event.choice), Block::Kind::Image, event);
        break;
      case Event::Audio:
        add_block(choice_of(reply, event.choice), Block::Kind::Audio, event);
        break;
      case Event::Signature:
        choice_of(reply, event.choice).blocks.back().signature = event.signature;
        break;
      case Event::ToolArguments:
        choice_of(reply, event.choice).blocks.back().text = event.text;
        break;
      case Event::Citation:
        choice_of(reply, event.choice).citations.push_back(event.citation);
        break;
      case Event::Logprobs:
        choice_of(reply, event.choice).logprobs_json = event.json;
        break;
      case Event::Native:
        add_member(native[event.choice], event);
        break;
      case Event::Finish: {
        ReplyChoice& choice = choice_of(reply, event.choice);
        choice.finish = event.finish;
        choice.native_finish = event.native_finish;
        break;
      }
      case Event::Usage:
      case Event::End:
        break;
    }
  }
  for (const auto& [choice, members] : native) {
    std::string json;
    Writer writer(json);
    writer.begin_object();
    for (const auto& [name, value] : members) writer.key(name).raw(value);
    writer.end_object();
    choice_of(reply, choice).native_json = reply.texts.keep(std::move(json));
  }
}

}  // namespace turnpike::codec
