#include "codec/cohere_reply.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "base/utf8.h"
#include "codec/cohere_codec.h"
#include "json/write.h"
#include "protocol/answer_error.h"
#include "protocol/openai_error.h"

namespace turnpike::codec {

using domain::Unit;
using json::Kind;
using json::Value;
using protocol::Block;
using protocol::ChatReply;
using protocol::Finish;
using protocol::ReplyChoice;

namespace {

std::optional<std::uint64_t> count(const Value& object, std::string_view name) {
  const auto read = object.find(name).whole();
  if (!read || *read > domain::kUnitCountMax) return std::nullopt;
  return read;
}

std::string_view said(const Value& value, protocol::Texts& texts) {
  return protocol::text_in(value, texts).value_or(std::string_view());
}

void add_text(ReplyChoice& choice, Block::Kind kind, std::string_view text) {
  if (text.empty()) return;
  Block block;
  block.kind = kind;
  block.text = text;
  choice.blocks.push_back(std::move(block));
}

void read_content(const Value& message, ChatReply& reply, ReplyChoice& choice) {
  std::vector<std::uint64_t> offsets;  // Of each content block in the whole text.
  std::uint64_t offset = 0;
  if (message.find("content").is(Kind::String)) {
    add_text(choice, Block::Kind::Text, said(message.find("content"), reply.texts));
  }
  for (const Value part : message.find("content").elements()) {
    offsets.push_back(offset);
    add_text(choice, Block::Kind::Thinking, said(part.find("thinking"), reply.texts));
    const std::string_view text = said(part.find("text"), reply.texts);
    add_text(choice, Block::Kind::Text, text);
    offset += base::count_characters(text);
  }
  for (const Value citation : message.find("citations").elements()) {
    const std::uint64_t index = citation.find("content_index").whole().value_or(0);
    append_citations(citation, index < offsets.size() ? offsets[index] : 0, reply.texts, choice.citations);
  }
}

void read_tool_calls(const Value& message, ChatReply& reply, ReplyChoice& choice) {
  for (const Value call : message.find("tool_calls").elements()) {
    Block block;
    block.kind = Block::Kind::ToolUse;
    block.id = said(call.find("id"), reply.texts);
    block.name = said(call.find("function").find("name"), reply.texts);
    block.text = said(call.find("function").find("arguments"), reply.texts);
    choice.blocks.push_back(std::move(block));
  }
}

void read_logprobs(const Value& list, ChatReply& reply, ReplyChoice& choice) {
  std::string elements;
  for (const Value item : list.elements()) append_cohere_logprob(item, elements);
  if (elements.empty()) return;
  choice.logprobs_json = reply.texts.keep(R"({"content":[)" + elements + R"(],"refusal":null})");
}

}  // namespace

CohereFinish cohere_finish(std::string_view word) {
  if (word == "COMPLETE" || word == "STOP_SEQUENCE") return {};
  if (word == "MAX_TOKENS") return {Finish::Length};
  if (word == "TOOL_CALL") return {Finish::ToolCalls};
  if (word == "ERROR_TOXIC") return {Finish::ContentFilter, true};
  if (word == "ERROR_LIMIT") return {Finish::Length, true};
  if (word == "ERROR" || word == "TIMEOUT" || word == "USER_CANCEL") return {Finish::None, true, true};
  return {Finish::Stop, true};
}

std::optional<domain::Usage> cohere_usage(const Value& usage) {
  const Value billed = usage.find("billed_units");
  const Value tokens = usage.find("tokens");
  const auto billed_in = count(billed, "input_tokens");
  const auto billed_out = count(billed, "output_tokens");
  const auto seen_in = count(tokens, "input_tokens");
  const auto seen_out = count(tokens, "output_tokens");
  if (!billed_in && !seen_in && !billed_out && !seen_out) return std::nullopt;
  domain::Usage read;
  const auto split = [&read](std::optional<std::uint64_t> bill, std::optional<std::uint64_t> seen, Unit unit,
                             Unit unbilled) {
    const std::uint64_t invoiced = bill.value_or(seen.value_or(0));
    read.set(unit, invoiced);
    read.set(unbilled, std::max(seen.value_or(0), invoiced) - invoiced);
    return invoiced;
  };
  const std::uint64_t input = split(billed_in, seen_in, Unit::InputTokens, Unit::UnbilledInputTokens);
  split(billed_out, seen_out, Unit::OutputTokens, Unit::UnbilledOutputTokens);
  read.input_unsaid = !billed_in && !seen_in;
  read.output_unsaid = !billed_out && !seen_out;
  const std::uint64_t cached = std::min(count(usage, "cached_tokens").value_or(0), input);
  read.set(Unit::InputTokens, input - cached);
  read.set(Unit::CachedInputTokens, cached);
  read.set(Unit::Queries, count(billed, "search_units").value_or(0));
  return read;
}

void append_cohere_logprob(const Value& item, std::string& elements) {
  std::string_view first;
  double sum = 0;
  std::size_t tokens = 0;
  for (const Value logprob : item.find("logprobs").elements()) {
    first = logprob.raw();
    sum += logprob.number().value_or(0);
    ++tokens;
  }
  if (tokens == 0) return;
  // Several tokens of one text: its probability is their product.
  char shown[32];
  const auto end = std::to_chars(std::begin(shown), std::end(shown), sum).ptr;
  if (!elements.empty()) elements += ',';
  json::Writer writer(elements);
  writer.begin_object().key("token").string(item.find("text").text().value_or(""));
  writer.key("logprob").raw(tokens == 1 ? first : std::string_view(shown, static_cast<std::size_t>(end - shown)));
  writer.key("bytes").null().key("top_logprobs").begin_array().end_array().end_object();
}

void append_citations(const Value& citation, std::uint64_t offset, protocol::Texts& texts,
                      std::vector<protocol::Citation>& out) {
  const Value type = citation.find("type");
  if (type.is(Kind::String) && type.inner() != "TEXT_CONTENT") return;
  protocol::Citation made;
  made.start = offset + citation.find("start").whole().value_or(0);
  made.end = offset + citation.find("end").whole().value_or(0);
  for (const Value source : citation.find("sources").elements()) {
    const Value document = source.find("document");
    made.url = said(document.find("url"), texts);
    made.title = said(document.find("title"), texts);
    if (made.title.empty()) made.title = said(source.find("id"), texts);
    out.push_back(made);
  }
}

bool is_cohere_error(const Value& root) {
  return !root.find("type") && !root.find("finish_reason") &&
         (root.find("message").is(Kind::String) || protocol::holds_error(root));
}

Result<ChatReply> read_cohere_reply(std::string_view body, std::string_view label) {
  json::Document document;
  if (auto parsed = document.parse(body); !parsed) {
    return protocol::unreadable_answer(label, parsed.error().message, body);
  }
  const Value root = document.root();
  if (is_cohere_error(root)) return base::fail(protocol::read_error(200, body, label, {}));
  const Value message = root.find("message");
  if (!message.is(Kind::Object)) return protocol::unreadable_answer(label, "it holds no message", body);
  ChatReply reply;
  reply.id = said(root.find("id"), reply.texts);
  reply.usage = cohere_usage(root.find("usage"));
  ReplyChoice choice;
  add_text(choice, Block::Kind::Thinking, said(message.find("tool_plan"), reply.texts));
  read_content(message, reply, choice);
  read_tool_calls(message, reply, choice);
  read_logprobs(root.find("logprobs"), reply, choice);
  const std::string_view word = said(root.find("finish_reason"), reply.texts);
  const CohereFinish finish = cohere_finish(word);
  if (finish.broken) return base::fail(protocol::broke_off_error(word, label));
  choice.finish = finish.finish;
  if (finish.native) choice.native_finish = word;
  reply.choices.push_back(std::move(choice));
  return reply;
}

Result<ChatReply> CohereCodec::decode_chat(std::string_view body, std::string_view label) const {
  return read_cohere_reply(body, label);
}

std::optional<domain::Usage> CohereCodec::usage_of_part(std::string_view body) const {
  json::Document document;
  return document.parse(body) ? cohere_usage(document.root().find("usage")) : std::nullopt;
}

Error CohereCodec::read_error(const Refusal& refusal) const {
  const std::string lower = base::to_lower(refusal.body);
  std::string_view code;
  if (refusal.status == 400 && lower.find("too many tokens") != std::string::npos) code = "context_length_exceeded";
  // "Invalid token": the text holds one of those that Cohere has on a deny list.
  if (refusal.status == 498) code = "content_policy_violation";
  if (code.empty()) {
    return protocol::read_error(refusal.status, refusal.body, refusal.label, refusal.retry_after, refusal.now_s);
  }
  json::Document document;
  const bool read = document.parse(refusal.body).has_value();
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("code").string(code).key("message");
  writer.string(read ? document.root().find("message").text().value_or(std::string(refusal.body))
                     : std::string(refusal.body));
  writer.end_object();
  // No client knows 498.
  const int status = refusal.status == 498 ? 400 : refusal.status;
  return protocol::read_error(status, body, refusal.label, refusal.retry_after, refusal.now_s);
}

}  // namespace turnpike::codec
